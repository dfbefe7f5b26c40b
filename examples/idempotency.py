"""Charges an order once, however often it is asked for.

Run it with `python examples/idempotency.py`. It prints:

    charged order 7
    order 7 is being charged already: charged order 7
    1 created, 2 refused
"""

import uuid

from podhatch import (
    BulkTriggerIdempotencyCollisionError,
    Context,
    Hatchet,
    IdempotencyCollisionError,
    StatusBasedIdempotencyConfig,
    TTLBasedIdempotencyConfig,
)
from pydantic import BaseModel

hatchet = Hatchet()


class Order(BaseModel):
    id: int
    shop: str


KEY = "input.shop + '/' + string(input.id)"


@hatchet.task(
    name="charge-once",
    input_validator=Order,
    idempotency=TTLBasedIdempotencyConfig(key_expression=KEY, ttl="1h"),
)
def charge(input: Order, ctx: Context) -> str:
    return f"charged order {input.id}"


@hatchet.task(
    name="pack-one-at-a-time",
    input_validator=Order,
    idempotency=StatusBasedIdempotencyConfig(key_expression="input.shop", fallback_ttl="10m"),
)
def pack(input: Order, ctx: Context) -> str:
    return f"packed order {input.id}"


if __name__ == "__main__":
    shop = uuid.uuid4().hex  # a new one each time, so that no earlier run holds its keys
    print(charge.run(Order(id=7, shop=shop)))
    try:
        charge.run(Order(id=7, shop=shop))
    except IdempotencyCollisionError as error:
        print(f"order 7 is being charged already: {error.ref.result()['charge-once']}")

    items = [pack.create_bulk_run_item(Order(id=number, shop=shop)) for number in (1, 2, 3)]
    try:
        pack.run_many(items)
    except BulkTriggerIdempotencyCollisionError as error:
        created = len(error.successful_workflow_run_external_ids)
        print(f"{created} created, {len(error.collisions)} refused")
