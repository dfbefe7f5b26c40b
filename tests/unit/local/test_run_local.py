"""Whole runs in threads of this process."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from typing import Annotated, Any

import pytest
from podhatch import Context, Hatchet, ParentCondition
from podhatch.errors import FailedTaskRunExceptionGroup, InvalidRun, RunCancelled
from pydantic import BaseModel, Field

hatchet = Hatchet()


class Order(BaseModel):
    id: int


class Receipt(BaseModel):
    order: int
    paid: bool


@hatchet.task(input_validator=Order)
async def charge(input: Order, ctx: Context) -> Receipt:
    await asyncio.sleep(0)
    return Receipt(order=input.id, paid=True)


def test_a_standalone_task_returns_what_it_declares() -> None:
    assert charge.run_local(Order(id=7)) == Receipt(order=7, paid=True)


async def test_a_local_run_works_in_an_event_loop() -> None:
    assert await charge.aio_run_local({"id": 8}) == Receipt(order=8, paid=True)


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidRun, match="id: "):
        charge.run_local({})


def test_a_workflow_returns_outputs_by_task() -> None:
    flow = hatchet.workflow("outputs")

    @flow.task()
    def one(input: Any, ctx: Context) -> Receipt:
        return Receipt(order=1, paid=False)

    @flow.task(parents=[one])
    def none(input: Any, ctx: Context) -> None:
        assert ctx.task_output(one) == Receipt(order=1, paid=False)

    @flow.task(parents=[one], skip_if=[ParentCondition(one, "!output.paid")])
    def skipped(input: Any, ctx: Context) -> None:
        raise AssertionError

    assert flow.run_local() == {"one": {"order": 1, "paid": False}, "none": None}


class Basket(BaseModel):
    """To check its schema, each item is compared with all others."""

    items: Annotated[list[dict[str, int]], Field(json_schema_extra={"uniqueItems": True})]


def test_a_check_that_takes_too_long_is_stopped_as_in_the_operator() -> None:
    @hatchet.task(input_validator=Basket)
    def never(input: Basket, ctx: Context) -> None:
        raise AssertionError

    with pytest.raises(InvalidRun, match="it took more than 250 ms"):
        never.run_local(Basket(items=[{"n": number} for number in range(10_000)]))


def test_independent_tasks_run_at_the_same_time() -> None:
    flow = hatchet.workflow("parallel")
    met = threading.Barrier(2, timeout=20)

    @flow.task()
    def left(input: Any, ctx: Context) -> int:
        return met.wait()

    @flow.task()
    async def right(input: Any, ctx: Context) -> int:
        return met.wait()

    assert sorted(flow.run_local().values()) == [0, 1]


def test_a_failure_tells_where_in_the_users_code() -> None:
    flow = hatchet.workflow("failure")
    told: list[str] = []

    @flow.task()
    def breaks(input: Any, ctx: Context) -> None:
        raise KeyError("tea")

    @flow.on_failure_task()
    def mourns(input: Any, ctx: Context) -> None:
        told.extend(ctx.task_run_errors)

    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        flow.run_local()
    [error] = caught.value.exceptions
    assert (error.task, error.exc_type, error.exc) == ("breaks", "KeyError", "'tea'")
    assert 'raise KeyError("tea")' in error.trace
    assert "podhatch" not in error.trace
    assert told == ["breaks"]


def test_a_cancelled_run_says_why() -> None:
    flow = hatchet.workflow("cancels")

    @flow.task()
    def judge(input: Any, ctx: Context) -> bool:
        return True

    @flow.task(parents=[judge], cancel_if=[ParentCondition(judge, "output")])
    def judged(input: Any, ctx: Context) -> None:
        raise AssertionError

    with pytest.raises(RunCancelled, match="task judged: cancelIf holds"):
        flow.run_local()


def test_a_task_cancels_itself() -> None:
    @hatchet.task(retries=3)
    def gives_up(input: Any, ctx: Context) -> bool:
        ctx.cancel()
        return ctx.is_cancelled

    with pytest.raises(RunCancelled):
        gives_up.run_local()


def test_runs_that_a_task_starts_are_local_and_made_once() -> None:
    children: list[str] = []

    @hatchet.task()
    def child(input: Any, ctx: Context) -> str:
        children.append(f"{ctx.child_key} of {ctx.parent_workflow_run_id}")
        return ctx.additional_metadata["who"]

    @hatchet.task(retries=1)
    async def parent(input: Any, ctx: Context) -> list[str]:
        said = [await child.aio_run(child_key=str(n)) for n in range(2)]
        if ctx.retry_count == 0:
            raise ValueError
        return [*said, ctx.workflow_run_id]

    *said, run = parent.run_local(additional_metadata={"who": "me"})
    assert said == ["me", "me"]
    assert children == [f"0 of {run}", f"1 of {run}"]


def test_a_local_run_needs_no_socket_and_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("KUBECONFIG", "/nowhere/at/all")
    assert charge.run_local(Order(id=1)).paid


def test_a_large_run_takes_little_time() -> None:
    flow = hatchet.workflow("wide")

    def one(input: Any, ctx: Context) -> str:
        return "x" * 500

    for number in range(200):
        flow.task(name=f"t{number}")(one)
    began = time.monotonic()
    assert len(flow.run_local()) == 200
    assert time.monotonic() - began < 60


def test_workflows_of_the_same_name_are_told_apart() -> None:
    def made(value: int) -> Any:
        flow = Hatchet().workflow("same name")

        @flow.task(name="task")
        def task(input: Any, ctx: Context) -> int:
            return value

        return flow

    one, two = made(1), made(2)
    assert one.run_local() == {"task": 1}
    assert two.run_local() == {"task": 2}


def test_what_was_typed_into_an_interpreter_runs_here() -> None:
    program = """
from podhatch import Hatchet
flow = Hatchet().workflow("notebook")
@flow.task()
def cell(input, ctx):
    return 6 * input.n
print(flow.run_local({"n": 7}))
"""
    done = subprocess.run(
        [sys.executable], input=program, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{'cell': 42}\n", done.stderr
