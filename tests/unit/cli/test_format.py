from datetime import UTC, datetime, timedelta

import pytest
from podhatch.cli.rendering.format import duration, printable, shortened

EXACT = datetime(2026, 11, 23, 12, 0, 0, 1, UTC)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (1.24, "1.2s"),
        (9.94, "9.9s"),
        (9.96, "10s"),
        (59.4, "59s"),
        (59.6, "1m00s"),
        (185, "3m05s"),
        (3599.7, "1h00m"),
        (7800, "2h10m"),
        (3 * 86400, "3d"),
        (-3, "0.0s"),
    ],
)
def test_a_duration_is_short(seconds: float, text: str):
    assert duration(EXACT, EXACT + timedelta(seconds=seconds)) == text


def test_a_duration_between_whole_seconds_has_no_fraction():
    begin = datetime(2026, 11, 23, tzinfo=UTC)
    assert duration(begin, begin) == "<1s"
    assert duration(begin, begin + timedelta(seconds=2)) == "2s"


def test_a_duration_without_a_begin_is_empty():
    assert duration(None, EXACT) == ""


def test_control_characters_in_text_are_escaped():
    assert printable("red \x1b[31m and\ttab\nline\r") == "red \\x1b[31m and\ttab\nline\\x0d"
    assert printable("\x9b\x7f\u202e\u2066\ud800") == "\\x9b\\x7f\\u202e\\u2066\\ud800"


def test_text_of_every_language_is_printable():
    for text in ("שלום\u200f!", "日本\u3000語", "👩\u200d🚀", "a\xa0b", "\ue0b0"):
        assert printable(text) == text


def test_text_is_shortened_to_one_line():
    assert shortened("one\n two", 20) == "one two"
    assert shortened("x" * 30, 10) == "x" * 9 + "…"
