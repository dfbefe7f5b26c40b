"""When a cron ticks next, as the CronJob controller sees it. Called by plan_cron.

Held to the controller's own library by tests/cron. Where clocks go forward, ticks in the hour that
is left out do not take place; where they go back, those in the hour that comes twice do so twice.
"""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from podhatch.api.cron_expression import CronFields, checked_cron, cron_fields

HORIZON = timedelta(days=5 * 366)
"""The CronJob controller looks no further ahead, either."""
_MINUTE = timedelta(minutes=1)


def schedule_problem(schedule: str, time_zone: str) -> str | None:
    """Say what keeps these from being the schedule and time zone of a CronJob, or return None."""
    try:
        checked_cron(schedule)
    except ValueError as error:
        return f"spec.schedule: {error}"
    try:
        ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return (
            f"spec.timeZone: {time_zone!r} is no time zone: use an IANA name such as Europe/Paris "
            "or Etc/UTC"
        )
    return None


def next_ticks(schedule: str, time_zone: str, after: datetime, count: int) -> list[datetime]:
    """Return the times of the next ticks, in UTC; fewer when they are years away.

    Raises:
        ValueError, ZoneInfoNotFoundError: see `schedule_problem`.
    """
    fields, zone = cron_fields(schedule), ZoneInfo(time_zone)
    found: list[datetime] = []
    while len(found) < count and (tick := _next(fields, zone, after)) is not None:
        found.append(tick)
        after = tick
    return found


def _next(fields: CronFields, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Go forward in real time, by days, hours or minutes, until the clock on the wall matches."""
    moment = after.astimezone(UTC).replace(second=0, microsecond=0) + _MINUTE
    last = moment + HORIZON
    while moment < last:
        wall = moment.astimezone(zone)
        if not _is_day(fields, wall):
            midnight = wall.replace(hour=0, minute=0, fold=0) + timedelta(days=1)
            moment = midnight.astimezone(UTC)
        elif wall.hour not in fields.hours:
            moment += _MINUTE * (60 - wall.minute)
        elif wall.minute not in fields.minutes:
            moment += _MINUTE
        else:
            return moment
    return None


def _is_day(fields: CronFields, wall: datetime) -> bool:
    if wall.month not in fields.months:
        return False
    matches = wall.day in fields.days, wall.isoweekday() % 7 in fields.weekdays
    return any(matches) if fields.either_day else all(matches)
