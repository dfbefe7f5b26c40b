"""What must hold in every world, whatever happens in it, and what must hold at its end.

1. Every run ends, and then there is nothing left to do.
2. No attempt is made twice, and no task has two live attempts (of one replay).
3. No task starts before all its parents have succeeded or were skipped, before its conditions hold,
   or in a retry before its backoff has ended. A task that its condition skips never starts.
4. What has ended stays as it ended and is not started again, unless the run is replayed; while a
   replay waits, the tasks stay too. Only the number of an attempt that was made and not noted is
   noted later, so that it is not used again.
5. Cancelled stays cancelled.
6. Retries and disruptions stay within their limits, and a disruption uses no retry.
7. The status says that an attempt succeeded only if it did.
8. Where nobody interferes, the status says of every task just what it did, and every task was tried
   just as often as it should be.
9. The output of a task is what its own pod reported.
10. What has run never ends as not having started.
11. No attempt's Job is active when its run is over and all is quiet.
12. The same observed state gives the same plan (asserted where the world plans).
13. New attempts of a sticky run are bound to the node of the task that began first, of those that
    have not failed; or to the node that the status says, while some task has begun there. A task
    that waits without a pod holds the run to its node as well.
14. The deadline of a Job is the sum of the time limits of its task, and of what it has extended.
15. The revision of the workflow that a Job names is there.
16. A run is not started before the time that the operator knew of.
17. What holds of tasks that wait without a pod (`durable_invariants.py`).
"""

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import pairwise

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.api.task_status import MAX_DISRUPTIONS, TERMINAL_STATES
from podhatch.core.common.observed import Observed

from tests.property.durable_invariants import (
    check_counts,
    check_parked,
    check_resume,
    check_waits,
    pods_given_up,
)
from tests.property.pods import Behaviour, preferred_node, required_node
from tests.property.world import Made, World

GRACE_SECONDS = 60
"""Between the time limits of a task and the deadline of its Job."""
CLOCK_STEP = timedelta(seconds=1)
"""Some times are stored in whole seconds."""
FAILURES = ("Failed", "TimedOut")


def check_always(world: World) -> None:
    """Check what holds at every moment."""
    check_made(world)
    statuses = world.cluster.statuses
    for before, after in pairwise(statuses[max(world.statuses_checked - 1, 0) :]):
        _check_only_forward(before, after)
    world.statuses_checked = len(statuses)
    check_waits(world)
    check_parked(world, statuses[-1] if statuses else {})
    for entry in _entries(statuses[-1]) if statuses else ():
        check_counts(world, entry)
        assert entry.get("retries", 0) <= world.specs[entry["name"]].get("retries", 0)
        assert entry.get("disruptions", 0) <= MAX_DISRUPTIONS
        assert entry.get("retries", 0) <= _failures(world, entry["name"]), "a loss used a retry"


def check_made(world: World) -> None:
    """Check the Jobs that were made since the last time, before anything happens to them."""
    while world.unchecked:
        made = world.unchecked.pop(0)
        spec = world.specs[made.task]
        start = made.seen.run["spec"].get("startAt") if made.seen else None
        if start and not made.replay and next(iter(world.made)) == made.name:
            assert made.at >= datetime.fromisoformat(start), "the run was started before its time"
        assert _seconds(made.job) == limits(spec), "a Job has another deadline than its task"
        revision = made.job["metadata"]["labels"][labels.REVISION]
        assert world.cluster.find("ControllerRevision", revision), "a Job has no revision"
        _check_parents(world, made)
        _check_state(world, made)
        if world.time_is_steady:
            check_resume(world, made)
            _check_conditions(world, made)
            _check_backoff(world, made)
        if world.sticky and made.seen:
            _check_node(world, made, made.seen)


def _failures(world: World, task: str) -> int:
    """Return how many attempts of a task may have failed by a fault of its own."""
    outcomes = {**dict.fromkeys(world.pods.dark, "Unknown"), **world.pods.ended}
    lost = ("Evicted", "Lost", "Deleted", "Succeeded", "Parked", "Unheard")
    names = {name for name, outcome in outcomes.items() if outcome not in lost}
    names |= world.pods.timed_out  # and may have been lost or deleted later
    return sum(world.made[name].task == task for name in names)


def limits(spec: JsonObject, extended: float = 0.0) -> int:
    """Return the deadline of a task's Job, in seconds."""
    patience = spec["scheduleTimeoutSeconds"] + spec["executionTimeoutSeconds"]
    most = spec.get("maxExtensionSeconds", 86_400)
    return math.ceil(patience + min(extended, most)) + GRACE_SECONDS


