"""Many runs at once: order, failures in place, one watch, the bounded rate."""

import asyncio
import time
from typing import Any

import pytest
from podhatch import (
    Context,
    FailedTaskRunExceptionGroup,
    Hatchet,
    IllegalTaskOutputError,
    InvalidRun,
    RequestRefused,
    RunCancelled,
    Standalone,
    TaskRunRef,
    Workflow,
    is_in_hatchet_serialization_context,
)
from podhatch.api.labels import SEQUENCE
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.client.runs import execution
from podhatch.cluster import ApiError
from podhatch.definitions.options.run_options import (
    TriggerWorkflowOptions,
    WorkflowRunTriggerConfig,
)
from pydantic import BaseModel, SerializationInfo, ValidationInfo, field_serializer, field_validator

from tests.unit.sdk.conftest import Stage


class Order(BaseModel):
    id: int


class Letter(BaseModel):
    """Travels turned around."""

    text: str

    @field_serializer("text")
    def turned(self, text: str, info: SerializationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text

    @field_validator("text")
    @classmethod
    def returned(cls, text: str, info: ValidationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text


@pytest.fixture
def charge(hatchet: Hatchet) -> Standalone[Order, int]:
    @hatchet.task(input_validator=Order)
    def charge(input: Order, ctx: Context) -> int:
        return input.id

    return charge


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Order]:
    orders = hatchet.workflow("orders", input_validator=Order)

    @orders.task()
    def ship(input: Order, ctx: Context) -> None: ...

    return orders


def echo(stage: Stage, task: str = "charge") -> None:
    """Answer each run with its input's id; 13 fails, 14 is cancelled, 15 returns a text."""

    def statuses(run: JsonObject) -> list[JsonObject]:
        number = run["spec"]["input"]["id"]
        done = {"name": task, "state": "Succeeded", "output": str(number)}
        if number == 13:
            failed = {"name": task, "state": "Failed", "message": "bad luck", "reason": "Luck"}
            return [{"phase": "Failed", "tasks": [failed]}]
        if number == 14:
            return [{"phase": "Cancelled"}]
        if number == 15:
            done["output"] = '"fifteen"'
        return [{"phase": "Running"}, {"phase": "Succeeded", "tasks": [done]}]

    stage.statuses = statuses


def test_results_come_in_the_order_of_the_items(
    stage: Stage, charge: Standalone[Order, int]
) -> None:
    echo(stage)
    items = [charge.create_bulk_run_item(Order(id=number)) for number in range(100, 140)]
    told: list[tuple[int, int]] = []

    def progress(created: int, total: int) -> None:
        told.append((created, total))

    assert charge.run_many(items, progress=progress) == list(range(100, 140))
    assert told == [(count, 40) for count in range(1, 41)]
    assert stage.cluster.requests["create WorkflowRun"] == 40
    assert stage.cluster.requests["watch WorkflowRun"] == 1
    assert stage.cluster.requests["get WorkflowRun"] == 0


def test_runs_of_one_second_say_in_which_order_they_are_created(
    stage: Stage, charge: Standalone[Order, int]
) -> None:
    numbers = list(range(20))
    charge.run_many_no_wait([charge.create_bulk_run_item(Order(id=number)) for number in numbers])
    runs = stage.cluster.stored("WorkflowRun").values()
    order = sorted(runs, key=lambda run: int(run["metadata"]["annotations"][SEQUENCE]))
    assert [run["spec"]["input"]["id"] for run in order] == numbers


class TestProgress:
    def test_a_progress_callback_may_call_podhatch(
        self, stage: Stage, hatchet: Hatchet, charge: Standalone[Order, int]
    ) -> None:
        items = [charge.create_bulk_run_item(Order(id=number)) for number in range(20)]
        told: list[tuple[int, int]] = []

        def progress(created: int, total: int) -> None:
            time.sleep(0.02 if created == 1 else 0)
            told.append((created, len(hatchet.runs.list().rows)))

        charge.run_many_no_wait(items, progress)
        assert [created for created, _ in told] == list(range(1, 21))
        assert all(there >= created for created, there in told)

    @pytest.mark.parametrize("return_exceptions", [True, False])
    def test_an_exception_of_a_progress_callback_is_raised(
        self, stage: Stage, charge: Standalone[Order, int], return_exceptions: bool
    ) -> None:
        items = [charge.create_bulk_run_item(Order(id=number)) for number in range(40)]

        def progress(created: int, total: int) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            charge.run_many(
                items, return_exceptions=return_exceptions, wait_for_result=False, progress=progress
            )
        assert 1 <= stage.cluster.requests["create WorkflowRun"] < 40


async def test_the_async_methods_return_the_same(
    stage: Stage, charge: Standalone[Order, int]
) -> None:
    echo(stage)
    items = [charge.create_bulk_run_item({"id": number}) for number in (3, 1, 2)]
    assert await charge.aio_run_many(items) == [3, 1, 2]
    references = await charge.aio_run_many_no_wait(items)
    assert [await each.aio_result() for each in references] == [3, 1, 2]


async def test_single_runs_share_a_watch_too(stage: Stage, charge: Standalone[Order, int]) -> None:
    echo(stage)
    gate = asyncio.Event()

    async def hold(run: JsonObject) -> None:
        await gate.wait()
        await stage.operate(run)

    stage.cluster.on_create = hold
    references = [await charge.aio_run_no_wait(Order(id=number)) for number in range(5)]
    results = asyncio.gather(*(each.aio_result() for each in references))
    await asyncio.sleep(0)
    background_loop.get().loop.call_soon_threadsafe(gate.set)
    assert await results == [0, 1, 2, 3, 4]
    assert stage.cluster.requests["watch WorkflowRun"] == 1


class TestFailures:
    def items(self, charge: Standalone[Order, int], *ids: int) -> list[WorkflowRunTriggerConfig]:
        return [charge.create_bulk_run_item(Order(id=number)) for number in ids]

    def test_the_first_failure_is_raised(
        self, stage: Stage, charge: Standalone[Order, int]
    ) -> None:
        echo(stage)
        with pytest.raises(FailedTaskRunExceptionGroup):
            charge.run_many(self.items(charge, 1, 13, 2))

    def test_failures_are_returned_in_their_places(
        self, stage: Stage, charge: Standalone[Order, int]
    ) -> None:
        echo(stage)
        items = self.items(charge, 1, 13, 14, 15, 2)
        one, failed, cancelled, text, two = charge.run_many(items, return_exceptions=True)
        assert (one, two) == (1, 2)
        assert isinstance(failed, FailedTaskRunExceptionGroup)
        assert isinstance(cancelled, RunCancelled)
        assert isinstance(text, IllegalTaskOutputError)

    def test_a_refused_creation_is_one_of_the_results(
        self, stage: Stage, charge: Standalone[Order, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        echo(stage)
        create = stage.cluster.create

        async def picky(manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
            if manifest["spec"].get("input") == {"id": 2}:
                raise ApiError(403, "Forbidden", "no more runs for you")
            return await create(manifest)

        monkeypatch.setattr(stage.cluster, "create", picky)
        items = self.items(charge, 1, 2, 3)
        with pytest.raises(RequestRefused, match="no more runs for you"):
            charge.run_many(items)
        one, refused, three = charge.run_many(items, return_exceptions=True)
        assert (one, three) == (1, 3)
        assert isinstance(refused, RequestRefused)
        mixed = charge.run_many(items, return_exceptions=True, wait_for_result=False)
        assert [type(each) for each in mixed] == [TaskRunRef, RequestRefused, TaskRunRef]


class TestItems:
    def test_an_item_is_dumped_at_once(self, charge: Standalone[Order, int]) -> None:
        item = charge.create_bulk_run_item(
            Order(id=7), "seventh", additional_metadata={"by": "Ada"}, priority=3
        )
        assert item == WorkflowRunTriggerConfig(
            workflow_name="charge",
            input='{"id":7}',
            options=TriggerWorkflowOptions(additional_metadata={"by": "Ada"}, priority=3),
            key="seventh",
        )

    def test_an_item_that_does_not_fit_is_refused_at_once(
        self, charge: Standalone[Order, int]
    ) -> None:
        with pytest.raises(InvalidRun, match="id: Input should be a valid integer"):
            charge.create_bulk_run_item({"id": "seven"})

    @pytest.mark.parametrize("key", ["", "x" * 254])
    def test_the_key_of_an_item_must_be_valid(
        self, charge: Standalone[Order, int], key: str
    ) -> None:
        with pytest.raises(InvalidRun, match=r"child_key: expected 1 to 253 characters"):
            charge.create_bulk_run_item(Order(id=7), key)

    def test_the_options_of_an_item_are_those_of_its_run(
        self, stage: Stage, charge: Standalone[Order, int]
    ) -> None:
        options = TriggerWorkflowOptions(additional_metadata={"by": "Ada"}, priority=2)
        charge.run_many_no_wait([charge.create_bulk_run_item(Order(id=7), options=options)])
        assert stage.run["spec"]["additionalMetadata"] == {"by": "Ada"}
        assert stage.run["spec"]["priority"] == 2

    def test_an_item_may_name_another_workflow_of_the_same_hatchet(
        self, stage: Stage, orders: Workflow[Order], charge: Standalone[Order, int]
    ) -> None:
        items = [orders.create_bulk_run_item(Order(id=1)), charge.create_bulk_run_item({"id": 2})]
        orders.run_many_no_wait(items)
        runs = {run["spec"]["workflow"] for run in stage.cluster.objects("WorkflowRun")}
        assert runs == {"orders", "charge"}
        with pytest.raises(InvalidRun, match="'charge': run_many: item 0 is of workflow 'orders'"):
            charge.run_many(items)

    def test_a_value_that_is_not_an_item_is_refused(
        self, stage: Stage, charge: Standalone[Order, int]
    ) -> None:
        orders: Any = [Order(id=7)]
        with pytest.raises(TypeError, match=r"item 0 is Order\(id=7\): make it with create_bulk"):
            charge.run_many(orders)

    def test_a_single_item_is_refused(self, stage: Stage, charge: Standalone[Order, int]) -> None:
        item: Any = charge.create_bulk_run_item(Order(id=7))
        with pytest.raises(TypeError, match="'charge': run_many: expected a list, got Workflow"):
            charge.run_many(item)

    def test_an_item_of_an_unknown_workflow_is_refused(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        with pytest.raises(InvalidRun, match="no workflow 'other' is defined on the same Hatchet"):
            orders.run_many([WorkflowRunTriggerConfig(workflow_name="other", input="{}")])
        assert not stage.connects

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("{", "the input of workflow 'orders' is not JSON"),
            ("[]", "the input of workflow 'orders' is not a JSON object"),
            ('{"id": "x"}', "workflow 'orders': the input does not fit: id: "),
        ],
    )
    def test_a_hand_made_item_that_does_not_fit_is_refused(
        self, stage: Stage, orders: Workflow[Order], text: str, words: str
    ) -> None:
        with pytest.raises(InvalidRun, match=words):
            orders.run_many([WorkflowRunTriggerConfig(workflow_name="orders", input=text)])
        assert not stage.connects

    def test_an_item_is_sent_as_it_was_dumped(self, stage: Stage, hatchet: Hatchet) -> None:
        @hatchet.task(input_validator=Letter)
        def read(input: Letter, ctx: Context) -> None: ...

        item = read.create_bulk_run_item(Letter(text="abc"))
        read.run_many_no_wait([item])
        read.run_no_wait(Letter(text="abc"))
        many, one = stage.cluster.objects("WorkflowRun")
        assert many["spec"]["input"] == one["spec"]["input"] == {"text": "cba"}

    def test_items_may_come_from_a_generator(
        self, stage: Stage, orders: Workflow[Order], charge: Standalone[Order, int]
    ) -> None:
        each: Any = (charge.create_bulk_run_item({"id": number}) for number in range(3))
        assert len(charge.run_many_no_wait(each)) == 3
        assert len(orders.run_many_no_wait(map(orders.create_bulk_run_item, [{"id": 1}]))) == 1  # pyright: ignore[reportArgumentType]
        assert stage.cluster.requests["create WorkflowRun"] == 4


def test_no_items_give_no_results(stage: Stage, charge: Standalone[Order, int]) -> None:
    assert charge.run_many([]) == []


def test_creations_have_a_rate_and_a_limit(
    stage: Stage, charge: Standalone[Order, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    under_way, most = 0, 0
    create = stage.cluster.create

    async def slow(manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        nonlocal under_way, most
        under_way += manifest["kind"] == "WorkflowRun"
        most = max(most, under_way)
        await asyncio.sleep(0.01)
        under_way -= manifest["kind"] == "WorkflowRun"
        return await create(manifest)

    monkeypatch.setattr(stage.cluster, "create", slow)
    monkeypatch.setattr(execution, "PARALLEL", 3)
    monkeypatch.setattr(execution, "PER_SECOND", 10_000.0)
    items: list[Any] = [charge.create_bulk_run_item(Order(id=number)) for number in range(12)]
    charge.run_many_no_wait(items)
    assert most == 3
    monkeypatch.setattr(execution, "PARALLEL", 12)
    monkeypatch.setattr(execution, "PER_SECOND", 50.0)
    begun = time.monotonic()
    charge.run_many_no_wait(items)
    assert time.monotonic() - begun > 11 / 50
