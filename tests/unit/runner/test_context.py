"""Outputs of parents, as a task asks its context for them."""

from dataclasses import dataclass

import pytest
from podhatch import Hatchet
from podhatch.context import Context
from podhatch.errors import IllegalTaskOutputError
from pydantic import BaseModel

shop = Hatchet().workflow("Shop")


class Order(BaseModel):
    id: int


@dataclass
class Paid:
    amount: float


@shop.task()
def load(input: object, ctx: Context) -> Order:
    return Order(id=1)


@shop.task()
def pay(input: object, ctx: Context) -> Paid:
    return Paid(1.5)


@shop.task()
def untyped(input, ctx):  # type: ignore[no-untyped-def]
    return None


def context_of(**parents: object) -> Context:
    return Context(
        workflow_run_id="shop-1",
        task_run_id="shop-1-ship-abc-1",
        workflow_name="Shop",
        task_name="ship",
        attempt_number=3,
        additional_metadata={},
        parents=parents,
        is_cancelled=lambda: False,
    )


def test_output_is_what_the_parent_declares() -> None:
    context = context_of(load={"id": 4}, pay={"amount": 2}, untyped=[None])
    assert context.task_output(load) == Order(id=4)
    assert context.task_output(pay) == Paid(2.0)
    assert context.task_output(untyped) == [None]
    assert context.task_output("load") == {"id": 4}


def test_parent_that_returned_nothing() -> None:
    assert context_of(untyped=None).task_output(untyped) is None
    assert context_of(untyped=None).task_output("untyped") is None


def test_task_that_is_no_parent() -> None:
    with pytest.raises(
        ValueError, match=r"task ship of workflow Shop .* add it to parents= of ship"
    ):
        context_of(pay={}).task_output(load)


def test_output_that_does_not_fit() -> None:
    with pytest.raises(IllegalTaskOutputError, match="id"):
        context_of(load={"id": "four"}).task_output(load)


def test_counts() -> None:
    assert (context_of().attempt_number, context_of().retry_count) == (3, 2)