def _check_parents(world: World, made: Made) -> None:
    states = {entry["name"]: entry["state"] for entry in _entries(world.status())}
    for parent in world.specs[made.task].get("parents", []):
        # The status that says so may have been refused.
        skipped = _is_to_be_skipped(world, parent) and states.get(parent) != "Cancelled"
        has_succeeded = skipped or _first_success(world, parent)
        assert has_succeeded, "a task started before its parents had succeeded"


def _is_to_be_skipped(world: World, task: str) -> bool:
    spec = world.specs[task]
    parents: list[str] = spec.get("parents", [])
    return "skipIf" in spec or (
        bool(parents) and all(_is_to_be_skipped(world, parent) for parent in parents)
    )


def _check_state(world: World, made: Made) -> None:
    """Check that the task had not ended, and that no other attempt of it is live."""
    if made.replay <= made.status.get("replays", 0):
        states = {entry["name"]: entry["state"] for entry in _entries(made.status)}
        assert states.get(made.task) not in TERMINAL_STATES, "a task that had ended was started"
    live = {each.name for each in _attempts(world, made) if world.pods.is_live(each.name)}
    # A successor of the operator that made it may have deleted it already.
    assert live <= {made.name}, "a task has two live attempts"


def _check_conditions(world: World, made: Made) -> None:
    spec = world.specs[made.task]
    assert not spec.get("skipIf"), "a task was started that is to be skipped"
    run = world.cluster.stored("WorkflowRun")[made.job["metadata"]["ownerReferences"][0]["name"]]
    since = datetime.fromisoformat(run["metadata"]["creationTimestamp"])
    ends = [_first_success(world, parent) for parent in spec.get("parents", [])]
    waited = made.at + CLOCK_STEP - max([since, *filter(None, ends)])
    for condition in spec.get("waitFor", []):
        held = [
            bool(world.pushed_at)
            if "event" in each
            else waited.total_seconds() >= each["sleepSeconds"]
            for each in condition.get("or", [condition])
        ]
        assert any(held), "a task started before its conditions held"


def _check_backoff(world: World, made: Made) -> None:
    attempts = [each.name for each in _attempts(world, made) if each is not made]
    before = [name for name in attempts if name not in world.never_noted]
    if not before or world.pods.ended.get(before[-1]) not in FAILURES:
        return
    factor = world.specs[made.task].get("backoffFactor")
    failures = sum(world.pods.ended.get(each) in FAILURES for each in before)
    wait = timedelta(seconds=factor**failures if factor else 0)
    assert made.at + CLOCK_STEP >= world.pods.ended_at[before[-1]] + wait, "a retry came too soon"


def _check_node(world: World, made: Made, seen: Observed) -> None:
    """Check where a new Job may run, by what the operator knew to have begun and not to fail."""
    node = {"Hard": required_node, "Soft": preferred_node}[world.sticky or ""](made.job)
    assert node is None or node in world.pods.nodes.values()
    known = [
        world.pods.begun[name]
        for name, pods in seen.pods.items()
        if name in seen.jobs
        and any(pod["metadata"]["name"] == name and _has_begun(pod) for pod in pods)
        and world.made[name].replay == made.replay
        and world.pods.ended.get(name, "Succeeded") == "Succeeded"
        and name not in world.pods.dark
    ]
    status: JsonObject = seen.run.get("status", {})
    noted = _entries(status) if status.get("replays", 0) == made.replay else []
    if world.time_is_steady:
        jobs = [each for name, each in world.made.items() if name in seen.jobs]
        known += [
            datetime.fromisoformat(entry["evictedAt"])
            for entry in noted
            if entry["state"] == "Waiting" and "node" in entry
            if not any(
                each.task == entry["name"] and each.number > entry["attempt"] for each in jobs
            )
        ]
    if known:
        first = min(known)
        allowed = [
            world.pods.nodes[name] for name, begun in world.pods.begun.items() if begun <= first
        ]
        if any(_holds(entry, status.get("node")) for entry in noted):
            allowed.append(status["node"])
        assert node in allowed, "an attempt of a sticky run is on another node than the first"


def _holds(entry: JsonObject, node: str | None) -> bool:
    """Return whether an entry says that the last attempt of its task began on the node."""
    return entry.get("node", "") == node and not {"startedAt", "evictedAt"}.isdisjoint(entry)


