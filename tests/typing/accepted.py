"""Right use, and the types it has. Read by pyright only: see `test_types.py`."""

import logging
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict, assert_type

from podhatch import (
    RUN_START,
    ClientConfig,
    ConcurrencyExpression,
    ConcurrencyLimitStrategy,
    Context,
    DefaultFilter,
    DesiredWorkerLabel,
    DurableContext,
    EmptyModel,
    EvictionPolicy,
    FailedTaskRunExceptionGroup,
    Hatchet,
    ParentCondition,
    Pod,
    Priority,
    ScheduleTriggerWorkflowOptions,
    SleepCondition,
    SleepResult,
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
    WorkflowRunTriggerConfig,
    WorkflowVersion,
    or_,
)
from podhatch.api.run import WorkflowRun
from podhatch.client.crons import CronWorkflows
from podhatch.client.events import Event
from podhatch.client.filters import V1Filter
from podhatch.client.runs.rows import V1TaskSummary, V1WorkflowRunDetails
from podhatch.testing import FakeClock, LocalEvent
from pydantic import BaseModel


class Order(BaseModel):
    id: int


@dataclass
class Receipt:
    paid: float


class Address(TypedDict):
    street: str


hatchet = Hatchet(config=ClientConfig(namespace="shop", logger=logging.getLogger("shop")))
assert_type(Hatchet(True), Hatchet)  # its debug, as in Hatchet

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
    description="all of it",
    on_events=["order:*"],
    on_crons=["0 9 * * MON"],
    cron_input=Order(id=7),
    default_filters=[DefaultFilter(expression="true", scope="eu", payload={"low": 1})],
    default_additional_metadata={"team": "shop"},
    default_priority=Priority.HIGH,
    concurrency=[
        ConcurrencyExpression("input.id", 2, ConcurrencyLimitStrategy.CANCEL_NEWEST),
        ConcurrencyExpression(None, "3", name="shared"),
    ],
    input_validator=Order,
    task_defaults=TaskDefaults(retries=3, execution_timeout="5m"),
    sticky=StickyStrategy.SOFT,
    ttl_seconds_after_finished=3600,
    pod=Pod(node_selector={"disk": "ssd"}),
)


@hatchet.task(input_validator=Order, retries=3, image_pull_policy="Always", cluster_access="none")
def alone(input: Order, ctx: Context) -> Receipt:
    return Receipt(paid=input.id)


@hatchet.task(on_events=["paid"], default_priority=2, slot_cost=1, concurrency=3)
async def hello(input: EmptyModel, ctx: Context) -> str:
    return "hello"


assert_type(alone, Standalone[Order, Receipt])
assert_type(hello, Standalone[EmptyModel, str])


@orders.durable_task(
    parents=[charge],
    wait_for=[SleepCondition("5s")],
    eviction_policy=EvictionPolicy(timedelta(minutes=1), allow_capacity_eviction=False, priority=1),
)
async def approve(input: Order, ctx: DurableContext) -> Receipt:
    assert_type(await ctx.aio_sleep_for(timedelta(days=30)), SleepResult)
    assert_type(await ctx.aio_now(), datetime)
    found = await ctx.aio_wait_for("paid", or_(SleepCondition("1h"), UserEventCondition("paid")))
    assert_type(found["CREATE"], dict[str, list[Any]])
    assert_type(await ctx.aio_wait_for_event("paid"), dict[str, Any])
    assert_type(await ctx.aio_wait_for_event("paid", payload_validator=Order), Order)
    assert_type(await ctx.aio_memo(len, int, [1]), int)
    assert_type(await ctx.aio_memo(len), Any)
    return ctx.task_output(charge)


@orders.durable_task("later", eviction_policy=None)
def asks_nothing_durable(input: Order, ctx: Context) -> int:
    return 1


@hatchet.durable_task(input_validator=Order, retries=3, eviction_policy=EvictionPolicy("1m"))
async def approve_alone(input: Order, ctx: DurableContext) -> Receipt:
    return Receipt(paid=input.id)


@hatchet.durable_task(name="plain", concurrency=3)
async def approve_any(input: EmptyModel, ctx: DurableContext) -> str:
    return "yes"


assert_type(approve, Task[Order, Receipt])
assert_type(asks_nothing_durable, Task[Order, int])
assert_type(approve_alone, Standalone[Order, Receipt])
assert_type(approve_any, Standalone[EmptyModel, str])


far = hatchet.stubs.workflow(name="far")
far_task = hatchet.stubs.task(name="far", input_validator=Order, output_validator=Receipt)
assert_type(far, Workflow[EmptyModel])
assert_type(hatchet.stubs.workflow(name="far", input_validator=Order), Workflow[Order])
assert_type(far_task, Standalone[Order, Receipt])
assert_type(orders.add_task(alone), Task[Order, Receipt])
assert_type(hatchet.definitions, list[Workflow[Any]])
assert_type(hatchet.current_context, Context | None)


async def run() -> None:
    order, options = Order(id=7), TriggerWorkflowOptions(additional_metadata={"by": "Ada"})
    assert_type(orders.run(order), dict[str, Any])
    assert_type(orders.run({"id": 7}, options), dict[str, Any])
    assert_type(
        await orders.aio_run(order, additional_metadata={"by": "Ada", "n": 1}), dict[str, Any]
    )
    assert_type(orders.run(order, wait_for_result=True), dict[str, Any])
    assert_type(orders.run(order, wait_for_result=False, priority=Priority.HIGH), WorkflowRunRef)
    assert_type(await orders.aio_run(order, wait_for_result=False), WorkflowRunRef)
    assert_type(orders.run_no_wait(order), WorkflowRunRef)
    assert_type((await orders.aio_run_no_wait(order)).result(), dict[str, Any])
    assert_type(await (await orders.aio_run_no_wait(order)).aio_result(), dict[str, Any])
    assert_type(orders.get_run_ref("orders-1").get(), WorkflowRun)
    assert_type(orders.get_result("orders-1"), dict[str, Any])
    assert_type(far.run(), dict[str, Any])


