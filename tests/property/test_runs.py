"""Runs in hundreds of random worlds: late news, crashes between writes, lost pods, refusals."""

import asyncio
from dataclasses import dataclass, replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.api.task_status import MAX_DISRUPTIONS
from podhatch.cluster import WORKFLOW, WORKFLOW_RUN

from tests.fakes.objects import run, task, workflow
from tests.property.durable_code import KEY, PROGRAMS
from tests.property.durable_invariants import check_no_wait_is_missed, check_parked_at_rest
from tests.property.invariants import (
    check_always,
    check_deadlines,
    check_end,
    check_made,
    check_nothing_lost,
    check_outputs,
)
from tests.property.pods import RUN, Behaviour
from tests.property.world import KINDS, World

NAMES = ["a", "b", "c", "d", "e", "f"]
Step = tuple[str, int]
Tasks = list[JsonObject]
ROUNDS = (*[6] * 100, *[30] * 150)
"""Their seconds: longer than the tasks of a run wait, one after the other."""
A_WHILE = 360
"""Seconds in which nothing happens any more."""
LONG = '"' + "y" * 3000 + '"'
Hooks = dict[str, JsonObject]
LIMITS = {"scheduleTimeoutSeconds": 300, "executionTimeoutSeconds": 60}
DURABLE: JsonObject = {"clusterAccess": "spawn", "durable": {}}
timeouts = st.fixed_dictionaries(
    {
        "scheduleTimeoutSeconds": st.sampled_from([300, 450.25]),
        "executionTimeoutSeconds": st.sampled_from([0.5, 600]),
    },
    optional={"maxExtensionSeconds": st.sampled_from([0, 45])},
)

PEACEFUL = (
    "deliver",
    "reconcile",
    "work",
    "make_pod",
    "start_pod",
    "extend_time",
    "end_pod",
    "park_pod",
    "pass_time",
    "push_event",
)
CRASHES = ("crash", "restart", "lose", "resync")
DEATHS = (*CRASHES, "die", "die_late")
"""At any write of any reconcile; the last write may arrive after the successor has begun."""
ATTACKS = (
    "kill_pod",
    "evict_pod",
    "end_job",
    "park_unheard",
    "delete_job",
    "lose_pod",
    "darken_node",
    "jump",
    "back",
    "stale",
    "refuse",
    "refuse_for_good",
    "accept",
    "squat",
)
REFUSALS = ("refuse", "accept")
REFUSED = (
    "create Job",
    "create Job",
    "create ControllerRevision",
    "create RoleBinding",
    "update WorkflowRun",
    "update DurableLog",
    "patch Job",
    "delete Job",
)
FORGERIES = ("forge_pod", "forge_result", "forge_result_of_no_job")
REQUESTS = ("cancel", "revive", "replay", "replay_failed")


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
    """Retries, and sometimes limits or a condition; a task that skips always does."""
    chosen: JsonObject = {"retries": draw(st.integers(0, 2)), **LIMITS}
    if draw(st.sampled_from([False, False, True])):
        chosen |= DURABLE
    if draw(st.booleans()):
        chosen |= draw(timeouts)
    if draw(st.booleans()):
        chosen["backoffFactor"] = draw(st.sampled_from([1, 2, 1.5]))
    kind = draw(st.sampled_from(["none", "none", "sleep", "event", "either", "skip"]))
    event = {"event": {"key": KEY, "considerEventsSince": "RunStart"}}
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


