"""Options of workflows that let one run at a time, or in a period, have a key."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from podhatch.values.duration import Duration, whole_seconds
from podhatch.values.parsing import is_text, unexpected

if TYPE_CHECKING:
    from podhatch.api.idempotency import Idempotency


@dataclass(frozen=True)
class TTLBasedIdempotencyConfig:
    """A run holds its key for a time from its creation, whether or not it has ended.

    Attributes:
        key_expression: CEL over `input` and `additional_metadata`, which gives the key of a run: a
            string of at most 256 characters.
        ttl: For how long; to the second.
    """

    key_expression: str
    ttl: Duration


@dataclass(frozen=True)
class StatusBasedIdempotencyConfig:
    """A run holds its key until it has ended, with all its retries.

    Attributes:
        key_expression: CEL over `input` and `additional_metadata`, which gives the key of a run: a
            string of at most 256 characters.
        fallback_ttl: For how long at most, from its creation; to the second.
    """

    key_expression: str
    fallback_ttl: Duration


IdempotencyConfig = TTLBasedIdempotencyConfig | StatusBasedIdempotencyConfig


def check_idempotency(subject: str, config: object) -> IdempotencyConfig | None:
    """Return the config; raise ValueError if it is not valid."""
    if config is None:
        return None
    if not isinstance(config, IdempotencyConfig):
        expected = "a TTLBasedIdempotencyConfig or StatusBasedIdempotencyConfig"
        raise unexpected(subject, expected, config)
    if not is_text(config.key_expression):
        raise unexpected(f"{subject}.key_expression", "an expression", config.key_expression)
    name, time = _time(config)
    whole_seconds(f"{subject}.{name}", time)
    return config


def idempotency_rule(config: IdempotencyConfig | None) -> "Idempotency | None":
    """Return the config as it stands in the Workflow."""
    if config is None:
        return None
    from podhatch.api.idempotency import Idempotency

    name, time = _time(config)
    time_field = {f"{name}_seconds": whole_seconds(name, time)}
    return Idempotency.model_validate({"key_expression": config.key_expression, **time_field})


def _time(config: IdempotencyConfig) -> tuple[str, Duration]:
    if isinstance(config, TTLBasedIdempotencyConfig):
        return "ttl", config.ttl
    return "fallback_ttl", config.fallback_ttl
