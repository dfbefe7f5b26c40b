"""Where a durable task records its calls, so that a later invocation of it gets the same results.

In a pod it is the task's DurableLog (`podhatch.durable`); local runs and mocks have their own.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, TypeVar

from podhatch.api.limits import CallKind

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

T = TypeVar("T")


class Journal(Protocol):
    """Numbers the calls of one invocation, and gives those that were made before their results.

    A call gets its number when the coroutine starts, before it waits for anything. `key` says what
    is called: it must be the same in each invocation. `label` is a text for people.

    Calls raise NonDeterminismError if an earlier invocation made another call with this number.
    """

    invocation: int
    """1 for the first; more after each pod that was lost or given up, retry and replay."""

    @property
    def branch(self) -> int:
        """The branch of the call that is made next: 1, and more after the task was reset."""
        ...

    def now(self) -> datetime:
        """Return the current time in UTC."""
        ...

    async def wait_for(
        self, key: str, conditions: "Sequence[JsonObject]", label: str | None
    ) -> dict[str, list[object]]:
        """Wait until all conditions hold, and return their values by their names.

        That is an event's payload, and an empty object for a sleep. Conditions are given as in
        `podhatch.api.condition`; when an earlier invocation has made the call, its conditions
        count. Raises ValueError if an expression cannot be evaluated.
        """
        ...

    async def memo(self, key: str, make: Callable[[], Awaitable[str]], label: str | None) -> str:
        """Return the stored text; `make` it, and store it, if there is none."""
        ...

    async def child(
        self,
        key: str,
        name: str,
        start: Callable[[], Awaitable[None]],
        read: Callable[[], Awaitable[T]],
        label: str | None,
    ) -> T:
        """Wait for the end of the run of this name, and return what `read` returns or raises.

        `start` creates the run, or finds it there. It is awaited once the call is stored, unless
        the run is known to be over.
        """
        ...


def call_key(kind: CallKind, what: object) -> str:
    """Return the key of a call: a hash of its kind and of what is called, which must be JSON."""
    text = json.dumps([kind, what], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()
