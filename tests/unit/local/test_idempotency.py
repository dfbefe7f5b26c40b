"""Idempotency keys in local runs."""

from datetime import UTC, datetime, timedelta

import pytest
from podhatch import (
    Context,
    EmptyModel,
    Hatchet,
    IdempotencyCollisionError,
    SleepCondition,
    TTLBasedIdempotencyConfig,
)
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock, LocalEvent
from pydantic import BaseModel

START = datetime(2030, 1, 1, tzinfo=UTC)
hatchet = Hatchet()


class Booking(BaseModel):
    room: str


@hatchet.task(input_validator=Booking, idempotency=TTLBasedIdempotencyConfig("input.room", "1m"))
def book(input: Booking, ctx: Context) -> str:
    return input.room


@hatchet.task(execution_timeout="10m")
def book_rooms(input: EmptyModel, ctx: Context) -> list[str]:
    booked: list[str] = []
    for room in "aab":
        try:
            booked.append(book.run(Booking(room=room)))
        except IdempotencyCollisionError as error:
            booked.append(f"{error.key} again: {error.ref.result()['book']}")
    return booked


def test_idempotency_keys_count_in_local_runs() -> None:
    assert book_rooms.run_local() == ["a", "a again: a", "b"]


def test_a_key_is_held_by_the_clock_of_local_runs() -> None:
    clock = FakeClock(START)
    with local_runs(LocalOptions(clock=clock)):
        book.run(Booking(room="a"))
        clock.advance(timedelta(seconds=60))
        with pytest.raises(IdempotencyCollisionError):
            book.run(Booking(room="a"))
        clock.advance(timedelta(seconds=1))
        book.run(Booking(room="a"))


def test_events_with_the_same_key_start_one_local_run() -> None:
    hatchet = Hatchet()
    config = TTLBasedIdempotencyConfig("input.room", "1h")
    ran: list[str] = []

    @hatchet.task("clean", input_validator=Booking, on_events=["left"], idempotency=config)
    def clean(input: Booking, ctx: Context) -> None:
        ran.append(input.room)

    flow = hatchet.workflow("waits")

    @flow.task(wait_for=[SleepCondition(timedelta(seconds=9))])
    def wait(input: EmptyModel, ctx: Context) -> None: ...

    flow.run_local(
        clock=FakeClock(START),
        events=[
            LocalEvent("left", {"room": room}, after=timedelta(seconds=second))
            for second, room in enumerate("aab", 1)
        ],
    )
    assert ran == ["a", "b"]
