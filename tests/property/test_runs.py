"""plan_run in thousands of random worlds: late news, crashes between writes, lost pods."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject

from tests.fakes.objects import run, task, workflow
from tests.property.cluster import KINDS
from tests.property.invariants import check_always, check_end, check_nothing_lost
from tests.property.world import RUN, Behaviour, World

NAMES = ["a", "b", "c", "d", "e", "f"]
Parents = dict[str, list[str]]
Step = tuple[str, int]

PEACEFUL = ("deliver", "reconcile", "make_pod", "start_pod", "end_pod", "pass_time")
CRASHES = ("crash", "restart")
ATTACKS = ("kill_pod", "end_job", "delete_job", "jump")


@st.composite
def graphs(draw: st.DrawFn) -> Parents:
    """A random directed acyclic graph of up to six tasks."""
    names = NAMES[: draw(st.integers(1, len(NAMES)))]
    return {
        name: draw(st.lists(st.sampled_from(names[:index]), unique=True)) if index else []
        for index, name in enumerate(names)
    }


behaviours = st.builds(
    Behaviour,
    outcome=st.sampled_from(["Succeeded", "Succeeded", "Succeeded", "Failed", "TimedOut"]),
    reports=st.booleans(),
    output=st.sampled_from(['{"x":1}', "null", '"' + "y" * 3000 + '"']),
)
all_behaviours = st.fixed_dictionaries(dict.fromkeys(NAMES, behaviours))


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    return st.lists(st.tuples(st.sampled_from(kinds), st.integers(0, 50)), max_size=80)


def world_of(parents: Parents, behaviour: dict[str, Behaviour]) -> World:
    world = World(behaviour)
    flow = workflow(*(task(name, *above) for name, above in parents.items()))
    world.server.create(flow)
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
        case _ if world.started:
            getattr(world, kind)(world.started[number % len(world.started)])
        case _:
            pass


def finish(world: World) -> None:
    """Let everything go its way until the run ended."""
    for _ in range(3 * len(NAMES)):
        world.view.deliver_all()
        world.reconcile()
        for job in list(world.started):
            if job in world.server.objects["Job"]:
                world.make_pod(job)
                world.start_pod(job)
                world.end_pod(job)
        world.pass_time(6)


def live(parents: Parents, behaviour: dict[str, Behaviour], script: list[Step]) -> World:
    world = world_of(parents, behaviour)
    for step in script:
        take(world, step)
        check_always(world, parents)
    finish(world)
    check_always(world, parents)
    check_end(world)
    return world


thorough = settings(
    max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)


@thorough
@given(graphs(), all_behaviours, steps(*PEACEFUL))
def test_in_peace_every_task_tells_what_it_did(
    parents: Parents, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = live(parents, behaviour, script)
    check_nothing_lost(world, parents)


@thorough
@given(graphs(), all_behaviours, steps(*PEACEFUL, *CRASHES))
def test_an_operator_that_dies_loses_and_doubles_nothing(
    parents: Parents, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    world = live(parents, behaviour, script)
    check_nothing_lost(world, parents)


@thorough
@given(graphs(), all_behaviours, steps(*PEACEFUL, *CRASHES, *ATTACKS))
def test_whatever_happens_the_run_ends_and_its_status_is_true(
    parents: Parents, behaviour: dict[str, Behaviour], script: list[Step]
) -> None:
    live(parents, behaviour, script)


@thorough
@given(graphs(), all_behaviours, st.integers(0, 40))
def test_a_workflow_that_changes_under_a_run_does_not_change_it(
    parents: Parents, behaviour: dict[str, Behaviour], moment: int
) -> None:
    """The run keeps the tasks it started with, also when it crashed before its first status."""
    world = world_of(parents, behaviour)
    world.reconcile(crash_after=2 + moment % 3)
    changed: JsonObject = workflow(task("z"))["spec"]
    world.server.update("Workflow", "flow", {"spec": changed})
    finish(world)
    check_always(world, parents)
    check_end(world)
    check_nothing_lost(world, parents)
    status = world.server.objects["WorkflowRun"][RUN]["status"]
    assert [entry["name"] for entry in status["tasks"]] == list(parents)
