"""Whole runs in threads of this process, by a clock that does not wait."""

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncGenerator
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import pytest
from podhatch import (
    Context,
    EmptyModel,
    Hatchet,
    IdempotencyCollisionError,
    ParentCondition,
    RetryAfter,
    SleepCondition,
    TTLBasedIdempotencyConfig,
    UserEventCondition,
    or_,
)
from podhatch.errors import FailedTaskRunExceptionGroup, InvalidRun, RunCancelled, RunDeleted
from podhatch.local import engine
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock, LocalEvent
from pydantic import BaseModel, Field

START = datetime(2030, 1, 1, tzinfo=UTC)
hatchet = Hatchet()


class Order(BaseModel):
    id: int


class Receipt(BaseModel):
    order: int
    paid: bool


@hatchet.task(input_validator=Order)
async def charge(input: Order, ctx: Context) -> Receipt:
    await asyncio.sleep(0)
    return Receipt(order=input.id, paid=True)


def test_a_standalone_task_returns_what_it_declares() -> None:
    assert charge.run_local(Order(id=7)) == Receipt(order=7, paid=True)


async def test_a_local_run_works_in_an_event_loop() -> None:
    assert await charge.aio_run_local({"id": 8}) == Receipt(order=8, paid=True)


def test_an_input_that_does_not_fit_is_refused() -> None:
    with pytest.raises(InvalidRun, match="id: "):
        charge.run_local({})


def test_a_workflow_returns_outputs_by_task() -> None:
    flow = hatchet.workflow("outputs")

    @flow.task()
    def one(input: Any, ctx: Context) -> Receipt:
        return Receipt(order=1, paid=False)

    @flow.task(parents=[one])
    def none(input: Any, ctx: Context) -> None:
        assert ctx.task_output(one) == Receipt(order=1, paid=False)

    @flow.task(parents=[one], skip_if=[ParentCondition(one, "!output.paid")])
    def skipped(input: Any, ctx: Context) -> None:
        raise AssertionError

    assert flow.run_local() == {"one": {"order": 1, "paid": False}, "none": None}


class Basket(BaseModel):
    """To check its schema, each item is compared with all others."""

    items: Annotated[list[dict[str, int]], Field(json_schema_extra={"uniqueItems": True})]


def test_a_check_that_takes_too_long_is_stopped_as_in_the_operator() -> None:
    @hatchet.task(input_validator=Basket)
    def never(input: Basket, ctx: Context) -> None:
        raise AssertionError

    with pytest.raises(InvalidRun, match="it took more than 250 ms"):
        never.run_local(Basket(items=[{"n": number} for number in range(10_000)]))


def test_independent_tasks_run_at_the_same_time() -> None:
    flow = hatchet.workflow("parallel")
    met = threading.Barrier(2, timeout=20)

    @flow.task()
    def left(input: Any, ctx: Context) -> int:
        return met.wait()

    @flow.task()
    async def right(input: Any, ctx: Context) -> int:
        return met.wait()

    assert sorted(flow.run_local().values()) == [0, 1]


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


def test_a_failure_tells_where_in_the_users_code() -> None:
    flow = hatchet.workflow("failure")
    told: list[str] = []

    @flow.task()
    def breaks(input: Any, ctx: Context) -> None:
        raise KeyError("tea")

    @flow.on_failure_task()
    def mourns(input: Any, ctx: Context) -> None:
        told.extend(ctx.task_run_errors)

    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        flow.run_local()
    [error] = caught.value.exceptions
    assert (error.task, error.exc_type, error.exc) == ("breaks", "KeyError", "'tea'")
    assert 'raise KeyError("tea")' in error.trace
    assert "podhatch" not in error.trace
    assert told == ["breaks"]


def test_a_cancelled_run_says_why() -> None:
    flow = hatchet.workflow("cancels")

    @flow.task()
    def judge(input: Any, ctx: Context) -> bool:
        return True

    @flow.task(parents=[judge], cancel_if=[ParentCondition(judge, "output")])
    def judged(input: Any, ctx: Context) -> None:
        raise AssertionError

    with pytest.raises(RunCancelled, match="task judged: cancelIf holds"):
        flow.run_local()


