"""plan_run in thousands of random worlds: late news, crashes between writes, lost pods."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject

from tests.fakes.objects import run, task, workflow
from tests.property.cluster import KINDS
from tests.property.invariants import check_always, check_end, check_nothing_lost, check_outputs
from tests.property.world import RUN, Behaviour, World

NAMES = ["a", "b", "c", "d", "e", "f"]
Step = tuple[str, int]
Tasks = list[JsonObject]
LONG = '"' + "y" * 3000 + '"'
Hooks = dict[str, JsonObject]

PEACEFUL = ("deliver", "reconcile", "make_pod", "start_pod", "end_pod", "pass_time", "push_event")
CRASHES = ("crash", "restart")
ATTACKS = (
    "kill_pod",
    "evict_pod",
    "end_job",
    "delete_job",
    "lose_pod",
    "darken_node",
    "jump",
    "back",
    "stale",
)
FORGERIES = ("forge_pod", "forge_result", "forge_result_of_no_job")
WISHES = ("cancel", "revive", "replay", "replay_failed")


@st.composite
def graphs(draw: st.DrawFn) -> Tasks:
    """A random directed acyclic graph of up to six tasks with retries and conditions."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    tasks: Tasks = []
    for index, name in enumerate(names):
        parents = draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        tasks.append(task(name, *parents, **draw(fields(parents))))
    return tasks


@st.composite
def fields(draw: st.DrawFn, parents: list[str]) -> JsonObject:
    """Retries, and sometimes a condition; a task that skips always does."""
    chosen: JsonObject = {"retries": draw(st.integers(0, 2))}
    if draw(st.booleans()):
        chosen["backoffFactor"] = draw(st.sampled_from([1, 2, 1.5]))
    kind = draw(st.sampled_from(["none", "none", "sleep", "event", "either", "skip"]))
    event = {"event": {"key": "go", "considerEventsSince": "RunStart"}}
    match kind:
        case "sleep":
            chosen["waitFor"] = [{"sleepSeconds": draw(st.integers(1, 9))}]
        case "event":
            chosen["waitFor"] = [event]
        case "either":
            chosen["waitFor"] = [{"or": [event, {"sleepSeconds": 20}]}]
        case "skip" if parents:
            chosen["skipIf"] = [{"parent": {"name": parents[0], "expression": "true"}}]
        case _:
            pass
    return chosen


behaviours = st.builds(
    Behaviour,
    outcome=st.sampled_from(["Succeeded", "Succeeded", "Succeeded", "Failed", "TimedOut"]),
    fails_first=st.integers(0, 2),
    retryable=st.sampled_from([True, True, True, False]),
    reports=st.booleans(),
    output=st.sampled_from(['{"x":1}', "null", LONG]),
)
all_behaviours = st.fixed_dictionaries(dict.fromkeys([*NAMES, "mend", "tell"], behaviours))
hooks = st.fixed_dictionaries(
    {},
    optional={"onFailureTask": st.just(task("mend")), "onSuccessTask": st.just(task("tell"))},
)


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 50)), min_size=25, max_size=80)


def world_of(tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour]) -> World:
    world = World(behaviour, parents={each["name"]: each.get("parents", []) for each in tasks})
    world.server.create(workflow(*tasks, **ends))
    world.server.create(run())
    world.restart_operator()
    return world


def take(world: World, step: Step) -> None:
    """Let one thing happen; `number` chooses among what it can happen to."""
    kind, number = step
    match kind:
        case "deliver":
            world.view.deliver(KINDS[number % len(KINDS)])
        case "reconcile":
            world.reconcile()
        case "crash":
            world.reconcile(crash_after=number % 4)
        case "restart":
            world.restart_operator()
        case "pass_time":
            world.pass_time(number / 10)
        case "jump":
            world.pass_time(number * 20)
        case "back":
            world.pass_time(-number / 5)
        case "stale":
            world.view.deliver_again(KINDS[number % len(KINDS)], back=number)
        case "push_event":
            world.push_event()
        case "cancel":
            world.want(desiredState="Cancelled")
        case "revive":
            world.want(desiredState="Running")
        case "replay" | "replay_failed":
            wanted = world.server.objects["WorkflowRun"][RUN]["spec"].get("replay", {"count": 0})
            count = wanted["count"] + 1
            world.want(
                replay={"count": count, "failedOnly": kind == "replay_failed"},
                desiredState="Running",
            )
        case _ if world.started:
            getattr(world, kind)(world.started[number % len(world.started)])
        case _:
            pass


