"""What the fixture `podhatch_local` gives a test."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Context, Hatchet, SleepCondition, UserEventCondition
from podhatch.errors import FailedTaskRunExceptionGroup
from podhatch.testing import FakeClock, LocalRuns

hatchet = Hatchet()
shop = hatchet.workflow("shop", on_events=["order:*"], default_additional_metadata={"shop": "one"})


@shop.task(retries=2, backoff_factor=30)
def charge(input: Any, ctx: Context) -> dict[str, Any]:
    if ctx.retry_count == 0:
        raise OSError
    return {"event": ctx.triggering_event_key, "metadata": dict(ctx.additional_metadata)}


@shop.task(parents=[charge], wait_for=[SleepCondition(timedelta(hours=6))])
def ship(input: Any, ctx: Context) -> None:
    return None


@hatchet.task(retries=1)
def broken(input: Any, ctx: Context) -> None:
    raise ValueError("always")


async def code_under_test() -> str:
    reference = await shop.aio_run_no_wait()
    await reference.aio_result()
    return reference.workflow_run_id


async def test_code_under_test_runs_workflows_locally(podhatch_local: LocalRuns) -> None:
    began = podhatch_local.clock.now()
    run = await code_under_test()
    assert podhatch_local.states(run) == {"charge": "Succeeded", "ship": "Succeeded"}
    assert podhatch_local.attempts("charge") == 2
    assert podhatch_local.status().phase == "Succeeded"
    assert podhatch_local.clock.now() - began == timedelta(hours=6, seconds=30)


def test_a_failure_is_shown_with_its_attempts(podhatch_local: LocalRuns) -> None:
    with pytest.raises(FailedTaskRunExceptionGroup):
        broken.run()
    task = podhatch_local.task("broken")
    assert (task.state, task.attempt, task.error and task.error.message) == ("Failed", 2, "always")
    with pytest.raises(LookupError, match=r"no task other; .* broken"):
        podhatch_local.task("other")


def test_a_mock_replaces_a_task(podhatch_local: LocalRuns) -> None:
    podhatch_local.mocks["broken"] = None
    assert broken.run() is None


def test_an_event_starts_its_runs(podhatch_local: LocalRuns) -> None:
    podhatch_local.register_workflows(shop)
    hatchet.event.push("order:new", {"id": 1}, additional_metadata={"who": "me"})
    hatchet.event.push("refund:new", {"id": 2})
    [run] = podhatch_local.runs
    assert run.spec.input == {"id": 1}
    result = shop.get_result(run.metadata.name)
    assert result["charge"]["event"] == "order:new"
    assert result["charge"]["metadata"].items() >= {"shop": "one", "who": "me"}.items()


def test_runs_wait_for_events(podhatch_local: LocalRuns) -> None:
    flow = hatchet.workflow("waits")

    @flow.task(wait_for=[UserEventCondition("go", "input.n == 2")])
    def waits(input: Any, ctx: Context) -> bool:
        return True

    run = flow.run_no_wait()
    podhatch_local.push_event("go", {"n": 1})
    podhatch_local.push_event("go", {"n": 2})
    assert run.result() == {"waits": True}


def test_schedules_and_bulk_runs_run_locally(podhatch_local: LocalRuns) -> None:
    podhatch_local.mocks["charge"] = {}
    at = podhatch_local.clock.now() + timedelta(days=3)
    shop.schedule(at)
    run = podhatch_local.run()
    assert shop.get_result(run.metadata.name) == {"charge": {}, "ship": None}
    assert podhatch_local.task("charge").started_at == at
    items = [shop.create_bulk_run_item({"n": n}) for n in range(20)]
    assert shop.run_many(items) == [{"charge": {}, "ship": None}] * 20
    assert len(podhatch_local.runs) == 21


def test_a_run_is_cancelled_and_replayed(podhatch_local: LocalRuns) -> None:
    run = shop.run_no_wait()
    hatchet.runs.cancel(run.workflow_run_id)
    assert podhatch_local.status(run).phase == "Cancelled"
    hatchet.runs.replay(run.workflow_run_id)
    assert run.result()["ship"] is None


async def test_streams_and_lists_work_as_with_a_cluster(
    podhatch_local: LocalRuns, capsys: pytest.CaptureFixture[str]
) -> None:
    @hatchet.task()
    async def talks(input: Any, ctx: Context) -> None:
        await ctx.aio_put_stream("one")
        ctx.log("said")
        ctx.put_stream(b"two")

    run = await talks.aio_run_no_wait()
    assert [chunk async for chunk in run.stream()] == ["one", b"two"]
    assert [row.workflow_name for row in (await hatchet.runs.aio_list()).rows] == ["talks"]
    assert capsys.readouterr().out == "said\n"


def test_each_test_begins_with_nothing(podhatch_local: LocalRuns) -> None:
    assert podhatch_local.runs == []
    assert abs(podhatch_local.clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    with pytest.raises(LookupError, match="the runs of this test: none"):
        podhatch_local.status()


def test_a_clock_does_not_go_back() -> None:
    clock = FakeClock()
    with pytest.raises(ValueError, match="expected a positive duration"):
        clock.advance(timedelta(seconds=-1))
