"""What a benchmark writes down, and when it fails."""

import json
from pathlib import Path

import pytest

from tests.bench import report
from tests.bench.metrics import Snapshot, quantile
from tests.bench.report import Row, conclude

BUDGETS = """
[speed]
"one" = { at_most = 0.25 }
"rate" = { at_least = 0.8 }
"pause" = { at_most = 50 }
"""


@pytest.fixture(autouse=True)
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "budgets.toml").write_text(BUDGETS)
    monkeypatch.setattr(report, "BUDGETS", tmp_path / "budgets.toml")
    monkeypatch.setattr(report, "REPOSITORY", tmp_path)
    monkeypatch.setattr(report, "RESULTS", tmp_path / ".bench")
    return tmp_path / ".bench" / "speed.json"


def rows(one: float = 0.2, rate: float = 9, pause: float = 50) -> list[Row]:
    return [
        Row("one", one, "s", 1.0),
        Row("rate", rate, "/s", 10),
        Row("pause", pause, "ms"),
        Row("extra", 1, "ms"),
    ]


def test_a_benchmark_within_all_budgets_passes(results: Path) -> None:
    assert conclude("speed", rows()) == 0
    columns = ("name", "value", "unit", "reference", "ratio", "budget", "passed")
    assert [tuple(row.items()) for row in json.loads(results.read_text())] == [
        tuple(zip(columns, values, strict=True))
        for values in (
            ("one", 0.2, "s", 1.0, 0.2, 0.25, True),
            ("rate", 9, "/s", 10, 0.9, 0.8, True),
            ("pause", 50, "ms", None, None, 50, True),
            ("extra", 1, "ms", None, None, None, True),
        )
    ]


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        ("one", rows(one=0.26)),
        ("rate", rows(rate=7.9)),
        ("pause", rows(pause=51)),
    ],
)
def test_a_missed_budget_fails_the_benchmark(
    name: str, measured: list[Row], results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert conclude("speed", measured) == 1
    assert f"missed: {name}\n" in capsys.readouterr().out
    passed = {row["name"]: row["passed"] for row in json.loads(results.read_text())}
    assert passed == {"one": True, "rate": True, "pause": True, "extra": True, name: False}


def test_a_budget_that_nothing_measures_fails_the_benchmark() -> None:
    with pytest.raises(ValueError, match="nothing measures pause, rate"):
        conclude("speed", rows()[:1])


METRICS = """
# TYPE process_cpu_seconds counter
process_cpu_seconds_total {cpu}
# TYPE podhatch_k8s_request counter
podhatch_k8s_request_total{{code="201",verb="create"}} {created}
podhatch_k8s_request_total{{code="409",verb="create"}} 1
podhatch_k8s_request_total{{code="200",verb="list"}} {listed}
# TYPE podhatch_hop_seconds histogram
podhatch_hop_seconds_bucket{{le="0.01"}} {hops}
podhatch_hop_seconds_bucket{{le="0.05"}} {hops}
podhatch_hop_seconds_bucket{{le="+Inf"}} {all_hops}
"""


def test_the_operators_metrics_are_counted_between_snapshots() -> None:
    before = Snapshot.parse(METRICS.format(cpu=1.5, created=4, listed=9, hops=1, all_hops=1))
    after = Snapshot.parse(METRICS.format(cpu=2.0, created=6, listed=12, hops=3, all_hops=5))
    between = after.since(before)
    assert between.cpu_seconds == 0.5
    assert between.requests == {"create": 2, "list": 3}
    assert between.writes == 2
    assert between.hops == {0.01: 2, 0.05: 2, float("inf"): 4}


def test_a_quantile_is_interpolated_within_its_bucket() -> None:
    buckets = {0.1: 50.0, 0.2: 50.0, 0.4: 90.0, float("inf"): 100.0}
    assert quantile(buckets, 0.25) == pytest.approx(0.05)
    assert quantile(buckets, 0.5) == pytest.approx(0.1)
    assert quantile(buckets, 0.7) == pytest.approx(0.3)
    assert quantile(buckets, 0.99) == 0.4  # more is not known
    with pytest.raises(ValueError, match="counted nothing"):
        quantile({0.1: 0.0, float("inf"): 0.0}, 0.5)
