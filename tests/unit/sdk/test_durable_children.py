"""Runs that a durable task starts and awaits: recorded in its journal."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest
from podhatch import (
    Context,
    Hatchet,
    NonDeterminismError,
    RunDeleted,
    Standalone,
    TaskRunError,
    WorkflowRunRef,
)
from podhatch.api.model import JsonObject
from podhatch.client.target import Target
from podhatch.task import entered
from podhatch.task.durable_context import DurableContext
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage

T = TypeVar("T")


class Number(BaseModel):
    n: int


class FakeJournal:
    """Records the calls, and waits for nothing."""

    invocation = 1

    def __init__(self) -> None:
        self.branch = 1
        self.calls: list[tuple[str, str]] = []
        """What was called, and the name of the run or the label."""
        self.keys: list[str] = []
        self.memos: dict[int, str] = {}
        self.over: set[int] = set()
        """Calls that an earlier invocation knows to be over."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    async def wait_for(
        self, key: str, conditions: Sequence[JsonObject], label: str | None
    ) -> dict[str, list[object]]:
        raise NotImplementedError

    async def memo(self, key: str, make: Callable[[], Awaitable[str]], label: str | None) -> str:
        number = self._add("memo", key, label or "")
        if number not in self.memos:
            self.memos[number] = await make()
        return self.memos[number]

    async def child(
        self,
        key: str,
        name: str,
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[T]],
        label: str | None,
    ) -> T:
        number = self._add("child", key, name)
        if number not in self.over:
            await start()
        return await read()

    def again(self) -> None:
        """Begin another invocation, for which all runs are over."""
        self.over = {*range(len(self.calls))}
        self.calls.clear()
        self.keys.clear()

    def _add(self, kind: str, key: str, name: str) -> int:
        self.calls.append((kind, name))
        self.keys.append(key)
        return len(self.calls) - 1


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def square(hatchet: Hatchet) -> Standalone[Number, int]:
    @hatchet.task("square", input_validator=Number)
    def square(input: Number, ctx: Context) -> int:
        return input.n**2

    return square


def perform(journal: FakeJournal, code: Callable[[], Awaitable[T]]) -> T:
    """Run code of a durable task in an attempt of its own."""
    context = DurableContext(
        workflow_run_id="orders-1",
        run_uid="uid-1",
        task_run_id="orders-1-charge-abc-1",
        workflow_name="orders",
        task_name="charge",
    )
    context.journal = journal

    async def main() -> T:
        return await code()

    with entered(context):
        return asyncio.run(main())


def squares(stage: Stage) -> None:
    """Answer each run with the square of its input."""

    def statuses(run: JsonObject) -> list[JsonObject]:
        output = str(run["spec"]["input"]["n"] ** 2)
        tasks = [{"name": "square", "state": "Succeeded", "output": output}]
        return [{"phase": "Succeeded", "tasks": tasks}]

    stage.statuses = statuses


def names(stage: Stage) -> list[str]:
    return [run["metadata"]["name"] for run in stage.cluster.objects("WorkflowRun")]


def test_a_run_is_a_call_by_workflow_and_input(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)

    async def code() -> list[int]:
        return [await square.aio_run(Number(n=n)) for n in (3, 3, 4)]

    assert perform(journal, code) == [9, 9, 16]
    assert journal.calls == [("child", name) for name in names(stage)]
    first, same, other = journal.keys
    assert first == same != other


def test_a_run_that_is_over_is_not_created_again(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)

    async def code() -> int:
        return await square.aio_run(Number(n=3))

    perform(journal, code)
    journal.again()
    stage.cluster.requests.clear()
    assert perform(journal, code) == 9
    assert stage.cluster.requests == {"get WorkflowRun": 1}


def test_many_runs_are_calls_in_their_order(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)
    told: list[tuple[int, int]] = []

    def tell(created: int, count: int) -> None:
        told.append((created, count))

    async def code() -> list[int]:
        items = [square.create_bulk_run_item(Number(n=n)) for n in range(5)]
        return await square.aio_run_many(items, progress=tell)

    assert perform(journal, code) == [0, 1, 4, 9, 16]
    indexes = {
        run["metadata"]["name"]: run["spec"]["parent"]["index"]
        for run in stage.cluster.objects("WorkflowRun")
    }
    assert [indexes[name] for _, name in journal.calls] == [0, 1, 2, 3, 4]
    assert sorted(told) == [(count, 5) for count in range(1, 6)]


def test_a_run_without_waiting_is_a_memo_and_its_result_another_call(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)

    async def code() -> int:
        reference = await square.aio_run_no_wait(Number(n=3))
        return await reference.aio_result()

    assert perform(journal, code) == 9
    [name] = names(stage)
    assert journal.calls == [("memo", "start square"), ("child", name)]
    journal.again()
    assert perform(journal, code) == 9
    assert names(stage) == [name]


def test_many_runs_without_waiting_are_memos(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)

    async def code() -> list[str]:
        items = [square.create_bulk_run_item(Number(n=n)) for n in range(3)]
        return [str(each) for each in await square.aio_run_many_no_wait(items)]

    assert sorted(perform(journal, code)) == sorted(names(stage))
    assert journal.calls == [("memo", "start square")] * 3


def test_a_child_that_fails_raises_its_tasks_error(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    error = {"type": "LookupError", "message": "no such number"}
    failed = {"name": "square", "state": "Failed", "error": error}
    stage.statuses = lambda _: [{"phase": "Failed", "tasks": [failed]}]

    async def code() -> list[Any]:
        items = [square.create_bulk_run_item(Number(n=1))]
        return await square.aio_run_many(items, return_exceptions=True)

    [raised] = perform(journal, code)
    assert isinstance(raised, TaskRunError)
    assert (raised.exc_type, raised.exc) == ("LookupError", "no such number")
    with pytest.raises(TaskRunError, match="no such number"):
        perform(journal, lambda: square.aio_run(Number(n=1)))


def test_a_child_that_is_cancelled_raises_a_tasks_error(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    stage.statuses = lambda _: [{"phase": "Cancelled"}]
    with pytest.raises(TaskRunError, match="HatchetError: task was cancelled"):
        perform(journal, lambda: square.aio_run(Number(n=1)))


def test_a_run_that_is_not_there_is_told(stage: Stage, journal: FakeJournal) -> None:
    reference = WorkflowRunRef(Target(), "orders-7")
    with pytest.raises(RunDeleted):
        perform(journal, reference.aio_result)


def test_children_of_a_task_that_was_reset_are_others(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)
    for branch in (1, 2, 2):
        journal.branch = branch
        perform(journal, lambda: square.aio_run(Number(n=3)))
    assert len(names(stage)) == 2


def test_another_child_than_before_is_refused(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)
    perform(journal, lambda: square.aio_run(Number(n=3)))
    with pytest.raises(NonDeterminismError, match="has another input"):
        perform(journal, lambda: square.aio_run(Number(n=4)))


def test_synchronous_runs_are_not_recorded(
    stage: Stage, journal: FakeJournal, square: Standalone[Number, int]
) -> None:
    squares(stage)

    async def code() -> int:
        return await asyncio.to_thread(square.run, Number(n=3))

    assert perform(journal, code) == 9
    assert journal.calls == []
