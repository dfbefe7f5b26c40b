"""The work queue keeps client-go's promises."""

import asyncio
from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.work_queue import LAST_RETRY_SECONDS, Queue

from tests.unit.operator.timers import FakeTimers

A, B, C = (run_key("team", name) for name in "abc")


def new_queue() -> tuple[Queue, FakeTimers]:
    timers = FakeTimers()
    return Queue(timers, Metrics()), timers


async def drain(queue: Queue) -> list[Key | None]:
    """Take and finish all keys that wait."""
    taken: list[Key | None] = []
    while len(queue):
        key = await queue.get()
        taken.append(key)
        if key is not None:
            queue.done(key)
    return taken


async def test_a_key_that_waits_is_one_key() -> None:
    queue, _ = new_queue()
    for key in (A, B, A, A):
        queue.add(key)
    assert await drain(queue) == [A, B]


async def test_a_key_added_while_it_is_worked_on_comes_back_after() -> None:
    queue, _ = new_queue()
    queue.add(A)
    assert await queue.get() == A
    queue.add(A)
    queue.add(A)
    assert len(queue) == 0
    queue.done(A)
    assert await drain(queue) == [A]


async def test_a_worker_waits_for_a_key() -> None:
    queue, _ = new_queue()
    worker = asyncio.create_task(queue.get())
    await asyncio.sleep(0)
    assert not worker.done()
    queue.add(A)
    assert await worker == A


async def test_a_key_comes_at_its_time() -> None:
    queue, timers = new_queue()
    queue.add_after(A, 10)
    queue.add_after(B, 5)
    timers.pass_time(4.9)
    assert len(queue) == 0
    timers.pass_time(0.2)
    assert await drain(queue) == [B]
    timers.pass_time(5)
    assert await drain(queue) == [A]


@pytest.mark.parametrize(("first", "second"), [(10, 3), (3, 10)])
async def test_a_new_appointment_replaces_the_old(first: float, second: float) -> None:
    queue, timers = new_queue()
    queue.add_after(A, first)
    queue.add_after(A, second)
    timers.pass_time(second - 0.1)
    assert len(queue) == 0
    timers.pass_time(20)
    assert await drain(queue) == [A]


async def test_a_thousand_new_appointments_leave_the_last() -> None:
    queue, timers = new_queue()
    queue.add_after(B, 7)
    for _ in range(1000):
        queue.add_after(A, 5)
    timers.pass_time(6)
    assert await drain(queue) == [A]
    timers.pass_time(2)
    assert await drain(queue) == [B]


async def test_a_cancelled_appointment_does_not_come() -> None:
    queue, timers = new_queue()
    queue.add_after(A, 1)
    queue.add_after(B, 2)
    queue.cancel_appointment(A)
    timers.pass_time(3)
    assert await drain(queue) == [B]


async def test_each_failure_doubles_the_wait_up_to_a_limit() -> None:
    queue, timers = new_queue()
    waits: list[float] = []
    for _ in range(20):
        queue.retry(A)
        begun = timers.now
        while not len(queue):
            timers.pass_time(0.01)
        waits.append(timers.now - begun)
        await drain(queue)
    assert waits[0] <= 0.06
    assert all(later > earlier / 2 for earlier, later in pairwise(waits))
    assert LAST_RETRY_SECONDS / 2 <= waits[-1] <= LAST_RETRY_SECONDS + 0.02


async def test_a_success_forgets_the_failures() -> None:
    queue, timers = new_queue()
    for _ in range(10):
        queue.retry(A)
    queue.forget(A)
    queue.retry(A)
    timers.pass_time(0.06)
    assert await drain(queue) == [A]


async def test_a_retry_comes_within_what_is_asked() -> None:
    queue, timers = new_queue()
    for _ in range(12):
        queue.retry(A, within=1.0)
    timers.pass_time(1.01)
    assert await drain(queue) == [A]


async def test_a_closed_queue_gives_out_nothing() -> None:
    queue, timers = new_queue()
    queue.add_after(C, 1)
    queue.add(A)
    assert await queue.get() == A
    workers = [asyncio.create_task(queue.get()) for _ in range(3)]
    await asyncio.sleep(0)
    queue.close()
    queue.add(B)
    queue.add(A)
    queue.done(A)
    timers.pass_time(2)
    assert await asyncio.gather(*workers) == [None, None, None]
    assert await queue.get() is None


async def test_waiting_keys_are_not_given_out_after_close() -> None:
    queue, _ = new_queue()
    queue.add(A)
    queue.close()
    assert await queue.get() is None


async def test_the_longest_reconcile_is_known() -> None:
    queue, timers = new_queue()
    assert queue.longest_running() == 0
    queue.add(A)
    await queue.get()
    timers.pass_time(3)
    queue.add(B)
    await queue.get()
    timers.pass_time(1)
    assert queue.longest_running() == 4
    queue.done(A)
    assert queue.longest_running() == 1


async def test_metrics_count_what_happens() -> None:
    metrics = Metrics()
    queue = Queue(timers := FakeTimers(), metrics)
    queue.add(A)
    queue.add(B)
    queue.retry(C)

    def value(name: str) -> float | None:
        return metrics.registry.get_sample_value(f"podhatch_workqueue_{name}")

    assert value("depth") == 2
    assert value("adds_total") == 2
    assert value("retries_total") == 1
    timers.pass_time(2)
    assert await queue.get() == A
    timers.pass_time(1)
    queue.done(A)
    assert value("depth") == 2
    assert value("queue_duration_seconds_sum") == 2
    assert value("work_duration_seconds_sum") == 1


Step = tuple[str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["add", "later", "retry", "take", "done", "time"]), st.integers(0, 3))
)


@given(STEPS)
def test_no_key_is_lost_or_given_twice(steps: list[Step]) -> None:
    """Whatever the order: one worker a key, and every add is followed by a reconcile."""

    async def check() -> None:
        queue, timers = new_queue()
        keys = [run_key("team", str(number)) for number in range(4)]
        held: list[Key] = []
        owed: set[Key] = set()
        for step, number in steps:
            key = keys[number]
            if step == "add":
                queue.add(key)
                owed.add(key)
            elif step == "later":
                queue.add_after(key, number)
                owed.add(key)
            elif step == "retry":
                queue.retry(key)
                owed.add(key)
            elif step == "time":
                timers.pass_time(number)
            elif step == "take" and len(queue):
                taken = await queue.get()
                assert taken is not None
                assert taken not in held
                held.append(taken)
                owed.discard(taken)
            elif step == "done" and held:
                queue.done(held.pop(number % len(held)))
        for key in held:
            queue.done(key)
        timers.pass_time(2 * LAST_RETRY_SECONDS)
        counted = Counter(await drain(queue))
        assert owed <= set(counted)
        assert max(counted.values(), default=1) == 1

    asyncio.run(check())
