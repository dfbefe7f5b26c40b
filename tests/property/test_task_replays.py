"""A replay of one task starts over it and all that depends on it, and nothing else."""

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskStatus
from podhatch.core.run.attempts import Attempts, AttemptView
from podhatch.core.run.run_requests import with_replay

from tests.fakes.objects import NOW, attempt_name, job, run, task

NAMES = "abcdefgh"
STATES = ("Pending", "Queued", "Running", "Waiting", "Succeeded", "Skipped", "Failed")


@st.composite
def graphs(draw: st.DrawFn) -> list[TaskSpec]:
    """Draw tasks, parents before children."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    return [
        TaskSpec.model_validate(task(name, *draw(st.sets(st.sampled_from(names[:place])))))
        if place
        else TaskSpec.model_validate(task(name))
        for place, name in enumerate(names)
    ]


@given(graphs(), st.data())
def test_it_and_all_below_it_start_over_and_the_others_stay(
    tasks: list[TaskSpec], data: st.DataObject
) -> None:
    target = data.draw(st.sampled_from(tasks)).name
    below = {target}
    for each in tasks:
        if not below.isdisjoint(each.parents):
            below.add(each.name)
    old = {
        each.name: TaskStatus.model_validate(
            {"name": each.name, "state": data.draw(st.sampled_from(STATES)), "attempt": 1}
        )
        for each in tasks
    }
    unnoted = data.draw(st.sets(st.sampled_from([each.name for each in tasks])))
    made = Attempts(
        AttemptView((name, 2), attempt_name(name, 2), job(name, number=2)) for name in unnoted
    )
    asked = WorkflowRun.model_validate(run(replay={"count": 1, "task": target}))
    entries = with_replay(asked, old, tasks, made, NOW)
    failure_stays = any(each.state == "Failed" for each in old.values() if each.name not in below)
    ended = TaskStatus(name="mend", state="Succeeded", attempt=1, job="mend-1")
    with_failure_task = with_replay(asked, {**old, "mend": ended}, tasks, made, NOW)
    mend = with_failure_task.pop("mend")
    assert (mend is ended) == failure_stays
    assert mend.state == ("Succeeded" if failure_stays else "Pending")
    assert with_failure_task == entries
    for name, entry in entries.items():
        if name in below:
            assert (entry.state, entry.job) == ("Pending", None)
            assert entry.attempt == 1 + (name in unnoted)
        elif name not in unnoted:
            assert entry is old[name]
        elif entry.state in ("Succeeded", "Skipped", "Failed"):
            assert entry.state == old[name].state
        else:
            assert (entry.state, entry.job) == ("Queued", attempt_name(name, 2))
