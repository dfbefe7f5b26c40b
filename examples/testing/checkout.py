"""A checkout whose tests need no cluster: see test_checkout.py beside it."""

from datetime import timedelta

from podhatch import Context, Hatchet, UserEventCondition
from pydantic import BaseModel

hatchet = Hatchet()


class Order(BaseModel):
    id: int
    euros: float


class Payment(BaseModel):
    reference: str


checkout = hatchet.workflow("checkout", input_validator=Order)


@checkout.task(retries=3, backoff_factor=10)
def charge(input: Order, ctx: Context) -> Payment:
    return Payment(reference=call_the_bank(input))


@checkout.task(
    parents=[charge],
    wait_for=[UserEventCondition("parcel:packed")],
    execution_timeout=timedelta(minutes=2),
)
async def ship(input: Order, ctx: Context) -> str:
    return f"order {input.id}, paid by {ctx.task_output(charge).reference}"


def call_the_bank(order: Order) -> str:
    """Call a service, which a test should not do."""
    raise ConnectionError("the bank is not here")


def place(order: Order) -> str:
    """Start a checkout and wait for it, as the code of an application does."""
    return checkout.run(order)["ship"]