def finish(world: World) -> None:
    """Let everything go its way until the run ended."""
    for _ in range(8 * len(NAMES)):
        world.push_event()
        world.view.deliver_all()
        world.reconcile()
        for job in list(world.started):
            if job in world.server.objects["Job"]:
                world.make_pod(job)
                world.start_pod(job)
                world.end_pod(job)
                world.settle_job(job)
        world.pass_time(6)


def live(tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]) -> World:
    world = world_of(tasks, ends, behaviour)
    everything = [*tasks, *ends.values()]
    for step in script:
        take(world, step)
        check_always(world, everything)
    finish(world)
    check_always(world, everything)
    check_end(world)
    return world


thorough = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@thorough
@given(graphs(), hooks, all_behaviours, steps(*PEACEFUL))
def test_in_peace_every_task_tells_what_it_did(
    tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = live(tasks, ends, behaviour, script)
    check_nothing_lost(world, tasks, ends, behaviour)


@thorough
@given(graphs(), hooks, all_behaviours, steps(*PEACEFUL, *CRASHES))
def test_an_operator_that_dies_loses_and_doubles_nothing(
    tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = live(tasks, ends, behaviour, script)
    check_nothing_lost(world, tasks, ends, behaviour)


@thorough
@given(graphs(), hooks, all_behaviours, steps(*PEACEFUL, *CRASHES, *FORGERIES))
def test_what_another_tenant_forges_changes_nothing(
    tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = live(tasks, ends, behaviour, script)
    check_nothing_lost(world, tasks, ends, behaviour)
    check_outputs(world, behaviour)


@thorough
@given(graphs(), hooks, all_behaviours, steps(*PEACEFUL, *CRASHES, *ATTACKS, *WISHES))
def test_whatever_happens_the_run_ends_and_its_status_is_true(
    tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    live(tasks, ends, behaviour, script)


@thorough
@given(graphs(), hooks, all_behaviours, steps(*PEACEFUL, *CRASHES, *ATTACKS))
def test_cancelled_is_terminal_at_once_and_stops_every_pod(
    tasks: Tasks, ends: Hooks, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = world_of(tasks, ends, behaviour)
    for step in script:
        take(world, step)
    world.want(desiredState="Cancelled")
    for _ in range(2):
        world.view.deliver_all()
        world.reconcile()
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    assert status["phase"] in ("Cancelled", "Succeeded", "Failed")
    for entry in status.get("tasks", []):
        assert not world.is_running(entry.get("job", "")) or entry["state"] != "Cancelled"
    made = list(world.started)
    finish(world)
    assert world.started == made, "an attempt was made after the cancel"
    check_end(world)


@thorough
@given(graphs(), all_behaviours, st.integers(0, 40))
def test_a_workflow_that_changes_under_a_run_does_not_change_it(
    tasks: Tasks, behaviour: dict[str, Behaviour], moment: int
) -> None:
    """The run keeps the tasks it started with, also when it crashed before its first status."""
    world = world_of(tasks, {}, behaviour)
    world.reconcile(crash_after=2 + moment % 3)
    if world.started:
        changed: JsonObject = workflow(task("z"))["spec"]
        world.server.update("Workflow", "flow", {"spec": changed})
    finish(world)
    check_always(world, tasks)
    check_end(world)
    check_nothing_lost(world, tasks, {}, behaviour)
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    assert [entry["name"] for entry in status["tasks"]] == [each["name"] for each in tasks]
