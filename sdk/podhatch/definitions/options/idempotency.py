"""Options of workflows that let one run at a time, or in a period, have a key."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from podhatch.values.duration import Duration, whole_seconds

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
    """Return the config.

    Raises:
        ValueError: It is not one, or not valid; the message names the field.
    """
    if config is None:
        return None
    subject = f"{subject}: idempotency"
    if not isinstance(config, IdempotencyConfig):
        raise ValueError(
            f"{subject}: expected a TTLBasedIdempotencyConfig or StatusBasedIdempotencyConfig, got "
            f"{config!r}"
        )
    expression: object = config.key_expression
    if not (isinstance(expression, str) and expression):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise ValueError(f"{subject}.key_expression: expected an expression, got {expression!r}")
    whole_seconds(*_time(subject, config))
    return config


def idempotency_rule(config: IdempotencyConfig | None) -> "Idempotency | None":
    """Return the config as it stands in the Workflow."""
    if config is None:
        return None
    from podhatch.api.idempotency import Idempotency

    seconds = whole_seconds(*_time("idempotency", config))
    if isinstance(config, TTLBasedIdempotencyConfig):
        return Idempotency(key_expression=config.key_expression, ttl_seconds=seconds)
    return Idempotency(key_expression=config.key_expression, fallback_ttl_seconds=seconds)


def _time(subject: str, config: IdempotencyConfig) -> tuple[str, Duration]:
    if isinstance(config, TTLBasedIdempotencyConfig):
        return f"{subject}.ttl", config.ttl
    return f"{subject}.fallback_ttl", config.fallback_ttl
