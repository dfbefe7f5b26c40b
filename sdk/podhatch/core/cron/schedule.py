"""When a cron ticks next, as the CronJob controller computes it; tests/cron holds its answers.

croniter parses the expression and steps on a clock that is never changed. Our own code is the rest,
in which croniter differs from the controller:

- Where clocks change, croniter moves some ticks and drops others. For the controller, ticks in an
  hour that is skipped do not take place, and ticks in an hour that comes twice do so twice.
- croniter takes expressions that the API server refuses, and reads a few in another way:
  `api/cron_expression.py` checks and rewrites them.

Only the operator computes ticks, so croniter is a dependency of the operator alone: a pod, a local
run or `lint` that checks an expression does not load it.
"""

from bisect import bisect
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from croniter import CroniterBadDateError, croniter

from podhatch.api.cron_expression import for_croniter

HORIZON = timedelta(days=5 * 366)
"""The CronJob controller looks no further ahead, either."""
_MINUTE, _DAY = timedelta(minutes=1), timedelta(days=1)


def next_ticks(schedule: str, time_zone: str, after: datetime, count: int) -> list[datetime]:
    """Return the times of the next ticks, in UTC; fewer when they are years away.

    Raises:
        ValueError, ZoneInfoNotFoundError: see `schedule_problem`.
    """
    steps = croniter(for_croniter(schedule), after, max_years_between_matches=6)
    zone, found = ZoneInfo(time_zone), list[datetime]()
    while len(found) < count and (tick := _next(steps, zone, after)) is not None:
        found.append(tick)
        after = tick
    return found


def _next(steps: croniter, zone: ZoneInfo, after: datetime) -> datetime | None:
    """Step on the clock on the wall, and again from each change of the clock in between."""
    moment = after.astimezone(UTC).replace(second=0, microsecond=0, tzinfo=None) + _MINUTE
    last = moment + HORIZON
    while True:
        offset = _offset(zone, moment)
        try:
            wall: datetime = steps.get_next(datetime, moment + offset - _MINUTE)
        except CroniterBadDateError:
            return None
        tick = wall - offset
        change = _change(zone, moment, tick)
        if change is None:
            return tick.replace(tzinfo=UTC) if tick < last else None
        moment = change


def _change(zone: ZoneInfo, start: datetime, end: datetime) -> datetime | None:
    """Return the first minute after the start, up to the end, with another offset from UTC."""
    offset = _offset(zone, start)
    while start < end:
        day = min(start + _DAY, end)
        if _offset(zone, day) != offset:
            minutes = range((day - start) // _MINUTE + 1)
            changed = bisect(
                minutes, False, key=lambda each: _offset(zone, start + each * _MINUTE) != offset
            )
            return start + changed * _MINUTE
        start = day
    return None


def _offset(zone: ZoneInfo, moment: datetime) -> timedelta:
    offset = moment.replace(tzinfo=UTC).astimezone(zone).utcoffset()
    assert offset is not None
    return offset
