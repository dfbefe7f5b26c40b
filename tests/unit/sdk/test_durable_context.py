"""What durable waits take and return, whatever records them."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pytest
from podhatch import (
    Context,
    IllegalTaskOutputError,
    ParentCondition,
    SleepCondition,
    UserEventCondition,
    or_,
)
from podhatch.api.model import JsonObject
from podhatch.task.durable_context import DurableContext
from pydantic import BaseModel

T = TypeVar("T")
NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


class Payment(BaseModel):
    amount: int


class FakeJournal:
    """Records the calls, and answers each wait as it is told."""

    invocation = 3
    branch = 1

    def __init__(self) -> None:
        self.time = NOW
        self.calls: list[tuple[str, list[JsonObject], str | None]] = []
        self.answer: dict[str, list[object]] = {}

    def now(self) -> datetime:
        return self.time

    async def wait_for(
        self, key: str, conditions: Sequence[JsonObject], label: str | None
    ) -> dict[str, list[object]]:
        self.calls.append((key, [*conditions], label))
        return self.answer

    async def memo(self, key: str, make: Callable[[], Awaitable[str]], label: str | None) -> str:
        self.calls.append((key, [], label))
        return await make()

    async def child(
        self,
        key: str,
        name: str,
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[T]],
        label: str | None,
    ) -> T:
        raise NotImplementedError


@pytest.fixture
def journal() -> FakeJournal:
    return FakeJournal()


@pytest.fixture
def ctx(journal: FakeJournal) -> DurableContext:
    context = DurableContext(
        workflow_run_id="orders-1", task_run_id="job-3", workflow_name="w", task_name="t"
    )
    context.journal = journal
    return context


def conditions(journal: FakeJournal) -> list[JsonObject]:
    return journal.calls[-1][1]


def key(journal: FakeJournal) -> str:
    return journal.calls[-1][0]


async def test_a_sleep_returns_its_duration(ctx: DurableContext, journal: FakeJournal) -> None:
    slept = await ctx.aio_sleep_for("1h30m", label="a nap")
    assert slept.duration == timedelta(minutes=90)
    assert journal.calls[0][1:] == ([{"sleepSeconds": 5400.0}], "a nap")
    assert (ctx.wait_index, ctx.invocation_count) == (1, 3)


async def test_a_sleep_until_a_time_is_the_same_call_later(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    await ctx.aio_sleep_until(NOW + MINUTE)
    first, asked = key(journal), conditions(journal)
    journal.time += 2 * MINUTE
    await ctx.aio_sleep_until(NOW + MINUTE)
    assert asked == [{"sleepSeconds": 60.0}]
    assert conditions(journal) == [{"sleepSeconds": 0.001}]
    assert key(journal) == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (NOW.replace(tzinfo=None), "aio_sleep_until: dt: 2026-01-01 12:00:00 has no time zone"),
        ("2026-01-02", "aio_sleep_until: dt: expected a datetime, got '2026-01-02'"),
        (NOW + timedelta(days=366), "aio_sleep_until: dt: .* is more than 365 days ahead"),
    ],
)
async def test_a_time_that_cannot_be_slept_until_is_refused(
    ctx: DurableContext, journal: FakeJournal, wrong: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await ctx.aio_sleep_until(wrong)
    assert journal.calls == []


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (-1, "aio_sleep_for: duration: expected a timedelta or a duration such as .*, got -1"),
        ("soon", "aio_sleep_for: duration: expected a timedelta .*, got 'soon'"),
        (-MINUTE, "aio_sleep_for: duration: .* is out of range"),
    ],
)
async def test_what_is_no_duration_is_refused(
    ctx: DurableContext, journal: FakeJournal, wrong: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await ctx.aio_sleep_for(wrong)
    assert journal.calls == []


async def test_names_of_waits_are_strings(ctx: DurableContext, journal: FakeJournal) -> None:
    wrong: Any = SleepCondition(MINUTE)
    with pytest.raises(ValueError, match="aio_wait_for: signal_key: expected a string, got Sleep"):
        await ctx.aio_wait_for(wrong)
    with pytest.raises(ValueError, match="aio_wait_for_event: label: expected a string, got Sleep"):
        await ctx.aio_wait_for_event("paid", label=wrong)
    assert journal.calls == []


def test_other_tasks_are_told_that_only_durable_ones_wait() -> None:
    context: Any = Context(
        workflow_run_id="orders-1", task_run_id="job-1", workflow_name="w", task_name="pay"
    )
    with pytest.raises(AttributeError, match="define the task with durable_task"):
        context.aio_sleep_for(MINUTE)
    with pytest.raises(AttributeError, match="'Context' object has no attribute 'sleep'"):
        context.sleep(MINUTE)


async def test_a_group_is_written_as_one_condition(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    journal.answer = {"paid": [{"amount": 7}]}
    either = or_(SleepCondition(MINUTE, "late"), UserEventCondition("paid"))
    met = await ctx.aio_wait_for("payment", either)
    assert met == {"CREATE": {"paid": [{"amount": 7}]}}
    late = {"readableDataKey": "late", "sleepSeconds": 60.0}
    assert journal.calls[0][1:] == ([{"or": [late, {"event": {"key": "paid"}}]}], "payment")


async def test_the_order_of_conditions_does_not_tell_calls_apart(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    both = [SleepCondition(MINUTE), UserEventCondition("paid")]
    await ctx.aio_wait_for("one", *both)
    first = key(journal)
    await ctx.aio_wait_for("other", *reversed(both))
    assert key(journal) == first


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ([], "aio_wait_for: conditions: expected at least one"),
        (["paid"], r"aio_wait_for: conditions\[0\]: expected a condition, got 'paid'"),
        ([ParentCondition(None, "true")], "use ctx.task_output"),  # pyright: ignore[reportArgumentType]
        ([UserEventCondition("")], "event_key: it is empty"),
        ([SleepCondition(MINUTE)] * 2, "give one of them another readable_data_key"),
    ],
)
async def test_conditions_that_cannot_be_waited_for_are_refused(
    ctx: DurableContext, wrong: list[Any], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        await ctx.aio_wait_for("go", *wrong)


async def test_an_event_returns_its_payload(ctx: DurableContext, journal: FakeJournal) -> None:
    journal.answer = {"paid": [{"amount": 7}]}
    assert await ctx.aio_wait_for_event("paid") == {"amount": 7}
    paid = await ctx.aio_wait_for_event("paid", payload_validator=Payment)
    assert paid == Payment(amount=7)


async def test_a_payload_that_does_not_fit_is_refused(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    journal.answer = {"paid": [{"amount": "much"}]}
    message = "the payload of event paid does not fit Payment: amount: "
    with pytest.raises(IllegalTaskOutputError, match=message):
        await ctx.aio_wait_for_event("paid", payload_validator=Payment)


async def test_what_is_no_type_is_refused_before_anything_waits(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    wrong: Any = "5"
    message = "payload_validator: expected a type that pydantic knows, got '5'"
    with pytest.raises(ValueError, match=message):
        await ctx.aio_wait_for_event("paid", payload_validator=wrong)
    with pytest.raises(ValueError, match=r"result_validator: expected a type .*, got '5'"):
        await ctx.aio_memo(int, wrong)
    assert journal.calls == []


async def test_looking_back_is_the_same_call_later(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    journal.answer = {"paid": [{}]}
    await ctx.aio_wait_for_event("paid", scope="eu", lookback_window=MINUTE)
    first = key(journal)
    [asked] = conditions(journal)
    assert asked["event"] == {
        "key": "paid",
        "scope": "eu",
        "considerEventsSince": "2026-01-01T11:59:00.000000Z",
    }
    journal.time += MINUTE
    await ctx.aio_wait_for_event("paid", scope="eu", lookback_window=MINUTE)
    assert key(journal) == first


@pytest.mark.parametrize("half", [{"scope": "eu"}, {"lookback_window": MINUTE}])
async def test_scope_and_window_come_together(ctx: DurableContext, half: Any) -> None:
    with pytest.raises(ValueError, match="must be given together"):
        await ctx.aio_wait_for_event("paid", **half)


async def test_now_is_the_journals(ctx: DurableContext) -> None:
    assert await ctx.aio_now() == NOW


async def test_a_memo_calls_functions_of_both_kinds(
    ctx: DurableContext, journal: FakeJournal
) -> None:
    async def double(amount: int) -> Payment:
        await asyncio.sleep(0)
        return Payment(amount=2 * amount)

    assert await ctx.aio_memo(double, Payment, 4) == Payment(amount=8)
    assert await ctx.aio_memo(max, int, 3, 5) == 5
    assert [label for *_, label in journal.calls][1] == "max"


async def test_arguments_tell_memos_apart(ctx: DurableContext, journal: FakeJournal) -> None:
    for arguments in ((1, 2), (1, 3)):
        await ctx.aio_memo(max, int, *arguments)
    await ctx.aio_memo(min, int, 1, 2)
    assert len({key for key, *_ in journal.calls}) == 3


async def test_what_a_memo_takes_and_returns_is_json(ctx: DurableContext) -> None:
    with pytest.raises(TypeError, match="the arguments of memo id are not JSON"):
        await ctx.aio_memo(id, int, object())
    with pytest.raises(IllegalTaskOutputError, match="the result of memo object is not JSON"):
        await ctx.aio_memo(object)
    with pytest.raises(IllegalTaskOutputError, match="the result of memo str does not fit int"):
        await ctx.aio_memo(str, int, "x")
    wrong: Any = 5
    with pytest.raises(TypeError, match="aio_memo: fn: expected a function, got 5"):
        await ctx.aio_memo(wrong)
