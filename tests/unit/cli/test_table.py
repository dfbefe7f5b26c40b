import pytest
from podhatch.cli.commands import runs
from podhatch.cli.commands.runs import RUNS

from tests.unit.cli.runs import at, run_of, text_of


@pytest.fixture(autouse=True)
def at_200_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "now", lambda: at(200))


def test_runs_are_listed_in_the_order_given():
    older = run_of("Succeeded", name="first", finishedAt=at(2.5))
    newer = run_of(
        "Failed", name="second", startedAt=at(0.3), finishedAt=at(1), message="task a: no"
    )
    assert text_of(RUNS.table([newer, older])).splitlines() == [
        "NAME    WORKFLOW  PHASE        PROGRESS  AGE    DURATION  MESSAGE",
        "second  orders    ✖ Failed     0/0       3m20s  0.7s      task a: no",
        "first   orders    ✔ Succeeded  0/0       3m20s  2.5s",
    ]

    assert text_of(RUNS.table([newer], wide=False), width=53).splitlines() == [
        "NAME    PHASE     PROGRESS  AGE    DURATION  MESSAGE",
        "second  ✖ Failed  0/0       3m20s  0.7s      task a:…",
    ]


def test_a_run_that_was_not_seen_yet_is_listed():
    assert "◷ Pending" in text_of(RUNS.table([run_of(None)]))
