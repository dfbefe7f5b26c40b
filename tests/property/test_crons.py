"""Crons in hundreds of random worlds: late news, crashes between writes, refusals, all policies.

Each tick makes exactly one run, and its Job says what became of it.
"""

import asyncio

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.run import TERMINAL_PHASES
from podhatch.core.pod.pods import has_job_ended, true_condition

from tests.property.cron_world import CronWorld, ShortLivedRuns
from tests.property.test_runs import Step, steps, worlds

POLICIES = st.sampled_from(["Allow", "Forbid", "Replace"])
PEACEFUL = ("tick", "reconcile", "work", "deliver", "deliver", "news", "end", "forget")
CRASHES = ("crash", "restart", "lose", "resync", "refuse", "accept")
SHORT_LIVES = (*("tick", "news", "work", "end", "news", "clean_up") * 3, "clean_up", "news")
"""Most of what happens, or few runs would end and be planned before their cron."""
ATTACKS = ("stale", "delete_run", "delete_job", "unlabel", "copy")
REFUSED = ("create WorkflowRun", "create CronJob", "update Job", "patch WorkflowRun")


async def take(world: CronWorld, step: Step) -> None:
    """Let one thing happen; `number` chooses among what it can happen to."""
    kind, number = step
    runs, jobs = list(world.runs()), list(world.jobs())
    match kind:
        case "tick":
            world.tick()
        case "reconcile":
            await world.reconcile()
        case "crash":
            await world.reconcile(crash_after=number % 5)
        case "restart":
            world.restart_operator()
        case "work":
            await world.work()
        case "lose":
            world.lose_changes(world.kinds[number % len(world.kinds)])
        case "resync":
            await world.resync()
        case "refuse":
            code, request = divmod(number, len(REFUSED))
            world.refuse(REFUSED[request], (403, 409, 422, 500)[code % 4])
        case "accept":
            world.accept_all()
        case "deliver":
            world.deliver(world.kinds[number % len(world.kinds)])
        case "news":
            world.deliver_all()
        case "stale":
            world.deliver_again(world.kinds[number % len(world.kinds)], number % 3)
        case "end" if runs:
            world.end_run(runs[number % len(runs)], ("Succeeded", "Failed")[number % 2])
        case "forget":
            world.forget_jobs()
        case "clean_up" if runs:
            await world.clean_up(runs[number % len(runs)])
        case "delete_run" if runs:
            world.delete_run(runs[number % len(runs)])
        case "unlabel" if jobs:
            await world.lose_label(jobs[number % len(jobs)])
        case "copy" if runs:
            world.copy_run(runs[number % len(runs)])
        case "take_name":
            world.take_next_name()
        case "delete_job" if jobs:
            world.delete_job(jobs[number % len(jobs)])
        case _:
            pass
    assert all(count == 1 for count in world.made.values())


def check_end(world: CronWorld) -> None:
    runs, jobs = world.runs(), world.jobs()
    for name in world.ticked:
        if name not in world.replaced:
            assert world.made[name] == 1, f"{name} has no run"
    for name, job in jobs.items():
        assert has_job_ended(job), f"{name} does not say what became of it"
        if name not in world.forgotten:
            succeeded = runs[name]["status"]["phase"] == "Succeeded"
            assert bool(true_condition(job, "Complete")) == succeeded
    for name, run in runs.items():
        assert name in world.replaced or run["spec"].get("desiredState") != "Cancelled", name
    for name in world.replaced & runs.keys():
        assert runs[name]["status"]["phase"] in TERMINAL_PHASES


async def begin(policy: str, script: list[Step]) -> CronWorld:
    """Return a world in which a cron was made, and then this happened."""
    world = CronWorld(policy)
    await world.reconcile()
    await live(world, script)
    return world


async def live(world: CronWorld, script: list[Step]) -> None:
    for step in script:
        await take(world, step)


@worlds
@given(POLICIES, steps(*PEACEFUL, *CRASHES, *ATTACKS))
def test_each_tick_makes_exactly_one_run(policy: str, script: list[Step]) -> None:
    asyncio.run(_each_once(policy, script))


async def _each_once(policy: str, script: list[Step]) -> None:
    world = await begin(policy, script)
    await world.settle()
    check_end(world)


@worlds
@given(POLICIES, steps(*SHORT_LIVES, *PEACEFUL, *CRASHES, "delete_job"), st.booleans())
def test_a_run_is_deleted_at_its_end_and_its_job_says_how_it_ended(
    policy: str, script: list[Step], without_cron: bool
) -> None:
    asyncio.run(_deleted(policy, script, without_cron))


async def _deleted(policy: str, script: list[Step], without_cron: bool) -> None:
    world = ShortLivedRuns(policy)
    await world.reconcile()
    await live(world, script)
    if without_cron:
        world.end_cron()
    await world.settle()
    assert world.runs() == {}
    for name, job in world.jobs().items():
        assert has_job_ended(job), f"{name} does not say what became of it"
        failed = true_condition(job, "Failed")
        if name not in world.forgotten:
            assert failed is None or failed["reason"] != "RunDeleted", name


@worlds
@given(POLICIES, steps(*PEACEFUL, *CRASHES, "take_name"))
def test_a_run_that_takes_a_ticks_name_stops_no_other_tick(policy: str, script: list[Step]) -> None:
    asyncio.run(_taken(policy, script))


async def _taken(policy: str, script: list[Step]) -> None:
    world = await begin(policy, script)
    await world.settle()
    for name, job in world.jobs().items():
        failed = true_condition(job, "Failed")
        reason = failed["reason"] if failed else "Succeeded"
        assert has_job_ended(job), f"{name} holds up the next tick"
        assert (reason == "TickNameTaken") == (name in world.taken)
    for name in {*world.ticked} - world.replaced:
        assert world.made[name] == (name not in world.taken)


@worlds
@given(steps(*PEACEFUL, *CRASHES))
def test_replacing_leaves_one_run_under_way(script: list[Step]) -> None:
    asyncio.run(_replaced(script))


async def _replaced(script: list[Step]) -> None:
    world = await begin("Replace", script)
    await world.rest()
    under_way = [
        name
        for name, run in world.runs().items()
        if run.get("status", {}).get("phase") not in TERMINAL_PHASES
    ]
    assert len(under_way) <= 1
    assert set(under_way) <= set(world.ticked[-1:])


@worlds
@given(POLICIES, steps(*PEACEFUL, *CRASHES), steps("reconcile", "work", "deliver", "crash", "lose"))
def test_runs_outlive_their_cron(policy: str, before: list[Step], after: list[Step]) -> None:
    asyncio.run(_outlived(policy, before, after))


async def _outlived(policy: str, before: list[Step], after: list[Step]) -> None:
    world = await begin(policy, before)
    wanted = {name: run["spec"].get("desiredState") for name, run in world.runs().items()}
    world.end_cron()
    await live(world, after)
    await world.settle()
    for name, run in world.runs().items():
        assert run["spec"].get("desiredState") == wanted.get(name), "cancelled with its cron"
        assert run["status"]["phase"] in TERMINAL_PHASES
