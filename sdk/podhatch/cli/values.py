"""What a command's words mean: JSON, KEY=VALUE, times. Called by the commands before anything else.

A word that means nothing is wrong usage, named with the option it was given to.
"""

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.cli.errors import WrongUsage
from podhatch.cli.field_types import field_types, types_of
from podhatch.values.parsing import check_stored, load_json

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_PERIOD = re.compile(r"(\d+)([smhdw])")


def json_object(option: str, text: str | None) -> JsonObject:
    """Return the JSON object that a text is; of the file after an @, or of standard input for -.

    Raises:
        WrongUsage: It is none, or there is no such file.
    """
    if text is None:
        return {}
    source = _content(option, text)
    try:
        value = load_json(source)
    except ValueError as error:
        raise WrongUsage(f"{option}: this is not JSON: {error}") from None
    _check(option, value)
    if not isinstance(value, dict):
        raise WrongUsage(f'{option}: a JSON object is needed, such as \'{{"name": "World"}}\'')
    return cast("JsonObject", value)


def pairs(option: str, words: Sequence[str] | None) -> dict[str, str]:
    """Return what words of the form KEY=VALUE say.

    Raises:
        WrongUsage: One is not of this form.
    """
    found: dict[str, str] = {}
    for word in words or ():
        key, equals, value = word.partition("=")
        if not key or not equals:
            raise WrongUsage(f"{option} {word!r}: it is not of the form KEY=VALUE")
        found[key] = value
    return found


def parameters(words: Sequence[str] | None, schema: JsonObject | None) -> JsonObject:
    """Return the fields of an input given as KEY=VALUE.

    A value is JSON where it can be, and else a text; it is a text also where the workflow's schema
    allows a text, and no value of that type.

    Raises:
        WrongUsage: One is not of this form.
    """
    found = {
        key: _json_or_text(value, field_types(schema or {}, key))
        for key, value in pairs("-p", words).items()
    }
    _check("-p", found)
    return found


def moment(option: str, text: str, now: datetime, *, past: bool) -> datetime:
    """Return the moment that a text is: a period such as 30m before or after now, or ISO 8601.

    A time without a zone is in the reader's own.

    Raises:
        WrongUsage: It is neither, or too far away.
    """
    match = _PERIOD.fullmatch(text)
    try:
        found = datetime.fromisoformat(text) if match is None else now
    except ValueError:
        raise WrongUsage(
            f"{option} {text!r}: write a period such as 30m, 2h or 7d, or a time such as "
            "2026-12-24T18:00"
        ) from None
    try:
        if match is None:
            return found.astimezone(UTC)
        period = timedelta(seconds=int(match[1]) * _UNITS[match[2]])
        return now - period if past else now + period
    except (OverflowError, ValueError):
        raise WrongUsage(f"{option} {text!r}: this is too far away to be a time") from None


def _content(option: str, text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    if not text.startswith("@"):
        return text
    try:
        return Path(text[1:]).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise WrongUsage(f"{option}: the file {text[1:]} cannot be read: {error}") from None


def _check(option: str, value: object) -> None:
    try:
        check_stored(option, value)
    except ValueError as error:
        raise WrongUsage(str(error)) from None


def _json_or_text(text: str, allowed: frozenset[str]) -> object:
    if allowed == frozenset({"string"}) or text in ("NaN", "Infinity", "-Infinity"):
        return text
    try:
        value = load_json(text)
    except ValueError:
        return text
    return text if "string" in allowed and not types_of(value) & allowed else value
