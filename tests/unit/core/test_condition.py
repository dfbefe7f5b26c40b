"""Status conditions and the transitions of a run's phase."""

from datetime import timedelta

from podhatch.api.run import WorkflowRunStatus
from podhatch.core.common.condition import find_condition, with_condition
from podhatch.core.run.transition import transitions

from tests.fakes.objects import NOW


def test_a_conditions_time_moves_with_its_status_only() -> None:
    later = NOW + timedelta(seconds=5)

    first = with_condition([], "T", "A", "", NOW, 1)
    other = with_condition(first, "U", "A", "", NOW, 1)
    same = with_condition(other, "T", "B", "", later, 2)
    moved = with_condition(same, "T", "C", "", later, 2, status=False)
    assert [item.type for item in moved] == ["T", "U"]
    kept, changed = find_condition(same, "T"), find_condition(moved, "T")
    assert kept is not None
    assert (kept.reason, kept.last_transition_time) == ("B", NOW)
    assert changed is not None
    assert changed.last_transition_time == later


def test_a_status_that_says_nothing_yet_is_no_transition() -> None:
    assert transitions(WorkflowRunStatus(phase="Running"), WorkflowRunStatus()) == []
    assert transitions(None, WorkflowRunStatus(phase="Pending"))[0].reason == "Pending"
