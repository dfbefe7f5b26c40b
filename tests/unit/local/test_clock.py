"""Backoffs, sleeps and timeouts in local runs, by a clock that does not wait."""

import asyncio
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Context, Hatchet, RetryAfter, SleepCondition, UserEventCondition, or_
from podhatch.errors import FailedTaskRunExceptionGroup, RunDeleted
from podhatch.local import engine
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock, LocalEvent

START = datetime(2030, 1, 1, tzinfo=UTC)
hatchet = Hatchet()


def test_backoffs_pass_by_the_clock_alone() -> None:
    clock = FakeClock(START)
    attempts: list[tuple[int, float]] = []

    @hatchet.task(retries=3, backoff_factor=60, backoff_max_seconds=3000)
    def stubborn(input: Any, ctx: Context) -> int:
        attempts.append((ctx.retry_count, (clock.now() - START).total_seconds()))
        if ctx.retry_count == 1:
            raise RetryAfter("busy", 86_000)
        if ctx.retry_count < 3:
            raise ValueError
        return ctx.attempt_number

    began = time.monotonic()
    assert stubborn.run_local(clock=clock) == 4
    assert attempts == [(0, 0.0), (1, 60.0), (2, 86_060.0), (3, 89_060.0)]
    assert time.monotonic() - began < 30


@pytest.mark.parametrize(("after", "winner"), [(30, "event"), (90, "sleep")])
def test_sleeps_and_events_race_by_the_clock(after: float, winner: str) -> None:
    flow = hatchet.workflow("race")
    clock = FakeClock(START)
    minute = timedelta(minutes=1)

    @flow.task(wait_for=[UserEventCondition("go", "input.n > 1")], skip_if=[SleepCondition(minute)])
    def event(input: Any, ctx: Context) -> float:
        return (clock.now() - START).total_seconds()

    @flow.task(wait_for=[or_(SleepCondition(minute), UserEventCondition("other"))])
    def sleep(input: Any, ctx: Context) -> float:
        return (clock.now() - START).total_seconds()

    events = [
        LocalEvent("go", {"n": 1}, after=timedelta(seconds=1)),
        LocalEvent("go", {"n": 2}, after=timedelta(seconds=after)),
    ]
    result = flow.run_local(clock=clock, events=events)
    assert result == {"sleep": 60.0} | ({"event": 30.0} if winner == "event" else {})


def test_time_is_over_when_the_clock_says_so() -> None:
    clock = FakeClock()
    seen: list[bool] = []

    @hatchet.task(execution_timeout=timedelta(minutes=5))
    async def waits(input: Any, ctx: Context) -> None:
        ctx.refresh_timeout(timedelta(minutes=1))
        clock.advance(timedelta(minutes=5, seconds=59))
        await asyncio.sleep(0.05)
        seen.append(ctx.is_cancelled)
        clock.advance(2)
        await asyncio.sleep(60)

    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        waits.run_local(clock=clock)
    [error] = caught.value.exceptions
    assert (error.exc_type, error.exc) == ("TimedOut", "Task exceeded timeout of 360s")
    assert ", in waits\n" in error.trace
    assert seen == [False]


def test_a_task_that_waits_too_long_in_real_time_is_left_behind() -> None:
    left = threading.Event()
    released = threading.Event()

    @hatchet.task(execution_timeout=timedelta(milliseconds=50))
    def hangs(input: Any, ctx: Context) -> None:
        released.wait(60)
        assert ctx.is_cancelled
        left.set()

    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        hangs.run_local(clock=FakeClock())
    assert "released.wait(60)" in caught.value.exceptions[0].trace
    released.set()
    assert left.wait(20)


def test_a_run_that_waits_for_what_never_comes_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine, "PATIENCE_SECONDS", 0.01)
    flow = hatchet.workflow("patient")

    @flow.task(wait_for=[UserEventCondition("never")])
    def waits(input: Any, ctx: Context) -> None:
        return None

    ends: list[BaseException] = []

    def wait_for_it() -> None:
        try:
            run.result()
        except RunDeleted as error:
            ends.append(error)

    with local_runs(LocalOptions(clock=FakeClock()), everywhere=True):
        run = flow.run_no_wait()
        waiter = threading.Thread(target=wait_for_it)
        waiter.start()
        while not caplog.messages:
            time.sleep(0.01)
    waiter.join(20)
    assert len(ends) == 1
    assert caplog.messages == [
        f"run {run.workflow_run_id} waits, and nothing is left that would happen by itself: "
        "task waits waits for event never"
    ]
