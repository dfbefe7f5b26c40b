"""Outputs of parents, as a task asks its context for them."""

import asyncio
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from datetime import timedelta

import pytest
from podhatch import Hatchet
from podhatch.api.names import object_name
from podhatch.errors import IllegalTaskOutputError, InvalidRun, TaskRunError
from podhatch.task import Context, Host, current_context, entered
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


class Asked(Host):
    """Remembers what the task asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.seconds: list[float] = []

    def extend_timeout(self, seconds: float) -> None:
        self.seconds.append(seconds)


def context_of(
    *,
    errors: Mapping[str, str] | None = None,
    host: Host | None = None,
    **parents: object,
) -> Context:
    return Context(
        workflow_run_id="shop-1",
        task_run_id="shop-1-ship-abc-1",
        workflow_name="Shop",
        task_name="ship",
        attempt_number=3,
        parents=parents,
        errors=errors or {},
        host=host or Host(),
    )


def test_output_is_what_the_parent_declares() -> None:
    context = context_of(load={"id": 4}, pay={"amount": 2}, untyped=[None])
    assert context.task_output(load) == Order(id=4)
    assert context.task_output(pay) == Paid(2.0)
    assert context.task_output(untyped) == [None]
    assert context.task_output("load") == {"id": 4}


def test_the_output_of_a_parent_that_returned_nothing_is_empty() -> None:
    assert context_of(untyped=None).task_output(untyped) is None
    assert context_of(untyped=None).task_output("untyped") is None


def test_a_task_that_is_not_a_parent_has_no_output() -> None:
    with pytest.raises(
        ValueError, match=r"task ship of workflow Shop .* add it to parents= of ship"
    ):
        context_of(pay={}).task_output(load)


def test_an_output_that_does_not_fit_is_an_error() -> None:
    with pytest.raises(IllegalTaskOutputError, match="id"):
        context_of(load={"id": "four"}).task_output(load)


def test_the_context_counts_attempts_and_retries() -> None:
    assert (context_of().attempt_number, context_of().retry_count) == (3, 2)


def test_the_output_of_a_skipped_parent_is_marked() -> None:
    context = context_of(load={"skipped": True}, pay={"amount": 2}, untyped=None)
    assert context.was_skipped(load)
    assert context.was_skipped("load")
    assert not context.was_skipped(pay)
    assert not context.was_skipped(untyped)
    with pytest.raises(ValueError, match=r"task load was skipped .* ask ctx.was_skipped\(\) first"):
        context.task_output(load)
    with pytest.raises(ValueError, match="add it to parents= of ship"):
        context_of().was_skipped(load)


TRACE = 'Traceback (most recent call last):\n  File "orders.py"\nValueError: no: card\n'


@pytest.mark.parametrize(
    ("text", "kind", "message", "trace"),
    [
        (f"ValueError: no: card\n{TRACE}", "ValueError", "no: card", TRACE),
        ("ImagePull: shop:1\nis away", "ImagePull", "shop:1\nis away", ""),
        ("the pod: it is gone", "Error", "the pod: it is gone", ""),
    ],
)
def test_a_failure_task_gets_the_errors_of_the_run(
    text: str, kind: str, message: str, trace: str
) -> None:
    context = context_of()
    assert (context.task_run_errors, context.get_task_run_error(load)) == ({}, None)
    context = context_of(errors={"load": text})
    assert context.task_run_errors == {"load": text}
    error = context.get_task_run_error(load)
    assert isinstance(error, TaskRunError)
    assert error.task_run_external_id == "shop-1/load"
    assert (error.exc_type, error.exc, error.trace) == (kind, message, trace)
    assert error.task == "load"
    assert context.get_task_run_error("pay") is None


async def test_more_time_is_asked_for_in_seconds() -> None:
    asked = Asked()
    context = context_of(host=asked)
    context.refresh_timeout("1m30s")
    await context.aio_refresh_timeout(timedelta(milliseconds=1500))
    assert asked.seconds == [90, 1.5]
    with pytest.raises(ValueError, match="or '7d', got 'more'"):
        context.refresh_timeout("more")
    context_of().refresh_timeout("1s")  # where nobody keeps time, as in tests of user code


def test_the_context_says_what_triggered_the_run() -> None:
    bare = context_of()
    assert not bare.was_triggered_by_event
    assert (bare.priority, bare.child_index, bare.child_key) == (None, None, None)
    assert (bare.parent_workflow_run_id, bare.triggering_event_id) == (None, None)
    assert (bare.filter_payload, bare.trigger_data, bare.worker_labels) == ({}, {}, {})
    assert (bare.workflow_id, bare.step_run_id) == (object_name("Shop"), "shop-1-ship-abc-1")
    bare.trigger = {
        "workflow": "eu-shop",
        "priority": 3,
        "parentRun": "sweep-1",
        "childKey": "k",
        "childIndex": 0,
        "eventId": "e-1",
        "eventKey": "paid",
        "filterPayload": {"limit": 5},
    }
    assert bare.was_triggered_by_event
    assert (bare.triggering_event_id, bare.triggering_event_key) == ("e-1", "paid")
    assert bare.filter_payload == {"limit": 5}
    assert bare.trigger_data == {"filter_payload": {"limit": 5}}
    assert (bare.priority, bare.child_index, bare.child_key) == (3, 0, "k")
    assert bare.parent_workflow_run_id == "sweep-1"
    assert bare.workflow_id == "eu-shop"


async def test_the_context_is_current_where_its_variables_were_copied() -> None:
    context = context_of()
    assert current_context() is None
    with entered(context):
        assert current_context() is context
        assert await asyncio.to_thread(current_context) is context
        with ThreadPoolExecutor() as pool:
            assert pool.submit(copy_context().run, current_context).result() is context
            assert pool.submit(current_context).result() is None
    assert current_context() is None


def test_children_are_counted_in_each_attempt_anew() -> None:
    context = context_of()
    assert [context.next_child_index() for _ in range(3)] == [0, 1, 2]
    assert context_of().next_child_index() == 0


def test_children_are_not_counted_in_forked_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    context = context_of()
    monkeypatch.setattr(os, "getpid", lambda: -1)
    with pytest.raises(InvalidRun, match="pass child_key="):
        context.next_child_index()


async def test_logged_lines_are_cut_each(capsys: pytest.CaptureFixture[str]) -> None:
    context = context_of()
    context.log("a" * 10_001 + "\nb")
    await context.aio_log({"when": timedelta(seconds=1), "n": 2})
    assert capsys.readouterr().out.splitlines() == [
        "a" * 10_000,
        "b",
        '{"when": "0:00:01", "n": 2}',
    ]


async def test_a_cancelled_task_without_a_pod_only_knows() -> None:
    context = context_of()
    assert not context.is_cancelled
    await context.aio_cancel()
    assert context.is_cancelled
    assert context.exit_flag
    assert context.done()


async def test_what_means_nothing_here_is_taken() -> None:
    context = context_of()
    context.release_slot()
    await context.aio_release_slot()
    context.upsert_worker_labels({"gpu": 1})
    await context.aio_upsert_worker_labels({"gpu": 1})
    context.worker.upsert_labels({"gpu": 1})
    await context.worker.async_upsert_labels({"gpu": 1})
    assert context.worker_labels == context.worker.labels() == {}
    assert context.worker.id() == context.worker_id
