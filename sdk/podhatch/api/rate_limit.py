"""Rate limits: the RateLimit object, a bucket of units, and what a task takes from buckets."""

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.condition import Expression
from podhatch.api.limits import MAX_UNITS, RateLimitWindow
from podhatch.api.model import (
    ApiObject,
    CheckedStatus,
    Rule,
    Timestamp,
    WireModel,
    list_map,
    number_or_expression,
)
from podhatch.api.names import HASHED_LIMIT_NAME, MAX_RUN_NAME

MAX_RATE_LIMIT_KEY = 256
MAX_GRANTS = 500
"""Of attempts that have not started yet. Further ones are granted once these have started."""

WINDOWS: dict[RateLimitWindow, timedelta] = {
    "SECOND": timedelta(seconds=1),
    "MINUTE": timedelta(minutes=1),
    "HOUR": timedelta(hours=1),
    "DAY": timedelta(days=1),
    "WEEK": timedelta(weeks=1),
    "MONTH": timedelta(days=30),
    "YEAR": timedelta(days=365),
}


class RateLimitSpec(WireModel):
    """How many units are given in each window of time."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.key == oldSelf.key",
            "key of a RateLimit cannot change: create another RateLimit",
        )
    ]

    key: Annotated[str, Field(min_length=1, max_length=MAX_RATE_LIMIT_KEY)]
    """key by which tasks name the limit."""
    limit: Annotated[int, Field(ge=0, le=MAX_UNITS)]
    """limit is the number of units of a window."""
    duration: RateLimitWindow = "MINUTE"
    """duration of a window. A MONTH has 30 days, and a YEAR has 365 days. A window begins with the
    first unit that is taken after the last window."""


class RateLimitGrant(WireModel):
    """Units that an attempt has got, which has not started yet."""

    run: Annotated[str, Field(max_length=MAX_RUN_NAME)]
    """run of the attempt."""
    job: Annotated[str, Field(max_length=63)]
    """job of the attempt."""
    units: Annotated[int, Field(ge=0, le=MAX_UNITS)]
    """units that it has got."""


class RateLimitStatus(CheckedStatus):
    """What is left of the units in the window."""

    used: Annotated[int, Field(ge=0)] = 0
    """used is the number of units taken in the window."""
    left: Annotated[int | None, Field(ge=0)] = None
    """left is the number of units that can be taken."""
    window_start: Timestamp | None = None
    """windowStart is when the first unit was taken in the window."""
    refills_at: Timestamp | None = None
    """refillsAt is when the window ends, and all units are there again."""
    grants: Annotated[list[RateLimitGrant], list_map("job"), Field(max_length=MAX_GRANTS)] = Field(
        default_factory=list[RateLimitGrant]
    )
    """grants to attempts that have not started yet."""


class RateLimit(ApiObject):
    """A limit of how often tasks start: they take units, of which each window has so many."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.metadata.name == self.spec.key || "
            f"self.metadata.name.matches('{HASHED_LIMIT_NAME}')",
            "metadata.name of a RateLimit must be its key, or, if the key is not a valid name, "
            "the name that the message of a waiting task says",
        ),
    ]

    kind: Literal["RateLimit"] = "RateLimit"
    spec: RateLimitSpec
    """spec is the limit."""
    status: RateLimitStatus | None = None
    """status says how much of the limit is left."""


class TaskRateLimit(WireModel):
    """Units of a rate limit that each attempt of a task takes before it starts."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "has(self.staticKey) != has(self.dynamicKey)",
            "a rate limit needs either staticKey or dynamicKey, not both",
        ),
        Rule(
            "has(self.dynamicKey) == has(self.limit)",
            "limit is required with dynamicKey, and not allowed with staticKey",
        ),
    ]

    static_key: Annotated[str | None, Field(min_length=1, max_length=MAX_RATE_LIMIT_KEY)] = None
    """staticKey is the key of an existing RateLimit."""
    dynamic_key: Expression | None = None
    """dynamicKey is an expression in CEL that gives the key, a string. Its variables are input,
    additional_metadata, workflow_run_id and parents. The RateLimit is created when it is needed
    first."""
    units: Annotated[int | Expression, number_or_expression(minimum=0)] = 1
    """units that an attempt takes: a whole number, or CEL that gives one."""
    limit: Annotated[int | Expression | None, number_or_expression(minimum=0)] = None
    """limit is the number of units of a window, with dynamicKey: a whole number, or CEL that gives
    one."""
    duration: RateLimitWindow = "MINUTE"
    """duration of a window, with dynamicKey."""


class RateLimitClaim(WireModel):
    """Units that an attempt of a task waits for."""

    task: Annotated[str, Field(max_length=63)]
    """task that waits."""
    job: Annotated[str, Field(max_length=63)]
    """job of the attempt, once it starts."""
    limit: Annotated[str, Field(max_length=253)]
    """limit is the RateLimit's name."""
    units: Annotated[int, Field(ge=0, le=MAX_UNITS)]
    """units that it needs."""
    since: Timestamp
    """since is when it began to wait."""
    priority: Annotated[int, Field(ge=1, le=3)] = 1
    """priority of the run."""
