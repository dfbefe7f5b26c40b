"""Idempotency keys: how a workflow gives them to its runs, and the key that a run has."""

from typing import Annotated, ClassVar

from pydantic import Field

from podhatch.api.limits import MAX_IDEMPOTENCY_KEY, MAX_STORED_SECONDS
from podhatch.api.model import Rule, WireModel


class HoldingTime(WireModel):
    """How long a run holds its key."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "has(self.ttlSeconds) != has(self.fallbackTtlSeconds)",
            "set either ttlSeconds or fallbackTtlSeconds",
        ),
    ]

    ttl_seconds: Annotated[int | None, Field(ge=1, le=MAX_STORED_SECONDS)] = None
    """ttlSeconds is the time from the creation of a run for which it holds its key, whether or not
    it has ended."""
    fallback_ttl_seconds: Annotated[int | None, Field(ge=1, le=MAX_STORED_SECONDS)] = None
    """fallbackTtlSeconds makes a run hold its key until it has ended, and at most for this time
    from its creation."""


class Idempotency(HoldingTime):
    """The key of each run of a workflow. Two runs do not hold the same key at the same time."""

    key_expression: Annotated[
        str,
        Field(
            min_length=1,
            max_length=4096,
            description="keyExpression is a CEL expression over input and additional_metadata. It "
            f"gives the key of a run, a string of at most {MAX_IDEMPOTENCY_KEY} characters.",
        ),
    ]


class IdempotencyClaim(HoldingTime):
    """The key of a run, and how long the run holds it."""

    key: Annotated[str, Field(min_length=1, max_length=MAX_IDEMPOTENCY_KEY)]
    """key that no two runs of a workflow hold at the same time."""