def test_a_task_cancels_itself() -> None:
    @hatchet.task(retries=3)
    def gives_up(input: Any, ctx: Context) -> bool:
        ctx.cancel()
        return ctx.is_cancelled

    with pytest.raises(RunCancelled):
        gives_up.run_local()


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


def test_mocks_stand_in_for_tasks() -> None:
    flow = hatchet.workflow("mocked", input_validator=Order)

    @flow.task()
    def fetch(input: Order, ctx: Context) -> Receipt:
        raise AssertionError

    @flow.task(parents=[fetch])
    def store(input: Order, ctx: Context) -> int:
        raise AssertionError

    @flow.task(parents=[fetch, store])
    def report(input: Order, ctx: Context) -> list[Any]:
        return [ctx.task_output(fetch).order, ctx.task_output(store)]

    def stand_in(input: Order, ctx: Context) -> int:
        return input.id * 10 + ctx.task_output(fetch).order

    result = flow.run_local(
        {"id": 4}, mocks={"fetch": Receipt(order=2, paid=True), "store": stand_in}
    )
    assert result["report"] == [2, 42]


def test_runs_that_a_task_starts_are_local_and_made_once() -> None:
    children: list[str] = []

    @hatchet.task()
    def child(input: Any, ctx: Context) -> str:
        children.append(f"{ctx.child_key} of {ctx.parent_workflow_run_id}")
        return ctx.additional_metadata["who"]

    @hatchet.task(retries=1)
    async def parent(input: Any, ctx: Context) -> list[str]:
        said = [await child.aio_run(child_key=str(n)) for n in range(2)]
        if ctx.retry_count == 0:
            raise ValueError
        return [*said, ctx.workflow_run_id]

    *said, run = parent.run_local(additional_metadata={"who": "me"})
    assert said == ["me", "me"]
    assert children == [f"0 of {run}", f"1 of {run}"]


def test_a_stub_cannot_run_locally() -> None:
    stub = hatchet.stubs.workflow(name="elsewhere")
    with pytest.raises(InvalidRun, match="'elsewhere' has no code in this process"):
        stub.run_local()


def test_a_mock_stands_in_for_a_stub() -> None:
    stub = hatchet.stubs.task(name="Price of", input_validator=Order, output_validator=Receipt)

    def price(order: dict[str, Any]) -> dict[str, Any]:
        return {"order": order["id"], "paid": True}

    assert stub.run_local(Order(id=5), mocks={"Price of": price}) == Receipt(order=5, paid=True)


@pytest.mark.parametrize("name", ["pya", "Pay", hatchet])
def test_a_mock_that_stands_in_for_nothing_is_refused(name: Any) -> None:
    ran: list[str] = []
    flow = hatchet.workflow("paying")

    @flow.task()
    def pay(input: Any, ctx: Context) -> None:
        ran.append("paid")

    @flow.on_failure_task()
    def undo(input: Any, ctx: Context) -> None: ...

    with pytest.raises(
        InvalidRun, match=r"^mocks: (there is no task or stub|expected the name of a task)"
    ) as refused:
        flow.run_local(mocks={name: "paid"})
    assert not ran
    if isinstance(name, str):
        assert "the tasks of 'paying' are pay, undo-on-failure;" in str(refused.value)


def test_a_mock_may_stand_in_for_what_a_task_starts() -> None:
    hatchet.stubs.workflow(name="Rate of exchange")

    @hatchet.task()
    def exchange(input: Any, ctx: Context) -> list[Any]:
        stub = hatchet.stubs.workflow(name="Rate of exchange")
        return [charge.run(Order(id=1)), *stub.run().values()]

    mocks = {"charge": Receipt(order=2, paid=True), "Rate of exchange": lambda: 7}
    assert exchange.run_local(mocks=mocks) == [{"order": 2, "paid": True}, 7]


def test_what_a_pod_without_access_could_not_report_fails_here_too() -> None:
    @hatchet.task(cluster_access=False)
    def talks(input: Any, ctx: Context) -> str:
        return "x" * input.size

    assert talks.run_local({"size": 100}) == "x" * 100
    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        talks.run_local({"size": 5000})
    assert caught.value.exceptions[0].exc_type == "OutputTooLarge"