def _has_begun(pod: JsonObject) -> bool:
    containers: list[JsonObject] = pod.get("status", {}).get("containerStatuses", [])
    return any(state in each["state"] for each in containers for state in ("running", "terminated"))


def _attempts(world: World, made: Made) -> list[Made]:
    """Return the attempts of the same task and replay up to this one."""
    names = list(world.made)
    upto = [world.made[name] for name in names[: names.index(made.name) + 1]]
    return [each for each in upto if (each.task, each.replay) == (made.task, made.replay)]


def _first_success(world: World, task: str) -> datetime | None:
    ends = [
        world.pods.ended_at[name]
        for name, outcome in world.pods.ended.items()
        if outcome == "Succeeded" and world.made[name].task == task
    ]
    return min(ends, default=None)


def _seconds(job: JsonObject) -> int:
    return job["spec"]["activeDeadlineSeconds"]


def check_end(world: World) -> None:
    """Check that the run has ended, and that its status is true."""
    status = world.status()
    assert status["phase"] in TERMINAL_PHASES, f"the run did not end: {status}"
    for entry in _entries(status):
        if entry["state"] == "Succeeded":
            assert world.pods.ended.get(entry["job"]) == "Succeeded"
    assert not any(map(world.pods.may_run, world.made)), "a Job outlived its run"
    world.deliver_all()
    observed = world.observe()
    assert observed is not None
    plan = world.plan(observed)
    assert (plan.create, plan.status, plan.events) == ((), None, ())


def check_deadlines(world: World) -> None:
    """Check the Jobs of the tasks that run, once the operator has heard everything."""
    for entry in _entries(world.status()):
        name, spec = entry.get("job", ""), world.specs[entry["name"]]
        if entry["state"] == "Running" and (job := world.cluster.find("Job", name)):
            wanted = limits(spec, world.pods.extended.get(name, 0.0))
            assert _seconds(job) == wanted, "a Job has another deadline than its task"


def check_nothing_lost(
    world: World,
    tasks: Sequence[JsonObject],
    hooks: Mapping[str, JsonObject],
    behaviours: Mapping[str, Behaviour],
) -> None:
    """Check that every task ran that could, as often as it should, with its own end."""
    entries = {entry["name"]: entry for entry in _entries(world.status())}
    states = {name: entry["state"] for name, entry in entries.items()}
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
    for task in [*tasks, *hooks.values()]:
        outcomes = _outcomes(task, behaviours[task["name"]])
        wanted = len(outcomes) if states[task["name"]] in ("Succeeded", "Failed") else 0
        tried = [made for made in world.made.values() if made.task == task["name"]]
        given_up = pods_given_up(world, task["name"])
        assert entries[task["name"]].get("resumes", 0) == given_up, "a resume was not counted"
        number = len(tried) - given_up
        assert number == wanted, f"{task['name']} was tried {number} times, not {wanted}"


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
    return "Succeeded" if "Succeeded" in _outcomes(task, behaviour) else "Failed"


def _outcomes(task: JsonObject, behaviour: Behaviour) -> list[str]:
    """Return how the attempts of a task end that runs, up to the last one."""
    tries = 1 + (task.get("retries", 0) if behaviour.retryable else 0)
    outcomes = [behaviour.outcome_of(attempt) for attempt in range(1, tries + 1)]
    return outcomes[: outcomes.index("Succeeded") + 1] if "Succeeded" in outcomes else outcomes


def _entries(status: JsonObject) -> list[JsonObject]:
    """Return the tasks' entries: none in a run that was cancelled before it started."""
    entries: list[JsonObject] = status.get("tasks", [])
    return entries


def _check_only_forward(before: JsonObject, after: JsonObject) -> None:
    if after.get("replays", 0) > before.get("replays", 0):
        return
    if before["phase"] in TERMINAL_PHASES:
        if after["phase"] == "Pending":  # a replay waits
            assert _entries(after) == _entries(before), "a replay that waits changed the tasks"
            return
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
        if entry["state"] == later[entry["name"]]["state"] == "Waiting" and "node" in entry:
            is_same = later[entry["name"]]["attempt"] == entry["attempt"]
            assert not is_same or later[entry["name"]].get("node") == entry["node"]
        if entry["state"] in TERMINAL_STATES:
            assert later[entry["name"]] == entry, "a task that had ended was changed"


def _without_attempts(status: JsonObject) -> JsonObject:
    return {**status, "tasks": [{**entry, "attempt": 0} for entry in _entries(status)]}
