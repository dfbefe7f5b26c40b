"""What must hold in every world, whatever happens in it, and what must hold at its end.

1. Every run ends, and then there is nothing left to do.
2. No attempt is made twice.
3. No task starts before all its parents have succeeded or were skipped.
4. What has ended stays as it ended, unless the run is replayed. Only the number of an attempt that
   was made and not noted is noted later, so that it is not used again.
5. Cancelled stays cancelled.
6. Retries and disruptions stay within their limits.
7. The status says that an attempt succeeded only if it did.
8. Where nobody interferes, the status says of every task just what it did, and the tasks at the
   end ran just when they should.
9. The output of a task is what its own pod reported.
10. What has run never ends as not having started.
11. No attempt's Job is active when its run is over and all is quiet.
12. The same observed state gives the same plan (asserted where the world plans).
13. The Jobs of a sticky run require a node that the run was on, once a task of it has succeeded.
14. The deadline of a Job moves with the time limit that its task has extended.
"""

from collections.abc import Mapping, Sequence
from itertools import pairwise

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.api.task_status import MAX_DISRUPTIONS, TERMINAL_STATES

from tests.property.pods import Behaviour
from tests.property.world import World


def check_always(world: World, tasks: Sequence[JsonObject]) -> None:
    """Check what holds at every moment."""
    assert len(world.started) == len(set(world.started)), "an attempt was made twice"
    assert not world.before_parents, "a task started before its parents had succeeded"
    assert not world.misplaced, "an attempt of a sticky run may run on another node"
    statuses = world.cluster.statuses
    for before, after in pairwise(statuses):
        _check_only_forward(before, after)
    retries = {task["name"]: task.get("retries", 0) for task in tasks}
    for entry in _entries(statuses[-1]) if statuses else ():
        assert entry.get("retries", 0) <= retries[entry["name"]]
        assert entry.get("disruptions", 0) <= MAX_DISRUPTIONS


def check_end(world: World) -> None:
    """Check that the run has ended, and that its status is true."""
    status = world.status()
    assert status["phase"] in TERMINAL_PHASES, f"the run did not end: {status}"
    for entry in _entries(status):
        if entry["state"] == "Succeeded":
            assert world.pods.ended.get(entry["job"]) == "Succeeded"
    assert not world.pods.active_jobs(), "a Job outlived its run"
    world.deliver_all()
    observed = world.observe()
    assert observed is not None
    plan = world.plan(observed)
    assert (plan.create, plan.status, plan.events) == ((), None, ())


def check_deadlines(world: World) -> None:
    """Check the Jobs of the tasks that run, once the operator has heard everything."""
    for entry in _entries(world.status()):
        extended = world.pods.extended.get(entry.get("job", ""))
        if entry["state"] == "Running" and extended:
            job = world.cluster.find("Job", entry["job"])
            assert job is not None
            wanted = world.deadlines[entry["job"]] + extended
            assert job["spec"]["activeDeadlineSeconds"] >= wanted, "a Job ends before its task"


def check_nothing_lost(
    world: World,
    tasks: Sequence[JsonObject],
    hooks: Mapping[str, JsonObject],
    behaviours: Mapping[str, Behaviour],
) -> None:
    """Check that every task ran that could, as often as it should, with its own end."""
    status = world.status()
    states = {entry["name"]: entry["state"] for entry in _entries(status)}
    for task in tasks:
        parents = [states[name] for name in task.get("parents", [])]
        assert states[task["name"]] == expected_state(task, parents, behaviours[task["name"]])
    parents_of_some = {parent for task in tasks for parent in task.get("parents", [])}
    if hook := hooks.get("onSuccessTask"):
        leaves = [
            states[name] for name in (each["name"] for each in tasks) if name not in parents_of_some
        ]
        assert states[hook["name"]] == expected_state(hook, leaves, behaviours[hook["name"]])
    if hook := hooks.get("onFailureTask"):
        failed = "Failed" in [state for name, state in states.items() if name != hook["name"]]
        expected = expected_state(hook, [], behaviours[hook["name"]]) if failed else "Skipped"
        assert states[hook["name"]] == expected


def check_outputs(world: World, behaviours: Mapping[str, Behaviour]) -> None:
    """Check that each output is the one that the task's own pod reported."""
    for entry in _entries(world.status()):
        if entry["state"] == "Succeeded" and "outputRef" in entry:
            assert entry["outputRef"] == entry["job"]
        elif entry["state"] == "Succeeded":
            assert entry["output"] == behaviours[entry["name"]].output


def expected_state(task: JsonObject, parents: Sequence[str], behaviour: Behaviour) -> str:
    """Return how a task must end when nobody interferes: the rules, once more and simply."""
    if any(state in ("Failed", "Cancelled") for state in parents):
        return "Cancelled"
    if parents and all(state == "Skipped" for state in parents):
        return "Skipped"
    if task.get("skipIf"):
        return "Skipped"
    tries = 1 + (task.get("retries", 0) if behaviour.retryable else 0)
    outcomes = [behaviour.outcome_of(attempt) for attempt in range(1, tries + 1)]
    return "Succeeded" if "Succeeded" in outcomes else "Failed"


def _entries(status: JsonObject) -> list[JsonObject]:
    """Return the tasks' entries: none in a run that was cancelled before it started."""
    entries: list[JsonObject] = status.get("tasks", [])
    return entries


def _check_only_forward(before: JsonObject, after: JsonObject) -> None:
    if after.get("replays", 0) > before.get("replays", 0):
        return
    if before["phase"] in TERMINAL_PHASES:
        noted = {entry["name"]: entry.get("attempt", 0) for entry in _entries(before)}
        kept = [entry for entry in _entries(after) if entry["name"] in noted]
        assert all(entry.get("attempt", 0) >= noted[entry["name"]] for entry in kept)
        new = [entry["state"] for entry in _entries(after) if entry["name"] not in noted]
        assert set(new) <= {"Cancelled"}
        end = _without_attempts({**after, "tasks": kept})
        assert end == _without_attempts(before), "the end of a run was changed"
        return
    later = {entry["name"]: entry for entry in _entries(after)}
    for entry in _entries(before):
        if entry["state"] == "Running" and later[entry["name"]].get("job") == entry["job"]:
            reason = later[entry["name"]].get("reason")
            assert reason != "ScheduleTimedOut", "an attempt that ran was said not to have started"
        if entry["state"] in TERMINAL_STATES:
            assert later[entry["name"]] == entry, "a task that had ended was changed"


def _without_attempts(status: JsonObject) -> JsonObject:
    return {**status, "tasks": [{**entry, "attempt": 0} for entry in _entries(status)]}