@pytest.mark.parametrize(
    ("access", "error"), [("report", "RequestRefused"), ("none", "ClusterUnreachable")]
)
def test_what_a_pods_access_does_not_allow_fails_here_too(access: Any, error: str) -> None:
    own = Hatchet()

    @own.task()
    def child(input: Any, ctx: Context) -> int:
        return 1

    @own.task(cluster_access=access)
    def starts(input: Any, ctx: Context) -> int:
        return child.run()

    @own.task(cluster_access=access)
    def pushes(input: Any, ctx: Context) -> None:
        own.event.push("paid", {})

    for task in (starts, pushes):
        with pytest.raises(FailedTaskRunExceptionGroup) as caught:
            task.run_local()
        (refused,) = caught.value.exceptions
        assert refused.exc_type == error
        assert 'set cluster_access="spawn" on the task' in refused.exc


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


def test_a_run_of_a_paused_workflow_waits_and_starts_when_it_is_unpaused() -> None:
    @hatchet.task()
    def price(input: Any, ctx: Context) -> int:
        return 7

    clock = FakeClock(START)
    with local_runs(LocalOptions(clock=clock)):
        assert price.run() == 7
        price.pause()
        waiting = price.run_no_wait()
        assert hatchet.runs.get_status(waiting.workflow_run_id) == "QUEUED"
        price.unpause()
        assert waiting.result() == 7


def test_a_run_of_a_paused_workflow_is_cancelled_at_its_queue_ttl() -> None:
    @hatchet.task()
    def late(input: Any, ctx: Context) -> int:
        return 7

    clock = FakeClock(START)
    with local_runs(LocalOptions(clock=clock)):
        late.run()
        late.pause(queue_ttl="2h")
        begin = clock.now()
        with pytest.raises(RunCancelled, match="is paused, and the run waited 7200 s"):
            late.run()
        assert timedelta(hours=2) <= clock.now() - begin < timedelta(hours=2, seconds=10)


def test_a_local_run_needs_no_socket_and_no_kubeconfig(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setenv("KUBECONFIG", "/nowhere/at/all")
    assert charge.run_local(Order(id=1)).paid


def test_a_large_run_takes_little_time() -> None:
    flow = hatchet.workflow("wide")

    def one(input: Any, ctx: Context) -> str:
        return "x" * 500

    for number in range(200):
        flow.task(name=f"t{number}")(one)
    began = time.monotonic()
    assert len(flow.run_local()) == 200
    assert time.monotonic() - began < 60


def test_workflows_of_the_same_name_are_told_apart() -> None:
    def made(value: int) -> Any:
        flow = Hatchet().workflow("same name")

        @flow.task(name="task")
        def task(input: Any, ctx: Context) -> int:
            return value

        return flow

    one, two = made(1), made(2)
    assert one.run_local() == {"task": 1}
    assert two.run_local() == {"task": 2}


def test_a_lifespan_is_around_a_task_and_not_around_what_stands_in_for_it() -> None:
    steps: list[str] = []

    async def pool() -> AsyncGenerator[str]:
        steps.append("opened")
        yield "the pool"
        steps.append("closed")

    flow = Hatchet().workflow("pooled")
    flow.lifespan = pool

    @flow.task()
    def uses(input: Any, ctx: Context) -> str:
        steps.append("used")
        return ctx.lifespan

    assert flow.run_local() == {"uses": "the pool"}
    assert steps[:2] == ["opened", "used"]
    assert flow.run_local(mocks={"uses": lambda: len(steps)})["uses"] in (2, 3)


def test_what_was_typed_into_an_interpreter_runs_here() -> None:
    program = """
from podhatch import Hatchet
flow = Hatchet().workflow("notebook")
@flow.task()
def cell(input, ctx):
    return 6 * input.n
print(flow.run_local({"n": 7}))
"""
    done = subprocess.run(
        [sys.executable], input=program, capture_output=True, text=True, check=False
    )
    assert done.stdout == "{'cell': 42}\n", done.stderr


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
