"""Concurrency limits as definitions take them: of a workflow's runs, or of one task in all runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from podhatch.api.limits import MAX_LIMIT_NAME, MAX_LIMITS, MAX_RUNS
from podhatch.values.parsing import is_text, is_whole, unexpected


class ConcurrencyLimitStrategy(StrEnum):
    """What happens to those that find no free slot."""

    GROUP_ROUND_ROBIN = "GROUP_ROUND_ROBIN"
    """They wait; groups that compete for another limit take turns."""
    CANCEL_IN_PROGRESS = "CANCEL_IN_PROGRESS"
    """The newest have the slots; what they displace is cancelled, also while it runs."""
    CANCEL_NEWEST = "CANCEL_NEWEST"
    """They are cancelled."""
    CANCEL_QUEUED_EXCEPT_NEWEST = "CANCEL_QUEUED_EXCEPT_NEWEST"
    """The newest waits, and the others that wait are cancelled."""
    CANCEL_QUEUED_EXCEPT_OLDEST = "CANCEL_QUEUED_EXCEPT_OLDEST"
    """The oldest waits, and the others that wait are cancelled."""


@dataclass(frozen=True)
class ConcurrencyExpression:
    """Limits how many runs, or tasks of runs, with the same key are under way at the same time.

    Attributes:
        expression: CEL whose result, a string, is the key, over `input`, `additional_metadata` and
            `workflow_run_id`; of a task also over `parents`. None: all have the same key.
        max_runs: How many slots each key has, from 1; or CEL that gives the number.
        limit_strategy: What happens to those that find no free slot.
        name: A limit that all workflows of the namespace share that use this name.
    """

    expression: str | None
    max_runs: int | str
    limit_strategy: ConcurrencyLimitStrategy = ConcurrencyLimitStrategy.GROUP_ROUND_ROBIN
    name: str | None = None

    @staticmethod
    def from_int(max_runs: int) -> "ConcurrencyExpression":
        """Return the limit that has this many slots for all.

        Args:
            max_runs: How many slots there are, from 1.
        """
        return ConcurrencyExpression(None, max_runs)


Concurrency = int | ConcurrencyExpression | Sequence[ConcurrencyExpression]
"""A number is a limit with this many slots for all."""


def limits_of(subject: str, concurrency: Concurrency | None) -> tuple[ConcurrencyExpression, ...]:
    """Return the limits, each checked; `subject` names workflow, task and option in errors."""
    if concurrency is None:
        return ()
    if isinstance(concurrency, int):
        concurrency = ConcurrencyExpression.from_int(concurrency)
    if isinstance(concurrency, ConcurrencyExpression):
        return (_checked(subject, concurrency),)
    if isinstance(concurrency, str) or not isinstance(concurrency, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        expected = "a whole number, a ConcurrencyExpression, or a list of them"
        raise unexpected(subject, expected, concurrency)
    if len(concurrency) > MAX_LIMITS:
        count = len(concurrency)
        raise ValueError(f"{subject}: at most {MAX_LIMITS} limits are allowed, got {count}")
    return tuple(_checked(f"{subject}[{index}]", each) for index, each in enumerate(concurrency))


def _checked(place: str, limit: object) -> ConcurrencyExpression:
    if not isinstance(limit, ConcurrencyExpression):
        raise unexpected(place, "a ConcurrencyExpression", limit)
    if limit.expression is not None and not is_text(limit.expression):
        raise unexpected(f"{place}: expression", "a CEL expression", limit.expression)
    if not is_whole(limit.max_runs, 1, MAX_RUNS) and not is_text(limit.max_runs):
        expected = f"a whole number from 1 to {MAX_RUNS}, or a CEL expression"
        raise unexpected(f"{place}: max_runs", expected, limit.max_runs)
    if limit.limit_strategy not in [*ConcurrencyLimitStrategy]:
        known = ", ".join(ConcurrencyLimitStrategy)
        raise unexpected(f"{place}: limit_strategy", f"one of {known}", limit.limit_strategy)
    if limit.name is not None and not (is_text(limit.name) and len(limit.name) <= MAX_LIMIT_NAME):
        raise unexpected(f"{place}: name", f"1 to {MAX_LIMIT_NAME} characters", limit.name)
    return limit
