"""Waiting for the end of runs: one watch for all, through whatever happens to it."""

import asyncio
import logging
from collections.abc import AsyncGenerator

import pytest
from podhatch import (
    ClusterUnreachable,
    Context,
    Hatchet,
    RunDeleted,
    Workflow,
    WorkflowRunRef,
)
from podhatch.api.labels import CLIENT
from podhatch.api.model import JsonObject
from podhatch.client import background_loop, waiting
from podhatch.cluster import WORKFLOW_RUN
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage


class Order(BaseModel):
    id: int


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Order]:
    orders = hatchet.workflow(name="Orders", input_validator=Order)

    @orders.task()
    def charge(input: Order, ctx: Context) -> int:
        return 7

    return orders


def done(output: int) -> JsonObject:
    task = {"name": "charge", "state": "Succeeded", "output": str(output)}
    return {"phase": "Succeeded", "tasks": [task]}


async def finish(stage: Stage, reference: WorkflowRunRef, output: int = 7) -> None:
    """Let the run succeed, from within the background loop."""
    run = await stage.cluster.get(WORKFLOW_RUN, "default", reference.workflow_run_id)
    await stage.cluster.replace_status({**run, "status": done(output)})


@pytest.fixture
async def warnings() -> AsyncGenerator["asyncio.Queue[str]"]:
    """What podhatch logs, as it comes."""
    loop, queue = asyncio.get_running_loop(), asyncio.Queue[str]()

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            loop.call_soon_threadsafe(queue.put_nowait, record.getMessage())

    listener = Listener()
    logging.getLogger("podhatch").addHandler(listener)
    yield queue
    logging.getLogger("podhatch").removeHandler(listener)