async def run_alone() -> None:
    order = Order(id=7)
    assert_type(alone.run(order, sticky=True, desired_worker_labels={"gpu": "yes"}), Receipt)
    assert_type(await alone.aio_run(order, TriggerWorkflowOptions(priority=2)), Receipt)
    assert_type(alone.run(order, wait_for_result=False), TaskRunRef[Order, Receipt])
    assert_type(await alone.aio_run(order, wait_for_result=False), TaskRunRef[Order, Receipt])
    assert_type(alone.run_no_wait(order, child_key="a"), TaskRunRef[Order, Receipt])
    assert_type(await (await alone.aio_run_no_wait(order)).aio_result(), Receipt)
    assert_type(alone.get_run_ref("alone-1"), TaskRunRef[Order, Receipt])
    assert_type(await alone.aio_get_result("alone-1"), Receipt)
    assert_type(hello.run(), str)
    assert_type(hello.run(EmptyModel()), str)
    assert_type(far_task.run(order), Receipt)
    assert_type(alone.output_validator, type[Receipt] | None)
    try:
        hello.run()
    except FailedTaskRunExceptionGroup as group:
        assert_type(group.exceptions, tuple[TaskRunError, ...])


async def run_many() -> None:
    items = [alone.create_bulk_run_item(Order(id=1), "first", priority=Priority.LOW)]
    assert_type(items, list[WorkflowRunTriggerConfig])
    assert_type(alone.run_many(items), list[Receipt])
    assert_type(alone.run_many(items, return_exceptions=True), list[Receipt | BaseException])
    assert_type(alone.run_many(items, wait_for_result=False), list[TaskRunRef[Order, Receipt]])
    assert_type(
        alone.run_many(items, return_exceptions=True, wait_for_result=False),
        list[TaskRunRef[Order, Receipt] | BaseException],
    )
    assert_type(alone.run_many(items, False, False), list[TaskRunRef[Order, Receipt]])
    assert_type(
        alone.run_many(items, True, False, print), list[TaskRunRef[Order, Receipt] | BaseException]
    )
    assert_type(
        await alone.aio_run_many(items, True, False),
        list[TaskRunRef[Order, Receipt] | BaseException],
    )
    assert_type(alone.run_many_no_wait(items), list[TaskRunRef[Order, Receipt]])
    assert_type(await alone.aio_run_many(items, progress=print), list[Receipt])
    assert_type(
        await alone.aio_run_many(items, return_exceptions=True), list[Receipt | BaseException]
    )
    assert_type(
        await alone.aio_run_many(items, wait_for_result=False), list[TaskRunRef[Order, Receipt]]
    )
    assert_type(await alone.aio_run_many_no_wait(items), list[TaskRunRef[Order, Receipt]])
    assert_type(orders.run_many(items), list[dict[str, Any]])
    assert_type(await orders.aio_run_many_no_wait(items), list[WorkflowRunRef])


async def trigger() -> None:
    at = datetime(2030, 1, 1, tzinfo=UTC)
    later = ScheduleTriggerWorkflowOptions(priority=Priority.HIGH)
    assert_type(orders.schedule(at, Order(id=7), later), WorkflowVersion)
    assert_type(await alone.aio_schedule(at, {"id": 7}, starting_deadline="1h"), WorkflowVersion)
    cron = orders.create_cron("nightly", "@daily", Order(id=7), {"by": "Ada"}, 3, time_zone="UTC")
    assert_type(cron, CronWorkflows)
    assert_type(await alone.aio_create_cron("nightly", "@daily", {"id": 7}), CronWorkflows)
    assert_type(orders.create_filter("true", "eu", {"low": 1}), V1Filter)
    assert_type(orders.list_runs(limit=3, only_tasks=True), list[V1TaskSummary])
    assert_type(await orders.aio_list_runs(), list[V1TaskSummary])
    assert_type(orders.id, str)


async def control(reference: WorkflowRunRef, typed: TaskRunRef[Order, Receipt]) -> None:
    assert_type(hatchet.runs.replay(reference, failed_only=True), WorkflowRunRef)
    assert_type(await hatchet.runs.aio_replay(typed), WorkflowRunRef)
    assert_type(hatchet.runs.reset_durable_task("orders-1", 3), WorkflowRunRef)
    assert_type(hatchet.runs.get("orders-1"), V1WorkflowRunDetails)
    assert_type(await hatchet.runs.aio_get("orders-1"), V1WorkflowRunDetails)
    hatchet.runs.cancel("orders-1")
    await hatchet.runs.aio_cancel(reference)
    assert_type(hatchet.event.push("paid", {"sum": 7}, scope="eu"), Event)
    assert_type(await hatchet.event.aio_push("paid", Order(id=7)), Event)
    async for chunk in reference.stream():
        assert_type(chunk, str | bytes)


async def without_a_cluster() -> None:
    clock = FakeClock()
    assert_type(alone.run_local(Order(id=7), clock=clock, priority=1), Receipt)
    assert_type(await alone.aio_run_local({"id": 7}, processes=True), Receipt)
    assert_type(orders.run_local(events=[LocalEvent("paid")]), dict[str, Any])
    assert_type(alone.mock_run(Order(id=7), {"by": "Ada"}, retry_count=1), Receipt)
    assert_type(await charge.aio_mock_run(parent_outputs={"a": 1}, dependencies={}), Receipt)
