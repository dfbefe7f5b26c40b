"""What must hold of durable tasks that wait without a pod.

1. While its status says so, a task has no pod, and it gets one once more waits are over than its
   last pod has seen, and not before. The status says how many that were, and the pod's node.
2. Of a wait that is not over, the log does not say so.
3. A resume is counted as such, and is no retry and no disruption.
4. Where all is quiet, no wait that is over is missed, the status says what the others are for, and
   nothing is left of the pods that were given up.
"""

from datetime import timedelta

from podhatch.api.model import JsonObject
from podhatch.cluster import DURABLE_LOG, JOB, TASK_RESULT

from tests.property.durable_code import is_over, nodes_over, open_groups, page_name, words
from tests.property.world import Made, World

A_MOMENT = timedelta(seconds=1)
"""Timers may ring a bit early, and come back."""


def check_parked(world: World, status: JsonObject) -> None:
    """Check the tasks of which a status says that they wait without a pod."""
    for entry in _parked(status):
        assert "job" not in entry
        nodes = {world.pods.nodes.get(each.name) for each in _of(world, entry["name"])}
        assert entry.get("node") in {None, *nodes}, "no pod of it was on this node"
        for made in _attempts(world, status, entry):
            if made.number > entry["attempt"]:
                continue
            assert not world.pods.is_live(made.name), "a task that waits without a pod has one"
            if made.number == entry["attempt"] and world.pods.ended.get(made.name) == "Parked":
                seen = world.pods.code.seen[made.name]
                assert entry["waitsOver"] == seen, "its last pod has seen other waits"


def check_resume(world: World, made: Made) -> None:
    """Check a Job of a task that had no pod."""
    for entry in _parked(made.status):
        is_resume = entry["name"] == made.task and made.replay == made.status.get("replays", 0)
        if is_resume and _is_seen_to_wait(made):
            over = [call for call in _calls(world, made.task) if _is_over(world, call)]
            assert len(over) > entry["waitsOver"], "a task got a pod, and its waits are not over"


def _is_seen_to_wait(made: Made) -> bool:
    """Return whether the operator saw an open wait: a task whose log it misses gets a pod."""
    page = made.seen.durable_logs.get(page_name(made.job)) if made.seen else None
    return page is not None and len(page["spec"]["calls"]) > len(nodes_over(page))


def check_waits(world: World) -> None:
    """Check what the logs say of waits."""
    for page in world.cluster.stored(DURABLE_LOG.kind).values() if world.time_is_steady else ():
        calls = {call["node"]: call for call in page["spec"]["calls"]}
        for wait in page.get("status", {}).get("waits", []):
            assert "error" not in wait
            if "overAt" in wait:
                assert _is_over(world, calls[wait["node"]]), "a wait is not over"


def check_counts(world: World, entry: JsonObject) -> None:
    """Check the counters of a task: upper limits, for a replay begins them anew."""
    name: str = entry["name"]
    assert entry.get("resumes", 0) <= pods_given_up(world, name)
    assert entry.get("disruptions", 0) <= _pods_lost(world, name), "no pod was lost"


def pods_given_up(world: World, task: str) -> int:
    """Return how many pods of a task were given up, as they reported."""
    ended = world.pods.ended
    return sum(ended.get(made.name) == "Parked" for made in _of(world, task))


def _pods_lost(world: World, task: str) -> int:
    """Return how many pods of a task may have been lost."""
    ends = ("Succeeded", "Failed", "TimedOut", "Parked")
    lost = {name for name, outcome in world.pods.ended.items() if outcome not in ends}
    lost |= world.deleted | world.pods.dark
    return sum(made.name in lost for made in _of(world, task))


def check_no_wait_is_missed(world: World) -> None:
    """Check that each task has a pod whose waits are over, once the operator has done its work."""
    if not world.time_is_steady:
        return
    for entry in _parked(world.status()):
        if not _is_resumed(world, entry):
            since = world.now - A_MOMENT
            calls = _calls(world, entry["name"])
            over = [call for call in calls if is_over(call, since, world.pushed_at)]
            assert len(over) <= entry["waitsOver"], "a wait is over, and its task has no pod"


def check_parked_at_rest(world: World) -> None:
    """Check the tasks without pods, when nothing has happened for some time."""
    check_no_wait_is_missed(world)
    for entry in _parked(world.status()):
        if _is_resumed(world, entry):
            continue
        for made in _attempts(world, world.status(), entry):
            if made.number == entry["attempt"]:
                for kind in (JOB, TASK_RESULT):
                    assert world.cluster.find(kind.kind, made.name) is None, "a pod was kept"
        for call in _calls(world, entry["name"]) if world.time_is_steady else ():
            for group in open_groups(call, world.now, world.pushed_at):
                for leaf in group:
                    assert words(leaf, call) in entry["message"], "a status does not say why"


def _parked(status: JsonObject) -> list[JsonObject]:
    entries: list[JsonObject] = status.get("tasks", [])
    return [entry for entry in entries if entry["state"] == "Waiting"]


def _is_resumed(world: World, entry: JsonObject) -> bool:
    """Return whether there is a pod already, and the status does not say so yet."""
    attempts = _attempts(world, world.status(), entry)
    return any(made.number > entry["attempt"] for made in attempts)


def _attempts(world: World, status: JsonObject, entry: JsonObject) -> list[Made]:
    """Return the attempts of a task, in the replay of which a status tells."""
    replay = status.get("replays", 0)
    return [made for made in _of(world, entry["name"]) if made.replay == replay]


def _of(world: World, task: str) -> list[Made]:
    return [made for made in world.made.values() if made.task == task]


def _is_over(world: World, call: JsonObject) -> bool:
    return is_over(call, world.now, world.pushed_at)


def _calls(world: World, task: str) -> list[JsonObject]:
    page = world.page(task)
    return page["spec"]["calls"] if page else []
