"""Checks the cron expressions and time zones of CronJobs.

Definitions (`on_crons`) and the cron client use these checks before anything is created, so that
the error points to the line with the expression.
"""

import re
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

ALIASES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}

_LONGEST_MONTHS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_STEP = re.compile(r"[1-9][0-9]{0,3}")
_NUMBER = re.compile(r"[0-9]{1,2}")


@dataclass(frozen=True)
class _Field:
    name: str
    low: int
    high: int
    names: tuple[str, ...] = ()
    """Names of the values from `low` on."""

    def values(self, text: str) -> set[int]:
        """Return the values that match a field."""
        return {value for part in text.split(",") for value in self._part(part)}

    def rewritten(self, text: str) -> str:
        """Return a field's text in a form that croniter reads correctly."""
        parts = text.replace("?", "*").split(",")
        if self.is_of_days:
            if {"*", "*/1"} & set(parts):
                return "*"
            parts = [part.replace("*", f"{self.low}-{self.high}") for part in parts]
        return ",".join(self._rewritten(part) for part in parts)

    def _rewritten(self, part: str) -> str:
        values = self._part(part)
        return str(values[0]) if len(values) == 1 else part

    @property
    def is_of_days(self) -> bool:
        return self.name.startswith("day")

    def _part(self, part: str) -> range:
        span, slash, step = part.partition("/")
        if slash and not _STEP.fullmatch(step):
            raise ValueError(f"{self.name} {part!r}: expected a step of 1 or more, got {step!r}")
        first, dash, last = span.partition("-")
        if span == "*" or (span == "?" and self.is_of_days):
            low, high = self.low, self.high
        else:
            low = self._value(first)
            high = self._value(last) if dash else self.high if slash else low
        if low > high:
            raise ValueError(f"{self.name} {part!r}: the range ends before it begins")
        return range(low, high + 1, int(step) if slash else 1)

    def _value(self, text: str) -> int:
        if text.lower() in self.names:
            return self.low + self.names.index(text.lower())
        if not _NUMBER.fullmatch(text):
            by_name = f" or one of {', '.join(self.names).upper()}" if self.names else ""
            raise ValueError(f"{self.name}: expected a number{by_name}, got {text!r}")
        if not self.low <= int(text) <= self.high:
            sunday = "; Sunday is 0" if text == "7" and self.names == _DAYS else ""
            raise ValueError(f"{self.name}: expected {self.low} to {self.high}, got {text}{sunday}")
        return int(text)


_FIELDS = (
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day of month", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of week", 0, 6, _DAYS),
)


def checked_cron(expression: str) -> str:
    """Return the expression with single spaces between its fields.

    Args:
        expression: Minute, hour, day of month, month, day of week: each `*`, a value, a range, a
            list of these, any of them with a step such as `*/5`; months and days of the week also
            by name (JAN, MON). Or one of @hourly, @daily, @midnight, @weekly, @monthly, @yearly,
            @annually.

    Raises:
        ValueError: A CronJob does not accept the expression, or it matches no day.
    """
    fields = expression.split()
    if not fields:
        raise ValueError("the cron expression is empty")
    if fields[0].startswith(("TZ=", "CRON_TZ=")):
        raise ValueError(
            f"{expression!r}: a cron expression cannot contain a time zone; set time_zone"
        )
    if fields[0].startswith("@"):
        return _alias(expression, fields)
    try:
        _check(fields)
    except ValueError as error:
        raise ValueError(f"{expression!r} is not a cron expression: {error}") from None
    return " ".join(fields)


def for_croniter(expression: str) -> str:
    """Return the expression in a form that croniter reads as the CronJob controller does.

    croniter reads a range of one value, such as 6-6, as all values, does not accept a step after
    `?`, and has other rules for whether `*` restricts a field of days. (If both fields of days are
    restricted, a day needs to match only one of them.)

    Raises:
        ValueError: See `checked_cron`.
    """
    checked = checked_cron(expression)
    texts = ALIASES.get(checked, checked).split()
    return " ".join(field.rewritten(text) for field, text in zip(_FIELDS, texts, strict=True))


def schedule_problem(schedule: str, time_zone: str) -> str | None:
    """Return why the operator cannot create a CronJob with these, or None."""
    try:
        checked_cron(schedule)
    except ValueError as error:
        return f"spec.schedule: {error}"
    if not is_time_zone(time_zone):
        return (
            f"spec.timeZone: {time_zone!r} is not a time zone: use an IANA name such as "
            "Europe/Paris or Etc/UTC"
        )
    return None


def is_time_zone(name: str) -> bool:
    """Return whether this IANA time zone exists; true if the zone data is not installed."""
    for each in (name, "UTC"):
        try:
            ZoneInfo(each)
        except (ZoneInfoNotFoundError, OSError, ValueError):
            continue
        return each == name
    return True


def _alias(expression: str, fields: list[str]) -> str:
    if len(fields) > 1 or fields[0].lower() not in ALIASES:
        raise ValueError(
            f"{expression!r} is not a cron expression: expected one of {', '.join(ALIASES)}"
        )
    return fields[0].lower()


def _check(fields: list[str]) -> None:
    if len(fields) == 6:
        raise ValueError("expected five fields, got six: CronJobs do not support seconds")
    if len(fields) != 5:
        names = ", ".join(field.name for field in _FIELDS)
        raise ValueError(f"expected five fields ({names}), got {len(fields)}")
    values = [field.values(text) for field, text in zip(_FIELDS, fields, strict=True)]
    days, months = values[2], values[3]
    never = all(min(days) > _LONGEST_MONTHS[month - 1] for month in months)
    if never and fields[4] in ("*", "?"):
        raise ValueError(f"there is no day {min(days)} in month {fields[3]}")
