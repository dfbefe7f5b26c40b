"""Wrong use. Each line that must be refused says so, and a needless `ignore` is an error itself.

Read by pyright only: see `test_types.py`.
"""

from podhatch import (
    Context,
    DurableContext,
    EmptyModel,
    Hatchet,
    ParentCondition,
    SleepCondition,
    Standalone,
)
from pydantic import BaseModel


class Order(BaseModel):
    id: int


class Parcel(BaseModel):
    weight: float


hatchet = Hatchet()
orders = hatchet.workflow("orders", input_validator=Order)
parcels = hatchet.workflow("parcels", input_validator=Parcel)


@orders.task()  # pyright: ignore[reportArgumentType]
def takes_another_input(input: Parcel, ctx: Context) -> int:
    return 1


@orders.task()  # pyright: ignore[reportArgumentType]
def takes_no_context(input: Order) -> int:
    return 1


@orders.task()
def charge(input: Order, ctx: Context) -> int:
    return 1


@parcels.task(parents=[charge])  # pyright: ignore[reportArgumentType]
def has_a_parent_elsewhere(input: Parcel, ctx: Context) -> int:
    return 1


@orders.task(execution_timeout=60)  # pyright: ignore[reportArgumentType]
def has_a_plain_number_for_a_duration(input: Order, ctx: Context) -> int:
    return 1


@orders.task(execution_timout="5s")  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def has_an_unknown_option(input: Order, ctx: Context) -> int:
    return 1


@orders.task(retries="3")  # pyright: ignore[reportArgumentType]
def has_a_text_for_a_number(input: Order, ctx: Context) -> int:
    return 1


@orders.task()  # pyright: ignore[reportArgumentType]
async def is_durable_without_its_decorator(input: Order, ctx: DurableContext) -> int:
    return 1


@orders.durable_task(eviction_policy="15s")  # pyright: ignore[reportArgumentType]
async def has_a_time_for_a_policy(input: Order, ctx: DurableContext) -> int:
    return 1


@orders.task(eviction_policy=None)  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def has_a_policy_without_being_durable(input: Order, ctx: Context) -> int:
    return 1


@orders.task(wait_for=["paid"])  # pyright: ignore[reportArgumentType]
def has_a_text_for_a_condition(input: Order, ctx: Context) -> int:
    return 1


@orders.task(skip_if=[ParentCondition("charge", "true")])  # pyright: ignore[reportArgumentType]
def has_a_text_for_a_parent(input: Order, ctx: Context) -> int:
    return 1


@orders.on_failure_task(parents=[charge])  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def is_a_hook_with_parents(input: Order, ctx: Context) -> int:
    return 1


@hatchet.task(wait_for=[SleepCondition("5s")])  # pyright: ignore[reportCallIssue, reportUntypedFunctionDecorator]
def is_alone_and_waits(input: EmptyModel, ctx: Context) -> int:
    return 1


@hatchet.task(input_validator=Order)
def alone(input: Order, ctx: Context) -> int:
    return 1


@hatchet.task(input_validator=Parcel)
def elsewhere(input: Parcel, ctx: Context) -> int:
    return 1


def run(standalone: Standalone[EmptyModel, str]) -> None:
    orders.run(Parcel(weight=1))  # pyright: ignore[reportArgumentType]
    alone.run(Parcel(weight=1))  # pyright: ignore[reportArgumentType]
    alone.run(7)  # pyright: ignore[reportArgumentType]
    text: str = alone.run(Order(id=7))  # pyright: ignore[reportAssignmentType]
    number: int = standalone.run()  # pyright: ignore[reportAssignmentType]
    orders.run(Order(id=7), additional_metadata="n")  # pyright: ignore[reportArgumentType]
    print(text, number)


async def run_in_other_ways() -> None:
    result: dict[str, object] = orders.run({"id": 7}, wait_for_result=False)  # pyright: ignore[reportAssignmentType]
    price: str = await alone.aio_run(Order(id=7))  # pyright: ignore[reportAssignmentType]
    texts: list[str] = alone.run_many([])  # pyright: ignore[reportAssignmentType]
    numbers: list[int] = alone.run_many([], return_exceptions=True)  # pyright: ignore[reportAssignmentType]
    alone.run_many([Order(id=7)])  # pyright: ignore[reportArgumentType]
    alone.create_bulk_run_item(Parcel(weight=1))  # pyright: ignore[reportArgumentType]
    orders.run(Order(id=7), priority="high")  # pyright: ignore[reportArgumentType]
    orders.run(Order(id=7), metadata={})  # pyright: ignore[reportCallIssue]
    orders.schedule("tomorrow", Order(id=7))  # pyright: ignore[reportArgumentType]
    orders.create_cron("nightly", "@daily", Parcel(weight=1))  # pyright: ignore[reportArgumentType]
    orders.create_cron("nightly", "@daily", zone="UTC")  # pyright: ignore[reportCallIssue]
    orders.add_task(elsewhere)  # pyright: ignore[reportArgumentType]
    print(result, price, texts, numbers)


async def run_without_a_cluster() -> None:
    alone.run_local(Parcel(weight=1))  # pyright: ignore[reportArgumentType]
    alone.run_local(Order(id=7), clock=7)  # pyright: ignore[reportArgumentType]
    alone.run_local(Order(id=7), wait_for_result=False)  # pyright: ignore[reportCallIssue]
    price: str = alone.mock_run(Order(id=7))  # pyright: ignore[reportAssignmentType]
    print(price)


def ask(ctx: Context) -> None:
    paid: str = ctx.task_output(charge)  # pyright: ignore[reportAssignmentType]
    print(paid)


hatchet.workflow("sticky", sticky="Soft")  # pyright: ignore[reportArgumentType]
hatchet.workflow()  # pyright: ignore[reportCallIssue]
hatchet.workflow("both", input_validator=Order, input_type=Order)  # pyright: ignore[reportCallIssue]
hatchet.workflow("policy", image_pull_policy="Sometimes")  # pyright: ignore[reportArgumentType]
hatchet.workflow("later", rate_limits=1)  # pyright: ignore[reportCallIssue]
hatchet.workflow("events", on_events=[1])  # pyright: ignore[reportArgumentType]
hatchet.workflow("filters", default_filters=["true"])  # pyright: ignore[reportArgumentType]
hatchet.stubs.workflow("positional")  # pyright: ignore[reportCallIssue]
hatchet.stubs.task(name="untyped")  # pyright: ignore[reportCallIssue]
