"""What must hold in every world, whatever happens in it, and what must hold at its end."""

from collections.abc import Mapping

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES, TERMINAL_STATES
from podhatch_operator.core.plan import plan_run

from tests.fakes.objects import DEFAULTS
from tests.property.world import RUN, World


def check_always(world: World, parents: Mapping[str, list[str]]) -> None:
    """No attempt twice, no task before its parents, nothing undone."""
    assert len(world.started) == len(set(world.started)), "an attempt was started twice"
    _check_order(world, parents)
    for before, after in zip(world.statuses, world.statuses[1:], strict=False):
        _check_only_forward(before, after)


def check_end(world: World) -> None:
    """Every run ends, its status is true, and there is nothing left to do."""
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    assert status["phase"] in TERMINAL_PHASES, f"the run did not end: {status}"
    for entry in status["tasks"]:
        really = world.ended.get(entry.get("job", ""))
        if entry["state"] == "Succeeded":
            assert really == "Succeeded", f"{entry['name']} succeeded in the status only"
        if really is None:
            assert entry["state"] == "Cancelled"
    world.view.deliver_all()
    plan = plan_run(world.observe(), DEFAULTS, world.now)
    assert (plan.create, plan.status, plan.events) == ((), None, ())


def check_nothing_lost(world: World, parents: Mapping[str, list[str]]) -> None:
    """Where nobody interfered, the status tells what the tasks did, and all that could ran."""
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    states = {entry["name"]: entry["state"] for entry in status["tasks"]}
    for entry in status["tasks"]:
        could_run = all(states[parent] == "Succeeded" for parent in parents[entry["name"]])
        assert could_run == ("job" in entry), f"{entry['name']} ran or not against its parents"
        if job := entry.get("job"):
            expected = "Succeeded" if world.ended[job] == "Succeeded" else "Failed"
            assert entry["state"] == expected


def _check_order(world: World, parents: Mapping[str, list[str]]) -> None:
    position: dict[str, int] = {}
    for index, job in enumerate(world.started):
        stored = world.server.objects["Job"].get(job)
        if stored is None:
            continue
        task = stored["metadata"]["labels"][labels.TASK]
        position[task] = index
        for parent in parents[task]:
            if parent in position:
                assert position[parent] < index
    by_task = {
        stored["metadata"]["labels"][labels.TASK]: job
        for job, stored in world.server.objects["Job"].items()
    }
    for task, job in by_task.items():
        assert job in world.started
        for parent in parents[task]:
            parent_job = by_task.get(parent)
            if parent_job is not None:
                assert world.ended.get(parent_job) == "Succeeded", f"{task} started before {parent}"


def _check_only_forward(before: JsonObject, after: JsonObject) -> None:
    assert before["phase"] not in TERMINAL_PHASES, "a status was written after the end"
    later = {entry["name"]: entry for entry in after["tasks"]}
    for entry in before["tasks"]:
        if entry["state"] in TERMINAL_STATES:
            assert later[entry["name"]] == entry, "a task that had ended was changed"
