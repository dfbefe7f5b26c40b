"""Concurrency limits as definitions take them: of a workflow's runs, or of one task in all runs."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from podhatch.api.limits import MAX_LIMIT_NAME, MAX_LIMITS, MAX_RUNS


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
    """Return the limits, each checked; `subject` names workflow, task and option in errors.

    Raises:
        ValueError: One is not valid.
    """
    if concurrency is None:
        return ()
    if isinstance(concurrency, int):
        limits = [ConcurrencyExpression.from_int(concurrency)]
    elif isinstance(concurrency, ConcurrencyExpression):
        limits = [concurrency]
    elif isinstance(concurrency, str) or not isinstance(concurrency, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(
            f"{subject}: expected a whole number, a ConcurrencyExpression, or a list of them, got "
            f"{concurrency!r}"
        )
    else:
        limits = concurrency
    if len(limits) > MAX_LIMITS:
        raise ValueError(f"{subject}: at most {MAX_LIMITS} limits are allowed, got {len(limits)}")
    for index, limit in enumerate(limits):
        _check(f"{subject}[{index}]" if isinstance(concurrency, Sequence) else subject, limit)
    return tuple(limits)


def _check(place: str, limit: object) -> None:
    if not isinstance(limit, ConcurrencyExpression):
        raise ValueError(f"{place}: expected a ConcurrencyExpression, got {limit!r}")
    if limit.expression is not None and not _is_text(limit.expression):
        raise ValueError(
            f"{place}: expression: expected a CEL expression, got {limit.expression!r}"
        )
    slots = limit.max_runs
    whole = isinstance(slots, int) and not isinstance(slots, bool) and 1 <= slots <= MAX_RUNS
    if not whole and not _is_text(slots):
        raise ValueError(
            f"{place}: max_runs: expected a whole number from 1 to {MAX_RUNS}, or a CEL "
            f"expression, got {slots!r}"
        )
    if limit.limit_strategy not in [*ConcurrencyLimitStrategy]:
        raise ValueError(
            f"{place}: limit_strategy: expected one of {', '.join(ConcurrencyLimitStrategy)}, got "
            f"{limit.limit_strategy!r}"
        )
    if limit.name is not None and not (_is_text(limit.name) and len(limit.name) <= MAX_LIMIT_NAME):
        raise ValueError(
            f"{place}: name: expected 1 to {MAX_LIMIT_NAME} characters, got {limit.name!r}"
        )


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value)
