"""Right use, and the types it has. Read by pyright only: see `test_types.py`."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypedDict, assert_type

from podhatch import (
    RUN_START,
    Context,
    DesiredWorkerLabel,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Hatchet,
    ParentCondition,
    Pod,
    SleepCondition,
    Standalone,
    StickyStrategy,
    Task,
    TaskDefaults,
    TaskRunError,
    TaskRunRef,
    TriggerWorkflowOptions,
    UserEventCondition,
    WorkerLabelComparator,
    Workflow,
    WorkflowRunRef,
    or_,
)
from podhatch.api.run import WorkflowRun
from podhatch.client.event_rows import Event
from podhatch.client.run_details import V1WorkflowRunDetails
from podhatch.client.run_rows import V1TaskSummary
from pydantic import BaseModel


class Order(BaseModel):
    id: int


@dataclass
class Receipt:
    paid: float


class Address(TypedDict):
    street: str


hatchet = Hatchet()

orders = hatchet.workflow("orders", input_validator=Order, image="shop:1", version="1")
assert_type(orders, Workflow[Order])
assert_type(hatchet.workflow(name="orders", input_type=Order), Workflow[Order])
assert_type(hatchet.workflow("any"), Workflow[EmptyModel])
assert_type(hatchet.workflow("any", description="x"), Workflow[EmptyModel])
assert_type(hatchet.workflow("parcel", input_validator=Receipt), Workflow[Receipt])
assert_type(hatchet.workflow("address", input_validator=Address), Workflow[Address])
assert_type(hatchet.workflow("raw", input_validator=dict[str, Any]), Workflow[dict[str, Any]])


@orders.task(execution_timeout=timedelta(minutes=2), schedule_timeout="1h30m")
def charge(input: Order, ctx: Context) -> Receipt:
    return Receipt(paid=input.id)


assert_type(charge, Task[Order, Receipt])


@orders.task(
    name="weigh",
    desired_worker_labels={
        "disk": DesiredWorkerLabel(value=4, comparator=WorkerLabelComparator.GREATER_THAN)
    },
)
async def weigh(input: Order, ctx: Context) -> dict[str, float]:
    return {"weight": ctx.task_output(charge).paid}


assert_type(weigh, Task[Order, dict[str, float]])


@orders.task(parents=[charge, weigh], desired_worker_labels={"disk": "ssd", "size": 4})
def ship(input: Order, ctx: Context) -> None:
    assert_type(ctx.task_output(charge), Receipt)
    assert_type(ctx.task_output(weigh), dict[str, float])


assert_type(ship, Task[Order, None])
assert_type(ship.parents, list[Task[Order, object]])


@orders.task(desired_worker_labels=[DesiredWorkerLabel(key="disk", value="ssd", required=True)])
def choose(input: Order, ctx: Context) -> int | str:
    return 1


assert_type(choose, Task[Order, int | str])


@orders.task(
    parents=[charge, choose],
    retries=3,
    backoff_factor=1.5,
    backoff_max_seconds=60,
    backoff_jitter=0.5,
    wait_for=[
        SleepCondition("5s"),
        or_(SleepCondition(timedelta(hours=1)), UserEventCondition("paid", "input.sum > 7")),
    ],
    skip_if=[ParentCondition(charge, "output.paid == 0")],
    cancel_if=[UserEventCondition("stop", scope="eu", consider_events_since=RUN_START)],
    pod=Pod(
        limits={"memory": "1Gi"},
        env={"MODE": "fast", "TOKEN": {"secretKeyRef": {"name": "shop", "key": "token"}}},
        tolerations=[{"key": "gpu", "operator": "Exists"}],
    ),
)
async def tell(input: Order, ctx: Context) -> str:
    assert_type(ctx.was_skipped(charge), bool)
    assert_type(ctx.retry_count + ctx.max_attempts, int)
    ctx.refresh_timeout("5m")
    await ctx.aio_refresh_timeout(timedelta(minutes=5))
    return ctx.task_run_errors.get("charge", "")


@orders.on_failure_task(retries=2, execution_timeout="5s")
def undo(input: Order, ctx: Context) -> int:
    assert_type(ctx.get_task_run_error(charge), TaskRunError | None)
    return 1


@orders.on_success_task()
async def celebrate(input: Order, ctx: Context) -> str:
    return ctx.task_output(tell)


assert_type(tell, Task[Order, str])
assert_type(undo, Task[Order, int])
assert_type(celebrate, Task[Order, str])
hatchet.workflow(
    "whole",
    input_validator=Order,
    task_defaults=TaskDefaults(retries=3, execution_timeout="5m"),
    sticky=StickyStrategy.SOFT,
    ttl_seconds_after_finished=3600,
    pod=Pod(node_selector={"disk": "ssd"}),
)


@hatchet.task(input_validator=Order, retries=3, image_pull_policy="Always", cluster_access=False)
def alone(input: Order, ctx: Context) -> Receipt:
    return Receipt(paid=input.id)


@hatchet.task()
async def hello(input: EmptyModel, ctx: Context) -> str:
    return "hello"


assert_type(alone, Standalone[Order, Receipt])
assert_type(hello, Standalone[EmptyModel, str])


async def run() -> None:
    order, options = Order(id=7), TriggerWorkflowOptions(additional_metadata={"by": "Ada"})
    assert_type(orders.run(order), dict[str, Any])
    assert_type(orders.run({"id": 7}, options), dict[str, Any])
    assert_type(await orders.aio_run(order, additional_metadata={"by": "Ada"}), dict[str, Any])
    assert_type(orders.run_no_wait(order), WorkflowRunRef)
    assert_type((await orders.aio_run_no_wait(order)).result(), dict[str, Any])
    assert_type(alone.run(order), Receipt)
    assert_type(await alone.aio_run(order, options), Receipt)
    assert_type(alone.run_no_wait(order), TaskRunRef[Order, Receipt])
    assert_type(await (await alone.aio_run_no_wait(order)).aio_result(), Receipt)
    assert_type(hello.run(), str)
    assert_type(hello.run(EmptyModel()), str)
    assert_type(alone.output_validator, type[Receipt] | None)
    try:
        hello.run()
    except FailedTaskRunExceptionGroup as group:
        assert_type(group.exceptions, tuple[TaskRunError, ...])


async def control(reference: WorkflowRunRef, typed: TaskRunRef[Order, Receipt]) -> None:
    assert_type(hatchet.runs.replay(reference, failed_only=True), WorkflowRunRef)
    assert_type(await hatchet.runs.aio_replay(typed), WorkflowRunRef)
    assert_type(hatchet.runs.get("orders-1"), V1WorkflowRunDetails)
    assert_type((await hatchet.runs.aio_get("orders-1")).object, WorkflowRun)
    hatchet.runs.cancel("orders-1")
    await hatchet.runs.aio_cancel(reference)
    assert_type(hatchet.event.push("paid", {"sum": 7}, scope="eu"), Event)
    assert_type(await hatchet.event.aio_push("paid", Order(id=7)), Event)
    assert_type(hatchet.runs.list(only_tasks=True).rows, list[V1TaskSummary])
    async for chunk in hatchet.runs.subscribe_to_stream("orders-1"):
        assert_type(chunk, str | bytes)
