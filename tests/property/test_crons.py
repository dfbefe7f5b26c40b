"""plan_cron in thousands of random worlds: late news, crashes between any two writes, all policies.

Each tick makes exactly one run, and its Job says what became of it.
"""

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.run import TERMINAL_PHASES
from podhatch.core.cron.tick import is_over
from podhatch.core.pod.pods import true_condition

from tests.property.cron_world import CronWorld

Step = tuple[str, int]
POLICIES = st.sampled_from(["Allow", "Forbid", "Replace"])
KINDS = ("Job", "WorkflowRun", "CronWorkflow", "CronJob")
PEACEFUL = ("tick", "reconcile", "reconcile", "deliver", "deliver", "news", "end", "forget")
ATTACKS = ("crash", "crash", "restart", "stale", "delete_run", "delete_job", "unlabel", "copy")


def steps(*kinds: str) -> st.SearchStrategy[list[Step]]:
    """Many of them: a few seldom make a story."""
    step = st.tuples(st.sampled_from(kinds), st.integers(0, 50))
    return st.lists(step, min_size=25, max_size=60)


def take(world: CronWorld, step: Step) -> None:
    """Let one thing happen; `number` chooses among what it can happen to."""
    kind, number = step
    runs, jobs = list(world.runs()), list(world.jobs())
    match kind:
        case "tick":
            world.tick()
        case "reconcile":
            world.reconcile()
        case "crash":
            world.reconcile(crash_after=number % 4)
        case "restart":
            world.restart_operator()
        case "deliver":
            world.view.deliver(KINDS[number % len(KINDS)])
        case "news":
            world.view.deliver_all()
        case "stale":
            world.view.deliver_again(KINDS[number % len(KINDS)], number % 3)
        case "end" if runs:
            world.end_run(runs[number % len(runs)], ("Succeeded", "Failed")[number % 2])
        case "forget":
            world.forget_jobs()
        case "delete_run" if runs:
            world.delete_run(runs[number % len(runs)])
        case "unlabel" if jobs:
            world.lose_label(jobs[number % len(jobs)])
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
        assert is_over(job), f"{name} does not say what became of it"
        if name not in world.forgotten:
            succeeded = runs[name]["status"]["phase"] == "Succeeded"
            assert bool(true_condition(job, "Complete")) == succeeded
    for name, run in runs.items():
        assert name in world.replaced or run["spec"].get("desiredState") != "Cancelled", name
    for name in world.replaced & runs.keys():
        assert runs[name]["status"]["phase"] in TERMINAL_PHASES


@settings(max_examples=200, deadline=None)
@given(POLICIES, steps(*PEACEFUL, *ATTACKS))
def test_each_tick_makes_exactly_one_run(policy: str, taken: list[Step]) -> None:
    world = CronWorld(policy)
    world.reconcile()
    for step in taken:
        take(world, step)
    world.settle()
    check_end(world)


@settings(max_examples=100, deadline=None)
@given(POLICIES, steps(*PEACEFUL, "crash", "take_name"))
def test_a_run_that_takes_a_ticks_name_stops_no_other_tick(policy: str, taken: list[Step]) -> None:
    world = CronWorld(policy)
    world.reconcile()
    for step in taken:
        take(world, step)
    world.settle()
    for name, job in world.jobs().items():
        failed = true_condition(job, "Failed")
        reason = failed["reason"] if failed else "Succeeded"
        assert is_over(job), f"{name} holds up the next tick"
        assert (reason == "TickNameTaken") == (name in world.taken)
    for name in {*world.ticked} - world.replaced:
        assert world.made[name] == (name not in world.taken)


@settings(max_examples=100, deadline=None)
@given(steps(*PEACEFUL, "crash"))
def test_replacing_leaves_one_run_under_way(taken: list[Step]) -> None:
    world = CronWorld("Replace")
    world.reconcile()
    for step in taken:
        take(world, step)
    for _ in range(3):
        world.view.deliver_all()
        world.reconcile()
        world.cancelled_runs_end()
    under_way = [
        name
        for name, run in world.runs().items()
        if run.get("status", {}).get("phase") not in TERMINAL_PHASES
    ]
    assert len(under_way) <= 1
    assert set(under_way) <= set(world.ticked[-1:])


@settings(max_examples=100, deadline=None)
@given(POLICIES, steps(*PEACEFUL, "crash"), steps("reconcile", "deliver", "crash"))
def test_runs_outlive_their_cron(policy: str, before: list[Step], after: list[Step]) -> None:
    world = CronWorld(policy)
    world.reconcile()
    for step in before:
        take(world, step)
    wanted = {name: run["spec"].get("desiredState") for name, run in world.runs().items()}
    world.end_cron()
    for step in after:
        take(world, step)
    world.settle()
    for name, run in world.runs().items():
        assert run["spec"].get("desiredState") == wanted.get(name), "cancelled with its cron"
        assert run["status"]["phase"] in TERMINAL_PHASES