behaviours = st.sampled_from(
    [
        Behaviour(*each)
        for each in product(
            ["Succeeded", "Succeeded", "Succeeded", "Failed", "TimedOut"],
            range(3),  # so many attempts fail first
            [True, True, True, False],  # what is retryable
            [True, False],  # what is reported
            ['{"x":1}', "null", LONG],
            PROGRAMS,
        )
    ]
)
"""Drawn at once, which is fast."""
all_behaviours = st.fixed_dictionaries(dict.fromkeys([*NAMES, "mend", "tell"], behaviours))
hooks = st.fixed_dictionaries(
    {},
    optional={
        "onFailureTask": st.just(task("mend", **LIMITS)),
        "onSuccessTask": st.just(task("tell", **LIMITS)),
    },
)


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    """Many of them: a few seldom make a story. One number is drawn for each, which is fast."""
    step = st.integers(0, 51 * len(kinds) - 1).map(
        lambda drawn: (kinds[drawn % len(kinds)], drawn // len(kinds))
    )
    return st.lists(step, min_size=25, max_size=80)


@dataclass(frozen=True)
class Case:
    """A workflow, and how its tasks behave."""

    tasks: Tasks
    hooks: Hooks
    behaviours: dict[str, Behaviour]
    sticky: str | None = None

    def begin(self) -> World:
        """Return a world in which somebody has created the workflow and a run of it."""
        specs = {each["name"]: each for each in self.all_tasks}
        world = World(self.behaviours, specs, self.sticky)
        sticky = {"sticky": self.sticky} if self.sticky else {}
        world.cluster.put(workflow(*self.tasks, **self.hooks, **sticky))
        world.cluster.put(run())
        world.restart_operator()
        return world

    @property
    def all_tasks(self) -> Tasks:
        return [*self.tasks, *self.hooks.values()]


cases = st.builds(
    Case, graphs(), hooks, all_behaviours, st.sampled_from([None, "Soft", "Hard", "Hard"])
)


async def take(world: World, step: Step) -> None:
    """Let one thing happen; `number` chooses among what it can happen to."""
    kind, number = step
    match kind:
        case "deliver":
            world.deliver(KINDS[number % len(KINDS)])
        case "reconcile":
            await world.reconcile()
        case "work":
            await world.work()
        case "crash":
            await world.reconcile(crash_after=number % 9)
        case "die":
            await world.work(crash_after=number % 9)
        case "die_late":
            await world.work(crash_after=number % 5)
            if number % 2:
                await world.work()
            await world.last_write_arrives()
        case "restart":
            world.restart_operator()
        case "pass_time":
            world.pass_time(number / 10)
        case "jump":
            world.pass_time(number * 20)
        case "back":
            world.set_clock_back(number / 5)
        case "stale":
            world.deliver_again(KINDS[number % len(KINDS)], back=number)
        case "push_event":
            world.push_event()
        case "lose":
            world.lose_changes(KINDS[number % len(KINDS)])
        case "resync":
            await world.resync()
        case "refuse":
            code, request = divmod(number, len(REFUSED))
            world.refuse(REFUSED[request], (403, 409, 500)[code % 3])
        case "refuse_for_good":
            world.refuse("create Job", 422)
        case "accept":
            world.accept_all()
        case "cancel":
            world.want(desiredState="Cancelled")
        case "revive":
            world.want(desiredState="Running")
        case "replay" | "replay_failed":
            replay(world, failed_only=kind == "replay_failed")
        case "delete_job" | "squat" | "forge_pod" | "forge_result" | "forge_result_of_no_job":
            if world.started:
                job = world.started[number % len(world.started)]
                world.delete_job(job) if kind == "delete_job" else getattr(world.pods, kind)(job)
        case _:
            if jobs := world.pods.under_way(world.started):
                getattr(world.pods, kind)(jobs[number % len(jobs)])


def replay(world: World, *, failed_only: bool) -> None:
    stored = world.cluster.find(WORKFLOW_RUN.kind, RUN)
    assert stored is not None
    count = stored["spec"].get("replay", {"count": 0})["count"] + 1
    world.want(replay={"count": count, "failedOnly": failed_only}, desiredState="Running")


async def finish(world: World) -> None:
    """Let everything go its way until the run ended, by what the operator's queue holds."""
    world.accept_all()
    await world.resync()
    for _ in range(6):  # pods begin, and those of durable tasks come to wait for long
        await _hear_and_work(world)
        for job in world.started:
            world.pods.start_pod(job)
            world.pods.park_pod(job)
        world.pass_time(5)
    for _ in range(3):
        await _hear_and_work(world)
        world.pass_time(61)  # as long as what was refused waits
    await _hear_and_work(world)
    check_deadlines(world)
    check_parked_at_rest(world)
    for number, seconds in enumerate(ROUNDS):
        if number % 10 == 0:
            world.push_event()
        await _hear_and_work(world)
        check_no_wait_is_missed(world)
        if world.is_over() and number % 10 > 3:
            break
        for job in world.started:
            world.pods.make_pod(job)
            world.pods.start_pod(job)
            world.pods.park_pod(job) if number % 4 == 3 else world.pods.end_pod(job)
            world.pods.settle_job(job)
        world.pass_time(seconds)
    world.pass_time(A_WHILE)
    world.deliver_all()
    await world.work()


async def live(case: Case, script: list[Step]) -> World:
    world = case.begin()
    for step in script:
        await take(world, step)
        check_always(world)
    await finish(world)
    check_always(world)
    check_end(world)
    return world


thorough = settings(max_examples=400)
worlds = settings(thorough, max_examples=200)
"""A world holds the whole operator, and takes longer than a plan."""


@worlds
@given(cases, steps(*PEACEFUL))
def test_in_peace_every_task_tells_what_it_did(case: Case, script: list[Step]) -> None:
    world = asyncio.run(live(case, script))
    check_nothing_lost(world, case.tasks, case.hooks, case.behaviours)


@worlds
@given(cases, steps(*PEACEFUL, *DEATHS))
def test_an_operator_that_dies_loses_and_doubles_nothing(case: Case, script: list[Step]) -> None:
    world = asyncio.run(live(case, script))
    check_nothing_lost(world, case.tasks, case.hooks, case.behaviours)


@worlds
@given(cases, steps(*PEACEFUL, *DEATHS, *REFUSALS))
def test_what_is_refused_for_a_while_is_made_later(case: Case, script: list[Step]) -> None:
    world = asyncio.run(live(case, script))
    check_nothing_lost(world, case.tasks, case.hooks, case.behaviours)


@worlds
@given(cases, steps(*PEACEFUL, *CRASHES, *FORGERIES))
def test_what_another_tenant_forges_changes_nothing(case: Case, script: list[Step]) -> None:
    world = asyncio.run(live(case, script))
    check_nothing_lost(world, case.tasks, case.hooks, case.behaviours)
    check_outputs(world, case.behaviours)


@worlds
@given(cases, steps(*PEACEFUL, *DEATHS, *ATTACKS, *REQUESTS))
def test_whatever_happens_the_run_ends_and_its_status_is_true(
    case: Case, script: list[Step]
) -> None:
    asyncio.run(live(case, script))


@worlds
@given(cases, steps(*PEACEFUL, *DEATHS, *ATTACKS))
def test_cancelled_is_terminal_at_once_and_stops_every_pod(case: Case, script: list[Step]) -> None:
    asyncio.run(cancel_at_the_end(case, script))


async def cancel_at_the_end(case: Case, script: list[Step]) -> None:
    world = case.begin()
    for step in script:
        await take(world, step)
        check_always(world)
    world.accept_all()
    await world.resync()
    world.want(desiredState="Cancelled")
    for _ in range(2):
        world.deliver_all()
        await world.reconcile()
    assert world.status()["phase"] in TERMINAL_PHASES
    for entry in world.status().get("tasks", []):
        assert not world.pods.is_running(entry.get("job", "")) or entry["state"] != "Cancelled"
    made = world.started
    await finish(world)
    assert world.started == made, "an attempt was made after the cancel"
    check_end(world)


@worlds
@given(cases, st.integers(0, 40))
def test_a_workflow_that_changes_under_a_run_does_not_change_it(case: Case, moment: int) -> None:
    """The run keeps the tasks it started with, also when it crashed before its first status."""
    asyncio.run(_changed(replace(case, hooks={}), moment))


async def _changed(case: Case, moment: int) -> None:
    world = case.begin()
    await world.reconcile(crash_after=4 + moment % 3)
    if world.started:
        world.cluster.edit(WORKFLOW, "flow", workflow(task("z"))["spec"])
    await finish(world)
    check_always(world)
    check_end(world)
    check_nothing_lost(world, case.tasks, {}, case.behaviours)
    kept = [entry["name"] for entry in world.status()["tasks"]]
    assert kept == [each["name"] for each in case.tasks]


LOST_AGAIN = MAX_DISRUPTIONS + 1


@settings(worlds, max_examples=20)
@given(
    st.lists(st.sampled_from(("evict_pod", "lose_pod")), min_size=LOST_AGAIN, max_size=LOST_AGAIN),
    st.integers(0, 2),
)
def test_a_task_whose_pods_are_lost_again_and_again_ends_at_the_limit(
    losses: list[str], retries: int
) -> None:
    asyncio.run(_lost_again(losses, retries))


async def _lost_again(losses: list[str], retries: int) -> None:
    world = Case([task("a", retries=retries, **LIMITS)], {}, {"a": Behaviour()}).begin()
    for number, loss in enumerate(losses, start=1):
        await _hear_and_work(world)
        assert len(world.started) == number
        job = world.started[-1]
        for happens in ("make_pod", "start_pod", loss, "settle_job"):
            getattr(world.pods, happens)(job)
            await _hear_and_work(world)
        for _ in range(2):  # the grace of the report, and the longest backoff
            world.pass_time(61)
            await _hear_and_work(world)
    check_always(world)
    check_end(world)
    [entry] = world.status()["tasks"]
    assert len(world.started) == len(losses)
    assert (entry["state"], entry["disruptions"]) == ("Failed", MAX_DISRUPTIONS)
    assert entry.get("retries", 0) == 0, "a loss used a retry"


async def _hear_and_work(world: World) -> None:
    world.deliver_all()
    await world.work()
    check_made(world)
