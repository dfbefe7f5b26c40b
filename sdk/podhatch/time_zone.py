"""Says whether there is a time zone of a name. Asked before a cron is created, and by lint."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def is_time_zone(name: str) -> bool:
    """Tell whether there is such a time zone; true where nobody knows."""
    for each in (name, "UTC"):
        try:
            ZoneInfo(each)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            continue
        return each == name
    return True  # this machine has no data of time zones
