from podhatch.cli.rendering.table import RunTable

from tests.unit.cli.runs import at, run_of, text_of


def test_runs_are_listed_in_the_order_given():
    older = run_of("Succeeded", name="first", finishedAt=at(2.5))
    newer = run_of(
        "Failed", name="second", startedAt=at(0.3), finishedAt=at(1), message="task a: no"
    )
    assert text_of(RunTable([newer, older], at(200))).splitlines() == [
        "NAME    WORKFLOW  PHASE        PROGRESS  AGE    DURATION  MESSAGE",
        "second  orders    ✖ Failed     0/0       3m20s  0.7s      task a: no",
        "first   orders    ✔ Succeeded  0/0       3m20s  2.5s",
    ]

    assert text_of(RunTable([newer], at(200)), width=53).splitlines() == [
        "NAME    PHASE     PROGRESS  AGE    DURATION  MESSAGE",
        "second  ✖ Failed  0/0       3m20s  0.7s      task a:…",
    ]


def test_a_run_that_was_not_seen_yet_is_listed():
    assert "◷ Pending" in text_of(RunTable([run_of(None)], at(1)))