class TestWaiting:
    async def test_a_wait_goes_on_through_streams_that_end(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = await orders.aio_run_no_wait(Order(id=7))
        result = asyncio.create_task(reference.aio_result())
        for _ in range(3):
            opened = stage.cluster.requests["watch WorkflowRun"]
            await background_loop.aio_wait(stage.cluster.end_watches())
            while stage.cluster.requests["watch WorkflowRun"] == opened and not result.done():
                await asyncio.sleep(0.001)
                await background_loop.aio_wait(stage.cluster.end_watches())
        await background_loop.aio_wait(finish(stage, reference))
        assert await result == {"charge": 7}

    async def test_a_wait_goes_on_after_its_version_was_forgotten(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = await orders.aio_run_no_wait(Order(id=7))
        await background_loop.aio_wait(finish(stage, reference))
        stage.cluster.forget()
        assert await reference.aio_result() == {"charge": 7}
        assert reference.result() == {"charge": 7}

    async def test_a_wait_for_a_deleted_run_is_an_error(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = await orders.aio_run_no_wait(Order(id=7))
        result = asyncio.create_task(reference.aio_result())
        name = reference.workflow_run_id
        await background_loop.aio_wait(stage.cluster.delete(WORKFLOW_RUN, "default", name))
        with pytest.raises(RunDeleted, match=f"run '{name}' in namespace 'default' was deleted"):
            await result
        stage.cluster.forget()
        with pytest.raises(RunDeleted):
            await reference.aio_result()

    async def test_a_wait_goes_on_through_an_outage(
        self, stage: Stage, orders: Workflow[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.001)
        reference = await orders.aio_run_no_wait(Order(id=7))
        await background_loop.aio_wait(finish(stage, reference))
        stage.cluster.outages = 3
        assert await reference.aio_result() == {"charge": 7}

    async def test_a_wait_ends_in_a_long_outage(
        self, stage: Stage, orders: Workflow[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "OUTAGE_SECONDS", -1)
        reference = await orders.aio_run_no_wait(Order(id=7))
        stage.cluster.outages = 1
        with pytest.raises(ClusterUnreachable):
            await reference.aio_result()

    @pytest.mark.parametrize(
        ("status", "warning"),
        [
            ({}, "no operator has accepted run orders-"),
            (
                {
                    "phase": "Pending",
                    "conditions": [
                        {"type": "Accepted", "status": "False", "message": "no such workflow"}
                    ],
                },
                "waits: no such workflow",
            ),
        ],
    )
    async def test_a_wait_warns_once_when_no_operator_accepts_the_run(
        self,
        stage: Stage,
        orders: Workflow[Order],
        monkeypatch: pytest.MonkeyPatch,
        warnings: "asyncio.Queue[str]",
        status: JsonObject,
        warning: str,
    ) -> None:
        monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.01)
        stage.statuses = lambda _: [status]
        references = [await orders.aio_run_no_wait(Order(id=number)) for number in range(3)]
        results = [asyncio.create_task(each.aio_result()) for each in references]
        assert warning in await warnings.get()
        await asyncio.sleep(0.05)  # as long as the others would have waited with theirs
        for reference in references:
            await background_loop.aio_wait(finish(stage, reference))
        await asyncio.gather(*results)
        assert warnings.empty()

    async def test_a_wait_is_silent_when_the_run_is_accepted(
        self,
        stage: Stage,
        orders: Workflow[Order],
        monkeypatch: pytest.MonkeyPatch,
        warnings: "asyncio.Queue[str]",
    ) -> None:
        monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.05)
        accepted = {"type": "Accepted", "status": "True"}
        stage.statuses = lambda _: [{"phase": "Running", "conditions": [accepted]}]
        reference = await orders.aio_run_no_wait(Order(id=7))
        result = asyncio.create_task(reference.aio_result())
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(warnings.get(), 0.15)
        await background_loop.aio_wait(finish(stage, reference))
        await result

    async def test_a_wait_warns_when_an_accepted_run_does_not_go_on(
        self,
        stage: Stage,
        orders: Workflow[Order],
        monkeypatch: pytest.MonkeyPatch,
        warnings: "asyncio.Queue[str]",
    ) -> None:
        monkeypatch.setattr(waiting, "PATIENCE_SECONDS", 0.01)
        accepted = {"type": "Accepted", "status": "True"}
        failed = {"type": "Accepted", "status": "False", "reason": "PlanFailed", "message": "why"}
        stage.statuses = lambda _: [
            {"phase": "Running", "conditions": [condition]} for condition in (accepted, failed)
        ]
        reference = await orders.aio_run_no_wait(Order(id=7))
        result = asyncio.create_task(reference.aio_result())
        assert "waits: why" in await warnings.get()
        await background_loop.aio_wait(finish(stage, reference))
        await result

    @pytest.mark.usefixtures("stage")
    async def test_a_cancelled_waiter_stops_waiting(self, orders: Workflow[Order]) -> None:
        reference = await orders.aio_run_no_wait(Order(id=7))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reference.aio_result(), 0.02)
        assert await background_loop.aio_wait(busy_tasks()) == []


async def watches(stage: Stage, count: int) -> None:
    """Wait until the background loop, which has a loop of its own, has opened so many watches."""
    while stage.cluster.requests["watch WorkflowRun"] < count:  # noqa: ASYNC110
        await asyncio.sleep(0.001)


class TestSharedWatch:
    async def test_a_later_waiter_misses_nothing(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        first, early, late = [await orders.aio_run_no_wait(Order(id=n)) for n in range(3)]
        waits = asyncio.create_task(late.aio_result())
        await watches(stage, 1)
        await background_loop.aio_wait(finish(stage, early, 1))  # older than the watch
        await background_loop.aio_wait(finish(stage, first, 0))
        assert await early.aio_result() == {"charge": 1}
        assert await first.aio_result() == {"charge": 0}
        await background_loop.aio_wait(finish(stage, late, 2))
        assert await waits == {"charge": 2}
        assert stage.cluster.requests["watch WorkflowRun"] == 1

    async def test_a_run_that_the_watch_forgot_is_read(
        self, stage: Stage, orders: Workflow[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "MAX_SEEN", 1)
        long = await orders.aio_run_no_wait(Order(id=0))
        waits = asyncio.create_task(long.aio_result())
        others = [await orders.aio_run_no_wait(Order(id=n)) for n in range(1, 4)]
        for number, each in enumerate(others):
            await background_loop.aio_wait(finish(stage, each, number))
        results = [await each.aio_result() for each in others]
        assert results == [{"charge": number} for number in range(3)]
        await background_loop.aio_wait(finish(stage, long))
        assert await waits == {"charge": 7}

    async def test_a_change_during_an_outage_is_found(
        self, stage: Stage, orders: Workflow[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(waiting, "RETRY_SECONDS", 0.001)
        kept = await orders.aio_run_no_wait(Order(id=1))
        lost = await orders.aio_run_no_wait(Order(id=2))
        await background_loop.aio_wait(stage.cluster.delete(WORKFLOW_RUN, "default", str(lost)))
        stage.cluster.forget()
        results = [asyncio.create_task(each.aio_result()) for each in (kept, lost)]
        with pytest.raises(RunDeleted):
            await results[1]
        await background_loop.aio_wait(finish(stage, kept))
        assert await results[0] == {"charge": 7}

    async def test_a_run_of_another_client_can_be_followed(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        mine = await orders.aio_run_no_wait(Order(id=1))
        foreign = stage.run
        foreign["metadata"] = {
            "name": "theirs",
            "namespace": "default",
            "labels": {CLIENT: "somebody"},
        }
        await background_loop.aio_wait(stage.cluster.create(foreign))
        theirs = orders.get_run_ref("theirs")
        results = [asyncio.create_task(each.aio_result()) for each in (mine, theirs)]
        await watches(stage, 2)
        await background_loop.aio_wait(finish(stage, theirs, 2))
        await background_loop.aio_wait(finish(stage, mine, 1))
        assert [await each for each in results] == [{"charge": 1}, {"charge": 2}]

    async def test_a_replay_by_somebody_else_is_followed(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = await orders.aio_run_no_wait(Order(id=1))
        await background_loop.aio_wait(finish(stage, reference, 1))
        assert await reference.aio_result() == {"charge": 1}
        name, body = str(reference), {"spec": {"replay": {"count": 1}}}
        await background_loop.aio_wait(
            stage.cluster.merge_patch(WORKFLOW_RUN, "default", name, body)
        )
        again = asyncio.create_task(reference.aio_result())
        run = await background_loop.aio_wait(stage.cluster.get(WORKFLOW_RUN, "default", name))
        ended = {**run, "status": {**done(2), "replays": 1}}
        await background_loop.aio_wait(stage.cluster.replace_status(ended))
        assert await again == {"charge": 2}

    async def test_a_run_that_never_existed_is_an_error(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        with pytest.raises(RunDeleted, match="there is no run 'no-such' in namespace 'default'"):
            await orders.aio_get_result("no-such")

    async def test_a_failing_watch_leaves_nobody_waiting(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = await orders.aio_run_no_wait(Order(id=1))
        stage.cluster.watch = None  # pyright: ignore
        with pytest.raises(TypeError, match="not callable"):
            await asyncio.wait_for(reference.aio_result(), 5)


async def busy_tasks() -> list[str]:
    """Return what is still under way in the background loop once it had the time to end."""
    mine = asyncio.current_task()
    for _ in range(10):
        await asyncio.sleep(0)
    return [str(each) for each in asyncio.all_tasks() if each is not mine and not each.done()]
