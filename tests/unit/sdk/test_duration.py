"""Durations as users write them."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from podhatch import Hatchet, SleepCondition
from podhatch.cli.commands import app
from podhatch.cli.values import point_in_time
from podhatch.values.duration import seconds
from typer.testing import CliRunner

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [
        ("10s", 10),
        ("500ms", 0.5),
        ("1h30m", 5400),
        ("1.5h", 5400),
        ("1m1s1ms", 61.001),
        ("8760h", 31_536_000),
        ("365d", 31_536_000),
        ("1w2d", 777_600),
        (timedelta(minutes=2), 120),
        (timedelta(microseconds=1500), 0.002),
    ],
)
def test_a_duration_is_read_as_seconds(duration: str | timedelta, expected: float) -> None:
    assert seconds(duration) == expected


@pytest.mark.parametrize("duration", ["", "10", "s", "10 s", "-1s", "1y", "1s,5m", "\u0661s", None])
def test_an_invalid_duration_is_refused(duration: Any) -> None:
    with pytest.raises(ValueError, match="expected a timedelta or a duration"):
        seconds(duration)


@pytest.mark.parametrize("duration", ["0s", "0.4ms", "8760h1ms", timedelta(0), timedelta(days=-1)])
def test_a_duration_out_of_range_is_refused(duration: str | timedelta) -> None:
    with pytest.raises(ValueError, match="out of range: from 1 ms to 365 days"):
        seconds(duration)


@pytest.mark.parametrize(
    ("duration", "expected"),
    [("90s", 90), ("1h30m", 5400), ("7d", 604_800), ("1w", 604_800), ("500ms", 0.5)],
)
def test_a_duration_means_the_same_in_options_conditions_and_flags(
    duration: str, expected: float, tmp_path: Path
) -> None:
    flow = Hatchet().workflow(name="orders", image="orders:1")
    flow.task(name="a", execution_timeout=duration, wait_for=[SleepCondition(duration)])(_work)
    [written] = yaml.safe_load(flow.to_yaml())["spec"]["tasks"]
    assert written["executionTimeoutSeconds"] == expected
    assert written["waitFor"] == [{"sleepSeconds": expected}]
    assert point_in_time("--since", duration, NOW, past=True) == NOW - timedelta(seconds=expected)

    code = tmp_path / "orders.py"
    code.write_text(
        "from podhatch import Hatchet\n"
        "hatchet = Hatchet()\n"
        f"@hatchet.task(execution_timeout={duration!r}, image='orders:1')\n"
        "def charge(input, ctx): ...\n"
    )
    linted = CliRunner().invoke(app, ["lint", f"{code}:hatchet"])
    assert (linted.exit_code, linted.output) == (0, "")


def _work(input: Any, ctx: Any) -> None: ...
