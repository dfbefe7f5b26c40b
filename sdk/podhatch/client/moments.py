"""Moments as callers give them. Used by schedules and by filters of lists."""

import warnings
from datetime import UTC, datetime


def in_utc(moment: datetime) -> datetime:
    """Return a moment in UTC; one without a time zone is taken for UTC, with a warning.

    So does the Hatchet SDK.
    """
    if moment.tzinfo is not None:
        return moment.astimezone(UTC)
    warnings.warn(f"{moment} has no time zone: it is taken for UTC", stacklevel=3)
    return moment.replace(tzinfo=UTC)
