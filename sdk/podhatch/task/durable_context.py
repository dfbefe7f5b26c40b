"""What a durable task's function gets beside its input: `async def order(input, ctx)`.

Each wait, child run and memo is a call that the task's journal records. When the task is invoked
again, its code runs from the start, and the calls that are recorded return at once.
"""

import inspect
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podhatch.api.limits import MAX_SECONDS, MEMO, WAIT_FOR
from podhatch.task.conditions import (
    Condition,
    OrGroup,
    ParentCondition,
    SleepCondition,
    UserEventCondition,
    check_conditions,
    conditions_of,
    leaves,
)
from podhatch.task.context import Context
from podhatch.task.journal import Journal, call_key
from podhatch.values.duration import MIN_SECONDS, Duration, seconds
from podhatch.values.parsing import unexpected

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

R = TypeVar("R")

CREATE = "CREATE"
"""The outer key of what `aio_wait_for` returns, as in Hatchet."""


@dataclass(frozen=True)
class SleepResult:
    """What a sleep returns.

    Attributes:
        duration: How long the sleep was meant to be.
    """

    duration: timedelta


class DurableContext(Context):
    """The context of a durable task: what it waits for is recorded, and needs no pod.

    The methods here are for the task's own event loop. Code between them must do the same in each
    invocation: time, randomness and I/O belong into a memo.

    Attributes:
        journal: Records the calls. Set by whoever runs the task.
    """

    journal: Journal
    _waits = 0

    @property
    def invocation_count(self) -> int:
        """1 in the first invocation; more after each pod that was lost or given up, and retry."""
        return self.journal.invocation

    @property
    def wait_index(self) -> int:
        """How many waits this invocation has begun."""
        return self._waits

    async def aio_sleep_for(self, duration: Duration, label: str | None = None) -> SleepResult:
        """Sleep so long from the first time this is called; needs no pod meanwhile.

        Args:
            duration: A timedelta, or a text such as `1h30m`; at most 365 days.
            label: Text for people who read the log.

        Raises:
            NonDeterminismError: An earlier invocation made another call here.
            ValueError: It is not a duration.
        """
        length = seconds(duration, "aio_sleep_for: duration")
        await self._wait("aio_sleep_for", [SleepCondition(duration)], label)
        return SleepResult(timedelta(seconds=length))

    async def aio_sleep_until(self, dt: datetime, label: str | None = None) -> SleepResult:
        """Sleep until a time; needs no pod meanwhile. A time that has passed ends it at once.

        Args:
            dt: The time, with its zone; at most 365 days ahead.
            label: Text for people who read the log.

        Raises:
            NonDeterminismError: An earlier invocation made another call here.
            ValueError: The time has no zone, or is too far ahead.
        """
        if not isinstance(dt, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected("aio_sleep_until: dt", "a datetime", dt)
        if dt.tzinfo is None:
            raise ValueError(
                f"aio_sleep_until: dt: {dt} has no time zone; pass one, such as tzinfo=UTC"
            )
        left = max(dt - self.journal.now(), timedelta(seconds=MIN_SECONDS))
        if left.total_seconds() > MAX_SECONDS:
            raise ValueError(f"aio_sleep_until: dt: {dt} is more than 365 days ahead")
        identity = {"until": dt.timestamp()}
        await self._wait("aio_sleep_until", [SleepCondition(left)], label, identity)
        return SleepResult(left)

    async def aio_wait_for(
        self, signal_key: str, *conditions: Condition | OrGroup, label: str | None = None
    ) -> dict[str, dict[str, list[Any]]]:
        """Wait until all conditions hold; of an or-group, one must.

        Args:
            signal_key: Name of the wait, for people who read the log.
            conditions: Sleeps and events, and groups of them made by `or_()`. A sleep is counted
                from the first time this is called, as events are.
            label: Shown in place of `signal_key`.

        Returns:
            `{"CREATE": {name: [value]}}` with the names of the conditions that hold: an event's
            payload, and an empty dict for a sleep.

        Raises:
            NonDeterminismError: An earlier invocation made another call here.
            ValueError: A condition is not valid, or its expression cannot be evaluated.
        """
        if not isinstance(signal_key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(
                f"aio_wait_for: signal_key: expected a string, got {signal_key!r}; conditions come "
                "after the name of the wait"
            )
        label = signal_key if label is None else label
        return {CREATE: await self._wait("aio_wait_for", conditions, label)}

    @overload
    async def aio_wait_for_event(
        self,
        key: str,
        expression: str | None = None,
        *,
        payload_validator: type[R],
        scope: str | None = None,
        lookback_window: Duration | None = None,
        label: str | None = None,
    ) -> R: ...
    @overload
    async def aio_wait_for_event(
        self,
        key: str,
        expression: str | None = None,
        *,
        payload_validator: None = None,
        scope: str | None = None,
        lookback_window: Duration | None = None,
        label: str | None = None,
    ) -> dict[str, Any]: ...
    async def aio_wait_for_event(
        self,
        key: str,
        expression: str | None = None,
        *,
        payload_validator: type[Any] | None = None,
        scope: str | None = None,
        lookback_window: Duration | None = None,
        label: str | None = None,
    ) -> Any:
        """Wait for an event, and return its payload.

        Args:
            key: Key of the event.
            expression: CEL over the event's payload, which is called `input`; by default any will
                do.
            payload_validator: What the payload is returned as; by default a dict.
            scope: Only events of this scope count.
            lookback_window: Events count that were pushed so long before the first time this is
                called. It needs a scope, as the scope needs it.
            label: Text for people who read the log.

        Raises:
            IllegalTaskOutputError: The payload does not fit `payload_validator`.
            NonDeterminismError: An earlier invocation made another call here.
            ValueError: An argument is not valid, or the expression cannot be evaluated.
        """
        if (scope is None) != (lookback_window is None):
            raise ValueError("aio_wait_for_event: scope and lookback_window must be given together")
        subject = "aio_wait_for_event: lookback_window"
        window = None if lookback_window is None else seconds(lookback_window, subject)
        _check_type("aio_wait_for_event: payload_validator", payload_validator)
        since = None if window is None else self.journal.now() - timedelta(seconds=window)
        condition = UserEventCondition(key, expression, scope=scope, consider_events_since=since)
        identity = {"event": key, "expression": expression, "scope": scope, "lookback": window}
        met = await self._wait("aio_wait_for_event", [condition], label, identity)
        from podhatch.values.codec import load_value

        misfit = f"the payload of event {key} does not fit {_name(payload_validator)}"
        return load_value(json.dumps(met[key][0]), payload_validator, misfit)

    async def aio_now(self) -> datetime:
        """Return the time at which this was first called: the same in each invocation.

        Raises:
            NonDeterminismError: An earlier invocation made another call here.
        """

        async def make() -> str:
            return json.dumps(self.journal.now().isoformat())

        text = await self.journal.memo(call_key(MEMO, "now"), make, "now")
        return datetime.fromisoformat(json.loads(text))

    @overload
    async def aio_memo(
        self, fn: Callable[..., Any], result_validator: type[R], *args: Any, **kwargs: Any
    ) -> R: ...
    @overload
    async def aio_memo(
        self,
        fn: Callable[..., Any],
        result_validator: None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any: ...
    async def aio_memo(
        self,
        fn: Callable[..., Any],
        result_validator: type[Any] | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        """Call a function once, and return what it returned then, in each invocation.

        The function runs again if the pod is lost before the result is stored.

        Args:
            fn: The function, async or not. Its name and arguments tell the call from others.
            result_validator: What the result is returned as; by default plain JSON values.
            args: Its arguments, which must be JSON or what pydantic makes JSON of.
            kwargs: Its arguments by keyword, likewise.

        Raises:
            IllegalTaskOutputError: The result is not JSON, or does not fit `result_validator`.
            NonDeterminismError: An earlier invocation made another call here.
            TypeError: `fn` is not a function, or an argument is not JSON.
            ValueError: `result_validator` is not a type.
        """
        from podhatch.values.codec import dump_json, dump_result, load_value

        async def make() -> str:
            result = fn(*args, **kwargs)
            if inspect.isawaitable(result):
                result = await result
            return dump_result(f"the result of memo {name}", result)

        if not callable(fn):
            raise TypeError(
                f"aio_memo: fn: expected a function, got {fn!r}; pass the function, and its "
                "arguments after result_validator"
            )
        _check_type("aio_memo: result_validator", result_validator)
        name = _name(fn)
        try:
            arguments = dump_json([list(args), kwargs])
        except (TypeError, ValueError, RecursionError) as error:
            raise TypeError(f"the arguments of memo {name} are not JSON: {error}") from None
        key = call_key(MEMO, [name, json.loads(arguments)])
        text = await self.journal.memo(key, make, name)
        misfit = f"the result of memo {name} does not fit {_name(result_validator)}"
        return load_value(text, result_validator, misfit)

    _aio_memo = aio_memo

    async def _wait(
        self,
        method: str,
        conditions: Sequence[Condition | OrGroup],
        label: str | None,
        identity: "JsonObject | None" = None,
    ) -> dict[str, list[Any]]:
        """Wait for conditions; errors name the method.

        `identity` is what the call is known by, where conditions depend on the time; by default
        the conditions.
        """
        if label is not None and not isinstance(label, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected(f"{method}: label", "a string", label)
        _check(method, conditions)
        self._waits += 1
        wire = conditions_of(conditions)
        what = identity or sorted(json.dumps(each, sort_keys=True) for each in wire)
        return await self.journal.wait_for(call_key(WAIT_FOR, what), wire, label)


def _check_type(subject: str, declared: object) -> None:
    """Refuse what no value can be validated to, before anything waits."""
    if declared is None:
        return
    from podhatch.values.codec import adapter

    try:
        adapter(declared)
    except Exception:
        raise unexpected(subject, "a type that pydantic knows", declared) from None


def _name(what: object) -> str:
    """Return the name of a function or type."""
    name: str = getattr(what, "__qualname__", "") or getattr(type(what), "__qualname__", "")
    return name


def _check(subject: str, conditions: Sequence[Condition | OrGroup]) -> None:
    if not conditions:
        raise ValueError(f"{subject}: conditions: expected at least one")
    for place, leaf in leaves(conditions):
        if isinstance(leaf, ParentCondition):
            raise ValueError(
                f"{subject}: conditions{place}: a task's parents have ended before it starts: "
                "use ctx.task_output() in place of a ParentCondition"
            )
    check_conditions(subject, (), {"conditions": conditions})
