"""When crons tick: held to the CronJob controller's own library, as tests/cron recorded it."""

import json
from collections import Counter
from datetime import datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim
from podhatch.api.cron_expression import checked_cron, schedule_problem
from podhatch.api.model import JsonObject
from podhatch.core.cron.schedule import next_ticks

from tests.kube import REPOSITORY

ODD_CLOCKS = {"Australia/Lord_Howe": 58, "Asia/Beirut": 2, "Pacific/Chatham": 2}
"""Clocks that change by half an hour, at midnight or at 2:45: there the controller's library loses
or doubles some ticks in the days of the change, in so many of the recorded cases. We do not."""


@lru_cache(maxsize=1)
def golden() -> JsonObject:
    text: JsonObject = json.loads((REPOSITORY / "tests/cron/golden.json").read_text())
    return text


def ours(case: JsonObject) -> list[datetime]:
    if case["ticks"] == []:  # a day that never comes, which we refuse
        assert schedule_problem(case["schedule"], case["zone"])
        return []
    after = datetime.fromisoformat(case["after"])
    return next_ticks(case["schedule"], case["zone"], after, len(case["ticks"]))


def theirs(case: JsonObject) -> list[datetime]:
    return [datetime.fromisoformat(tick) for tick in case["ticks"]]


def test_ticks_are_those_of_the_cronjob_controller() -> None:
    differing = Counter(case["zone"] for case in golden()["ticks"] if ours(case) != theirs(case))
    assert differing == ODD_CLOCKS


def test_odd_clocks_differ_in_the_week_of_the_change_alone() -> None:
    for case in golden()["ticks"]:
        after = datetime.fromisoformat(case["after"]) + timedelta(days=8)
        for tick in theirs(case):
            if case["zone"] in ODD_CLOCKS and tick > after:
                one = next_ticks(case["schedule"], case["zone"], tick - timedelta(minutes=1), 1)
                assert one == [tick], case


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York", "Asia/Kolkata", "Etc/UTC"])
@pytest.mark.parametrize("schedule", ["*/7 * * * *", "17 */3 * * 1-5", "5 4 1,15 * *"])
def test_an_independent_library_agrees_where_clocks_do_not_change(zone: str, schedule: str) -> None:
    start = datetime(2026, 6, 1, 12, tzinfo=ZoneInfo(zone))
    simulated = CronSim(schedule, start)
    assert next_ticks(schedule, zone, start, 50) == [next(simulated) for _ in range(50)]


def test_in_spring_a_tick_is_left_out_and_in_autumn_it_comes_twice() -> None:
    zone = "Europe/Paris"
    spring = datetime(2027, 3, 27, 12, tzinfo=ZoneInfo(zone))
    assert next_ticks("30 2 * * *", zone, spring, 1)[0].astimezone(ZoneInfo(zone)).day == 29
    autumn = datetime(2026, 10, 25, 0, tzinfo=ZoneInfo(zone))
    first, second, third = next_ticks("30 2 * * *", zone, autumn, 3)
    assert second - first == timedelta(hours=1)
    assert third - second == timedelta(days=1)


def test_ticks_that_are_many_years_away_are_not_told() -> None:
    after = datetime(2096, 3, 1, tzinfo=ZoneInfo("Etc/UTC"))  # 2100 is no leap year
    assert next_ticks("0 0 29 2 *", "Etc/UTC", after, 3) == []


REFUSED_ALTHOUGH_THE_CONTROLLER_TAKES_THEM = {
    "*-5 * * * *",  # means *
    "+1 * * * *",
    ",1 * * * *",
    "1,,2 * * * *",
    "?/5 * * * *",
    "@every 1h",
    "CRON_TZ=UTC 0 0 * * *",  # which the API server refuses: spec.timeZone says it
}


def test_what_is_an_expression_is_one_for_the_controller() -> None:
    for expression, taken in golden()["questionable"].items():
        problem = schedule_problem(expression, "Etc/UTC")
        if expression in REFUSED_ALTHOUGH_THE_CONTROLLER_TAKES_THEM:
            assert taken
            assert problem
        elif taken or problem is None:  # @Daily is written as @daily into the CronJob
            assert problem is None, expression
            assert golden()["questionable"].get(checked_cron(expression), True)


@pytest.mark.parametrize(
    ("schedule", "zone", "words"),
    [
        ("0 0 12 * * *", "Etc/UTC", "got six"),
        ("0 0 * * 7", "Etc/UTC", "Sunday is 0"),
        ("0 0 30 2 *", "Etc/UTC", "no day 30"),
        ("0 0 * * *", "Europe/Lutetia", "spec.timeZone: 'Europe/Lutetia' is not a time zone"),
        ("0 0 * * *", "../etc/passwd", "is not a time zone"),
        ("0 0 * * *", "", "is not a time zone"),
        ("0 0 * * *", "Europe", "is not a time zone"),
    ],
)
def test_problems_are_told_in_words(schedule: str, zone: str, words: str) -> None:
    assert words in (schedule_problem(schedule, zone) or "")
