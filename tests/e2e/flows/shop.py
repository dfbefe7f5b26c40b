"""What tests of the command line deploy and run: success, retries, failure, and a long task."""

import time

from podhatch import Context, EmptyModel, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Order(BaseModel):
    id: int
    note: str = ""


orders = hatchet.workflow("Shop Orders", input_validator=Order)


@orders.task()
def charge(input: Order, ctx: Context) -> dict[str, object]:
    print(f"charging {input.id}")
    return {"id": input.id, "note": input.note}


@orders.task(parents=[charge])
def ship(input: Order, ctx: Context) -> str:
    print("shipping")
    return "shipped"


@hatchet.task(retries=1)
def flaky(input: EmptyModel, ctx: Context) -> int:
    print(f"this is attempt {ctx.attempt_number}")
    ctx.put_stream("a chunk")
    if ctx.attempt_number == 1:
        raise ValueError("not yet")
    return ctx.attempt_number


@hatchet.task()
def slow(input: EmptyModel, ctx: Context) -> None:
    print("it begins")
    for _ in range(600):
        time.sleep(0.1)
        if ctx.is_cancelled:
            return


@hatchet.task()
def broken(input: EmptyModel, ctx: Context) -> None:
    raise RuntimeError("no luck")


@hatchet.task()
def parent(input: EmptyModel, ctx: Context) -> int:
    return flaky.run()


if __name__ == "__main__":
    orders.run(Order(id=1))
