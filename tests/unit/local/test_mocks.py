"""What stands in for tasks and stubs of local runs."""

from collections.abc import AsyncGenerator
from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.errors import InvalidRun
from pydantic import BaseModel

hatchet = Hatchet()


class Order(BaseModel):
    id: int


class Receipt(BaseModel):
    order: int
    paid: bool


def test_mocks_stand_in_for_tasks() -> None:
    flow = hatchet.workflow("mocked", input_validator=Order)

    @flow.task()
    def fetch(input: Order, ctx: Context) -> Receipt:
        raise AssertionError

    @flow.task(parents=[fetch])
    def store(input: Order, ctx: Context) -> int:
        raise AssertionError

    @flow.task(parents=[fetch, store])
    def report(input: Order, ctx: Context) -> list[Any]:
        return [ctx.task_output(fetch).order, ctx.task_output(store)]

    def stand_in(input: Order, ctx: Context) -> int:
        return input.id * 10 + ctx.task_output(fetch).order

    result = flow.run_local(
        {"id": 4}, mocks={"fetch": Receipt(order=2, paid=True), "store": stand_in}
    )
    assert result["report"] == [2, 42]


def test_a_stub_cannot_run_locally() -> None:
    stub = hatchet.stubs.workflow(name="elsewhere")
    with pytest.raises(InvalidRun, match="'elsewhere' has no code in this process"):
        stub.run_local()


def test_a_mock_stands_in_for_a_stub() -> None:
    stub = hatchet.stubs.task(name="Price of", input_validator=Order, output_validator=Receipt)

    def price(order: dict[str, Any]) -> dict[str, Any]:
        return {"order": order["id"], "paid": True}

    assert stub.run_local(Order(id=5), mocks={"Price of": price}) == Receipt(order=5, paid=True)


@pytest.mark.parametrize("name", ["pya", "Pay", hatchet])
def test_a_mock_that_stands_in_for_nothing_is_refused(name: Any) -> None:
    ran: list[str] = []
    flow = hatchet.workflow("paying")

    @flow.task()
    def pay(input: Any, ctx: Context) -> None:
        ran.append("paid")

    @flow.on_failure_task()
    def undo(input: Any, ctx: Context) -> None: ...

    with pytest.raises(
        InvalidRun, match=r"^mocks: (there is no task or stub|expected the name of a task)"
    ) as refused:
        flow.run_local(mocks={name: "paid"})
    assert not ran
    if isinstance(name, str):
        assert "the tasks of 'paying' are pay, undo-on-failure;" in str(refused.value)


def test_a_mock_may_stand_in_for_what_a_task_starts() -> None:
    hatchet.stubs.workflow(name="Rate of exchange")

    @hatchet.task(input_validator=Order)
    def charge(input: Order, ctx: Context) -> Receipt:
        raise AssertionError

    @hatchet.task()
    def exchange(input: Any, ctx: Context) -> list[Any]:
        stub = hatchet.stubs.workflow(name="Rate of exchange")
        return [charge.run(Order(id=1)), *stub.run().values()]

    mocks = {"charge": Receipt(order=2, paid=True), "Rate of exchange": lambda: 7}
    assert exchange.run_local(mocks=mocks) == [{"order": 2, "paid": True}, 7]


def test_a_lifespan_is_around_a_task_and_not_around_what_stands_in_for_it() -> None:
    steps: list[str] = []

    async def pool() -> AsyncGenerator[str]:
        steps.append("opened")
        yield "the pool"
        steps.append("closed")

    flow = Hatchet().workflow("pooled")
    flow.lifespan = pool

    @flow.task()
    def uses(input: Any, ctx: Context) -> str:
        steps.append("used")
        return ctx.lifespan

    assert flow.run_local() == {"uses": "the pool"}
    assert steps[:2] == ["opened", "used"]
    assert flow.run_local(mocks={"uses": lambda: len(steps)})["uses"] in (2, 3)
