"""Durations as users write them."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.values.duration import seconds


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("10s", 10),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m1s1ms", 61.001),
        ("8760h", 31_536_000),
        (timedelta(minutes=2), 120),
        (timedelta(microseconds=1500), 0.002),
    ],
)
def test_a_duration_is_read_as_seconds(duration: str | timedelta, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "10", "s", "10 s", "-1s", "1d", "1s,5m", 10, None])
def test_an_invalid_duration_is_refused(duration: Any) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        seconds(duration)


@pytest.mark.parametrize("duration", ["0s", "0.4ms", "8760h1ms", timedelta(0), timedelta(days=-1)])
def test_a_duration_out_of_range_is_refused(duration: str | timedelta) -> None:
    with pytest.raises(ValueError, match="out of range: from 1 ms to 365 days"):
        seconds(duration)
