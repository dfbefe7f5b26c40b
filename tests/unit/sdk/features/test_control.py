"""Cancel, replay and look at runs that exist; and whose outcome `result()` then waits for."""

import asyncio
from typing import Any

import pytest
from podhatch import EmptyModel, Hatchet, RequestRefused, RunCancelled, Workflow, WorkflowRunRef
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.client.session import CONFLICTS
from podhatch.cluster import WORKFLOW_RUN, Kind

from tests.unit.sdk.conftest import Stage


def work(input: Any, ctx: Any) -> None: ...


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[EmptyModel]:
    orders = hatchet.workflow("orders")
    orders.task("charge")(work)
    return orders


def ended(output: str, replays: int = 0) -> JsonObject:
    tasks = [{"name": "charge", "state": "Succeeded", "output": output}]
    return {"phase": "Succeeded", "replays": replays, "tasks": tasks}


async def write(stage: Stage, reference: WorkflowRunRef, status: JsonObject) -> None:
    """Write a status as the operator does, from within the background loop."""

    async def replace() -> None:
        name = reference.workflow_run_id
        run = await stage.cluster.get(WORKFLOW_RUN, "default", name)
        await stage.cluster.replace_status({**run, "status": status})

    await background_loop.aio_wait(replace())


async def is_waiting(stage: Stage, result: "asyncio.Task[Any]") -> bool:
    """Tell whether the result is still waited for after the watch has seen all there is."""
    opened = stage.cluster.requests["watch WorkflowRun"]
    while stage.cluster.requests["watch WorkflowRun"] == opened and not result.done():
        await background_loop.aio_wait(asyncio.sleep(0))
    for _ in range(20):
        await background_loop.aio_wait(asyncio.sleep(0))
    await asyncio.sleep(0)
    return not result.done()


class TestCancel:
    def test_cancelling_sets_the_desired_state(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        reference = orders.run_no_wait()
        hatchet.runs.cancel(reference)
        assert stage.run["spec"]["desiredState"] == "Cancelled"
        assert stage.cluster.requests["patch WorkflowRun"] == 1

    async def test_the_result_of_a_cancelled_run_says_so(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        reference = await orders.aio_run_no_wait()
        await hatchet.runs.aio_cancel(reference.workflow_run_id)
        await write(stage, reference, {"phase": "Cancelled", "message": "the run was cancelled"})
        with pytest.raises(RunCancelled, match="the run was cancelled"):
            await reference.aio_result()

    @pytest.mark.usefixtures("stage")
    def test_cancelling_a_missing_run_is_an_error(self, hatchet: Hatchet) -> None:
        for act in (hatchet.runs.cancel, hatchet.runs.replay, hatchet.runs.get):
            with pytest.raises(RequestRefused, match="there is no WorkflowRun 'no-such' in"):
                act("no-such")


class TestReplay:
    async def test_the_result_after_a_replay_is_the_new_one(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        stage.statuses = lambda _: [ended("1")]
        reference = await orders.aio_run_no_wait()
        assert await reference.aio_result() == {"charge": 1}
        replayed = await hatchet.runs.aio_replay(reference)
        assert stage.run["spec"]["replay"] == {"count": 1, "failedOnly": False}
        result = asyncio.create_task(reference.aio_result())
        assert await is_waiting(stage, result)
        await write(stage, reference, {"phase": "Running", "replays": 1})
        await write(stage, reference, ended("2", replays=1))
        assert await result == {"charge": 2}
        assert await replayed.aio_result() == {"charge": 2}

    async def test_a_replay_restarts_a_cancelled_run(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        stage.statuses = lambda _: [{"phase": "Cancelled"}]
        reference = await orders.aio_run_no_wait()
        await hatchet.runs.aio_cancel(reference)
        with pytest.raises(RunCancelled):
            await reference.aio_result()
        await hatchet.runs.aio_replay(reference, failed_only=True)
        assert stage.run["spec"]["desiredState"] == "Running"
        assert stage.run["spec"]["replay"] == {"count": 1, "failedOnly": True}
        result = asyncio.create_task(reference.aio_result())
        assert await is_waiting(stage, result)
        await write(stage, reference, ended("2", replays=1))
        assert await result == {"charge": 2}

    async def test_a_replay_may_be_cancelled_before_it_begins(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        stage.statuses = lambda _: [{"phase": "Cancelled"}]
        reference = await orders.aio_run_no_wait()
        with pytest.raises(RunCancelled):
            await reference.aio_result()
        await hatchet.runs.aio_replay(reference)
        await hatchet.runs.aio_cancel(reference)
        with pytest.raises(RunCancelled):
            await reference.aio_result()

    def test_each_replay_raises_the_count(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[EmptyModel]
    ) -> None:
        reference = orders.run_no_wait()
        for count in (1, 2):
            hatchet.runs.replay(reference)
            assert stage.run["spec"]["replay"]["count"] == count

    def test_two_replays_at_once_count_twice(
        self,
        stage: Stage,
        hatchet: Hatchet,
        orders: Workflow[EmptyModel],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        reference = orders.run_no_wait()
        patch, others = stage.cluster.merge_patch, [1]

        async def late(kind: Kind, namespace: str, name: str, body: JsonObject) -> JsonObject:
            if others:
                await patch(kind, namespace, name, {"spec": {"replay": {"count": others.pop()}}})
            return await patch(kind, namespace, name, body)

        monkeypatch.setattr(stage.cluster, "merge_patch", late)
        hatchet.runs.replay(reference)
        assert stage.run["spec"]["replay"]["count"] == 2

    def test_a_replay_gives_up_where_others_always_come_first(
        self,
        stage: Stage,
        hatchet: Hatchet,
        orders: Workflow[EmptyModel],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        reference = orders.run_no_wait()
        patch = stage.cluster.merge_patch

        async def late(kind: Kind, namespace: str, name: str, body: JsonObject) -> JsonObject:
            return await patch(
                kind, namespace, name, {**body, "metadata": {"resourceVersion": "0"}}
            )

        monkeypatch.setattr(stage.cluster, "merge_patch", late)
        with pytest.raises(RequestRefused, match="has been modified"):
            hatchet.runs.replay(reference)
        assert stage.cluster.requests["patch WorkflowRun"] == CONFLICTS


def test_skipped_tasks_are_no_part_of_the_result(
    stage: Stage, orders: Workflow[EmptyModel]
) -> None:
    status = ended("7")
    status["tasks"] += [
        {"name": "ship", "state": "Skipped"},
        {"name": "undo-on-failure", "state": "Skipped"},
        {"name": "tell-on-success", "state": "Succeeded"},
    ]
    stage.statuses = lambda _: [status]
    assert orders.run() == {"charge": 7, "tell-on-success": None}
