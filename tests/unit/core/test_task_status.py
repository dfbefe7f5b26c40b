"""Entries of tasks: each new one keeps the counters of the one before, and nothing else."""

from datetime import timedelta

import pytest
from podhatch.api.task_status import AttemptRecord, TaskStatus
from podhatch.core.run.task_status import EntryFields, kept, with_attempt

from tests.fakes.objects import NOW

WAITING = TaskStatus(name="a", state="Pending", reason="WaitingForParents", message="waits for b")
SAME: EntryFields = {"state": "Pending", "reason": "WaitingForParents", "message": "waits for b"}
RECORD = AttemptRecord(attempt=1, reason="TaskFailed")


@pytest.mark.parametrize(
    "counters",
    [{}, {"attempt": 2, "retries": 1, "attempts": [RECORD]}, {"disruptions": 1, "waits_over": 3}],
)
def test_an_entry_that_says_the_same_is_the_old_one(counters: dict[str, object]) -> None:
    old = TaskStatus.model_validate(WAITING.model_copy(update=counters).to_wire())
    assert kept(old, **SAME) is old
    without_events: EntryFields = {**SAME, "met": []}
    assert kept(old, **without_events) is old


@pytest.mark.parametrize(
    "more",
    [
        {"output": "1"},
        {"finished_at": NOW},
        {"queued_at": NOW},
        {"next_attempt_at": NOW + timedelta(seconds=1)},
        {"job": "j"},
        {"exit_code": 0},
        {"met": ["paid"]},
        {"message": "waits for c"},
    ],
)
def test_an_entry_keeps_nothing_but_its_counters(more: dict[str, object]) -> None:
    old = WAITING.model_copy(update={**more, "retries": 1})
    assert kept(old, **SAME) == WAITING.model_copy(update={"retries": 1})


def test_a_first_attempt_after_a_wait_without_a_pod_is_a_resume() -> None:
    parked = TaskStatus(name="a", state="Waiting", attempt=1, waits_over=0)
    resumed = with_attempt(parked, 2, job="j")
    assert resumed == TaskStatus(name="a", state="Queued", attempt=2, resumes=1, job="j")
    assert with_attempt(resumed, 2, job="j") is resumed
    assert with_attempt(parked, 1, job="j").resumes == 1
