"""Runs with idempotency keys, which tasks start as children."""

import json
import os
import sys
import time

from podhatch import (
    BulkTriggerIdempotencyCollisionError,
    Context,
    EmptyModel,
    Hatchet,
    IdempotencyCollisionError,
    NonRetryableException,
    StatusBasedIdempotencyConfig,
)
from pydantic import BaseModel

hatchet = Hatchet()


class Booking(BaseModel):
    room: str


@hatchet.task(
    input_validator=Booking,
    idempotency=StatusBasedIdempotencyConfig("input.room", "10m"),
    execution_timeout="5m",
)
def book(input: Booking, ctx: Context) -> str:
    time.sleep(3)
    return f"booked {input.room}"


elsewhere = hatchet.stubs.task(name="book", input_validator=Booking, output_validator=str)


@hatchet.task(execution_timeout="5m", retries=1)
def plan(input: EmptyModel, ctx: Context) -> list[str]:
    """Ask for two children of a key, for the second one as for a workflow of other code."""
    first = book.run_no_wait(Booking(room="a"), child_key="mine")
    try:
        elsewhere.run(Booking(room="a"), child_key="another")
        held_by = ""
    except IdempotencyCollisionError as error:
        held_by = error.existing_run_external_id
    if ctx.attempt_number == 1:
        first.result()
        if held_by != first.workflow_run_id:
            raise NonRetryableException(f"the key is held by {held_by!r}")
        os._exit(1)
    later = book.run(Booking(room="b"), child_key="later")
    return [first.workflow_run_id, held_by, first.result(), later]


def children() -> None:
    print(json.dumps(plan.run()))


def callers() -> None:
    """Book a room that is booked already, alone and among others, and again once it is free."""
    first = book.run_no_wait(Booking(room="x"))
    holders: list[str] = []
    try:
        book.run(Booking(room="x"))
    except IdempotencyCollisionError as error:
        holders.append(error.existing_run_external_id)
    created: list[str] = []
    try:
        book.run_many([book.create_bulk_run_item(Booking(room=room)) for room in "yxz"])
    except BulkTriggerIdempotencyCollisionError as error:
        created += error.successful_workflow_run_external_ids
        holders += [each.existing_run_external_id for each in error.collisions]
    outputs = [book.get_run_ref(name).result() for name in created]
    outputs += [first.result(), book.run(Booking(room="x"))]
    print(json.dumps({"first": first.workflow_run_id, "holders": holders, "outputs": outputs}))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
