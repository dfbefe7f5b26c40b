"""The plan of a page of a durable task's log: which waits are over, since when, and by what."""

from collections.abc import Mapping
from datetime import timedelta

import pytest
from podhatch.api.durable_log import (
    MAX_ENTRY_BYTES,
    MAX_PAGE_BYTES,
    MAX_STATUS_BYTES,
    MAX_STORED_VALUE_BYTES,
)
from podhatch.api.model import JsonObject
from podhatch.cluster.bounded import MAX_OBJECT_BYTES
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.common.plan import Plan
from podhatch.core.common.text import stored_size
from podhatch.core.durable import plan as durable
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import (
    LOST_AFTER,
    awaited_events,
    awaited_runs,
    parked_entry,
    waiting_text,
    waits_over,
)
from podhatch.core.expressions.evaluation import NO_ANSWERS

from tests.fakes.answers import answered
from tests.fakes.durable import awaits, child_call, memo, over, page, sleep, wait
from tests.fakes.objects import NOW, ago, event, run

ENDED = {"spec": {}, "status": {"phase": "Succeeded", "finishedAt": ago(5)}}
PARKED = {"tasks": [{"name": "a", "state": "Waiting"}]}


def planned(
    log: JsonObject,
    *events: JsonObject,
    its_run: JsonObject | None = None,
    children: Mapping[str, JsonObject] | None = None,
    later: float = 0,
) -> Plan:
    now = NOW + timedelta(seconds=later)
    its_run = its_run or run()
    observed = ObservedDurableLog(log, its_run, events, children or {})
    return answered(
        lambda known: (
            plan_durable_log(
                ObservedDurableLog(log, its_run, events, children or {}, answers=known), now
            )
            if events
            else plan_durable_log(observed, now)
        )
    )


def status(plan: Plan) -> JsonObject:
    assert plan.status is not None
    return plan.status


def waits(plan: Plan) -> list[JsonObject]:
    return status(plan).get("waits", [])


def test_a_sleep_says_until_when_and_is_over_then() -> None:
    log = page(wait(1, sleep(60), seconds_ago=20))
    plan = planned(log)
    assert status(plan) == {
        "waiting": "sleeps until 2026-11-23 12:00:40 UTC",
        "nextAt": "2026-11-23T12:00:40.000000Z",
    }
    assert (plan.requeue_at, plan.urgent) == (NOW + timedelta(seconds=40), False)
    told = {**log, "status": plan.status}
    assert planned(told) == Plan(requeue_at=plan.requeue_at)
    plan = planned(told, later=40)
    [found] = waits(plan)
    assert found["overAt"] == "2026-11-23T12:00:40.000000Z"
    assert [each["key"] for each in found["met"]] == ["sleep:60s"]
    assert plan.urgent
    assert "waiting" not in status(plan)


def test_an_event_ends_a_wait_with_its_payload() -> None:
    log = page(wait(1, awaits("go", expression="input.n == 2"), seconds_ago=20))
    assert status(planned(log, event("go", 10, payload={"n": 1}))) == {
        "waiting": "waits for event go"
    }
    [found] = waits(planned(log, event("go", 10, payload={"n": 2}, seenAt=ago(10))))
    assert found == over(
        1, seconds_ago=10, met=[{"key": "go", "at": found["overAt"], "value": '{"n":2}'}]
    ) | {"overAt": "2026-11-23T11:59:50.000000Z"}


def test_what_an_expression_gives_is_asked_first() -> None:
    log = page(wait(1, awaits(expression="input.n == 2"), seconds_ago=20))
    observed = ObservedDurableLog(log, run(), [event(payload={"n": 2})], answers=NO_ANSWERS)
    plan = plan_durable_log(observed, NOW)
    assert [each.code for each in plan.evaluate] == ["input.n == 2"]
    assert plan.status is None


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (awaits(expression="input.none"), "Key not found"),
        (awaits(considerEventsSince="2026-13-40T00:00:00Z"), "is not a time"),
        ({"parent": {"name": "b", "expression": "true"}}, "takes sleeps and events only"),
    ],
)
def test_a_wait_that_cannot_end_ends_with_an_error(condition: JsonObject, words: str) -> None:
    [found] = waits(planned(page(wait(1, condition, seconds_ago=20)), event(payload={"n": 2})))
    assert words in found["error"]
    assert "overAt" not in found


def test_two_conditions_of_one_name_are_an_error() -> None:
    [found] = waits(planned(page(wait(1, sleep(5), {"or": [sleep(5), awaits()]}))))
    assert found["error"] == "two conditions are called 'sleep:5s': name them"


def test_a_call_that_cannot_be_read_ends_with_an_error_and_others_go_on() -> None:
    bad = {**wait(1, sleep(1)), "at": "yesterday"}
    first, second = waits(planned(page(bad, wait(2, sleep(1), seconds_ago=2))))
    assert first["error"].startswith("the call cannot be read: at: ")
    assert second["node"] == 2
    assert "overAt" in second


def test_a_group_is_over_by_its_first_member_and_a_list_by_its_last_group() -> None:
    both = wait(1, {"or": [awaits("go"), sleep(30)]}, sleep(5), seconds_ago=20)
    [found] = waits(planned(page(both), event("go", seenAt=ago(18))))
    assert found["overAt"] == "2026-11-23T11:59:45.000000Z"
    assert [each["key"] for each in found["met"]] == ["go", "sleep:5s"]
    plan = planned(page(both))
    assert status(plan)["waiting"] == (
        "waits for event go or until 2026-11-23 12:00:10 UTC and until 2026-11-23 11:59:45 UTC"
    )
    [found] = waits(planned(page(both), later=11))
    assert [each["key"] for each in found["met"]] == ["sleep:30s", "sleep:5s"]


def test_an_event_that_came_after_the_time_out_does_not_count() -> None:
    log = page(wait(1, {"or": [awaits("go"), sleep(5)]}, seconds_ago=20))
    [found] = waits(planned(log, event("go", seenAt=ago(1))))
    assert [each["key"] for each in found["met"]] == ["sleep:5s"]


def test_an_event_that_was_seen_is_remembered_when_it_has_expired() -> None:
    log = page(wait(1, awaits("go"), awaits("on"), seconds_ago=20))
    plan = planned(log, event("go", seenAt=ago(10), payload={"n": 1}))
    [found] = waits(plan)
    assert ("overAt" in found, [each["key"] for each in found["met"]]) == (False, ["go"])
    assert status(plan)["waiting"] == "waits for event on"
    [found] = waits(planned({**log, "status": plan.status}, event("on", seenAt=ago(2))))
    assert [each["key"] for each in found["met"]] == ["go", "on"]
    assert found["overAt"] == "2026-11-23T11:59:58.000000Z"


def test_events_of_before_the_wait_count_if_it_looks_back() -> None:
    early = event("go", seenAt=ago(30))
    assert "waits" not in status(planned(page(wait(1, awaits("go"), seconds_ago=20)), early))
    back = wait(1, awaits("go", considerEventsSince=ago(40)), seconds_ago=20)
    [found] = waits(planned(page(back), early))
    assert found["overAt"] == "2026-11-23T11:59:40.000000Z"


def test_a_clock_that_is_ahead_loses_no_event_and_lengthens_no_sleep() -> None:
    log = page(wait(1, awaits("go"), seconds_ago=-60), wait(2, sleep(10), seconds_ago=-60))
    plan = planned(log)
    assert [each["since"] for each in waits(plan)] == ["2026-11-23T12:00:00.000000Z"] * 2
    told = {**log, "status": plan.status}
    first, second = waits(planned(told, event("go", seenAt=ago(-3)), later=10))
    assert first["overAt"] == "2026-11-23T12:00:03.000000Z"
    assert second["overAt"] == "2026-11-23T12:00:10.000000Z"


def test_a_clock_that_is_behind_counts_from_the_page_on() -> None:
    log = page(wait(1, sleep(3700), seconds_ago=9999))
    assert status(planned(log))["nextAt"] == "2026-11-23T12:01:40.000000Z"


def test_a_wait_for_nothing_is_over_at_once() -> None:
    [found] = waits(planned(page(wait(1, seconds_ago=20))))
    assert found == {"node": 1, "branch": 1, "overAt": "2026-11-23T11:59:40.000000Z"}


def test_a_child_is_over_with_its_run() -> None:
    log = page(child_call(1, seconds_ago=600))
    going = {"spec": {}, "status": {"phase": "Running"}}
    assert status(planned(log, children={"child-1": going})) == {"waiting": "waits for run child-1"}
    [found] = waits(planned(log, children={"child-1": ENDED}))
    assert found["overAt"] == "2026-11-23T11:59:55.000000Z"
    untimed = {"spec": {}, "status": {"phase": "Failed"}}
    [found] = waits(planned(log, children={"child-1": untimed}))
    assert found["overAt"] == "2026-11-23T12:00:00.000000Z"


def test_a_child_that_is_gone_ends_the_wait_of_a_task_without_a_pod() -> None:
    log = page(child_call(1, seconds_ago=20))
    assert waits(planned(log)) == []  # its pod is about to make it
    plan = planned(log, its_run=run(PARKED))
    assert (waits(plan), "nextAt" in status(plan)) == ([], False)
    assert plan.requeue_at == NOW - timedelta(seconds=20) + LOST_AFTER
    [found] = waits(planned(log, its_run=run(PARKED), later=60))
    assert found["error"] == "the run child-1 was deleted before it ended"


def test_a_child_that_the_operator_sees_late_is_not_lost() -> None:
    log = page(child_call(1, seconds_ago=600))
    just_parked = run({"tasks": [{**PARKED["tasks"][0], "evictedAt": ago(5)}]})
    plan = planned(log, its_run=just_parked)
    assert waits(plan) == []
    assert plan.requeue_at == NOW - timedelta(seconds=5) + LOST_AFTER
    long_parked = run({"tasks": [{**PARKED["tasks"][0], "evictedAt": ago(600)}]})
    just_called = planned(page(child_call(1, seconds_ago=5)), its_run=long_parked)
    assert waits(just_called) == [], "its pod has a successor, which is about to make it"


def test_what_is_over_stays_and_older_branches_are_forgotten() -> None:
    log = page(
        wait(1, sleep(5)),
        wait(2, sleep(5), branch=2),
        memo(3),
        waits=[over(1, seconds_ago=9), over(2), over(7)],
    )
    plan = planned(log)
    assert waits(plan) == [over(1, seconds_ago=9)]
    assert status(plan)["waiting"].startswith("sleeps until")
    assert plan.urgent


@pytest.mark.parametrize(
    "its_run",
    [
        run({"phase": "Succeeded"}),
        {**run(), "metadata": {**run()["metadata"], "uid": "of-an-earlier-run"}},
    ],
)
def test_nothing_is_evaluated_for_a_run_that_is_over_or_another(its_run: JsonObject) -> None:
    log = page(wait(1, sleep(1), seconds_ago=9))
    assert planned(log, its_run=its_run) == Plan()
    assert plan_durable_log(ObservedDurableLog(log), NOW) == Plan()


def test_nothing_is_evaluated_for_a_page_that_is_being_deleted() -> None:
    log = page(wait(1, sleep(1), seconds_ago=9))
    log["metadata"]["deletionTimestamp"] = ago(1)
    assert planned(log) == Plan()


@pytest.mark.parametrize("calls", [7, ["x"], [{"kind": "Memo"}], [memo(1), memo(1)]])
def test_a_page_without_proper_calls_is_not_valid(calls: object) -> None:
    plan = planned(page(calls=calls))
    [condition] = status(plan)["conditions"]
    assert (condition["type"], condition["status"]) == ("Valid", "False")
    assert condition["reason"] == "InvalidCalls"
    told = {**page(calls=calls), "status": plan.status}
    assert planned(told).status is None
    assert status(planned({**page(memo(1)), "status": plan.status})) == {}


@pytest.mark.parametrize("stored", [{"node": 1, "met": 7}, {"node": 1, "since": "never"}])
def test_a_stored_wait_that_cannot_be_read_counts_as_none(stored: JsonObject) -> None:
    [found] = waits(planned(page(wait(1, sleep(1), seconds_ago=9), waits=[stored])))
    assert "overAt" in found


def test_a_payload_that_is_too_large_is_an_error() -> None:
    log = page(wait(1, awaits("go"), seconds_ago=20))
    large = event("go", seenAt=ago(9), payload={"x": "y" * MAX_STORED_VALUE_BYTES})
    [found] = waits(planned(log, large))
    assert found["error"].startswith("event go-1: its payload has 655")


def test_a_payload_for_which_the_status_has_no_room_is_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(durable, "MAX_STATUS_BYTES", 50)
    log = page(wait(1, awaits("go"), seconds_ago=20), wait(2, awaits("go"), seconds_ago=20))
    first, second = waits(planned(log, event("go", seenAt=ago(9), payload={"x": "y" * 20})))
    assert first["met"][0]["value"] == '{"x":"' + "y" * 20 + '"}'
    assert second["error"].endswith("does not fit into the log any more")


def test_room_for_payloads_is_counted_as_the_api_server_writes_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(durable, "MAX_STATUS_BYTES", 100)
    log = page(wait(1, awaits("go"), seconds_ago=20))
    [found] = waits(planned(log, event("go", seenAt=ago(9), payload={"x": "y" * 20})))
    assert "overAt" in found
    [found] = waits(planned(log, event("go", seenAt=ago(9), payload={"x": "<" * 20})))
    assert found["error"].endswith("does not fit into the log any more")


def test_a_page_and_its_status_are_never_too_large_to_be_held() -> None:
    frame = 100 * 1024
    assert max(MAX_PAGE_BYTES, MAX_ENTRY_BYTES) + MAX_STATUS_BYTES + frame <= MAX_OBJECT_BYTES
    assert stored_size("<" * MAX_STORED_VALUE_BYTES) < MAX_ENTRY_BYTES


def test_a_text_names_a_few_waits() -> None:
    log = page(*(wait(node, awaits(f"e{node}")) for node in range(1, 9)))
    told = status(planned(log))["waiting"]
    assert told.startswith("waits for event e1; waits for event e2; ")
    assert told.endswith("waits for event e5; 3 more")


def test_progress_counts_the_waits_of_all_pages_that_are_over() -> None:
    pages = [
        page(wait(1), memo(2), wait(3), waits=[over(1), over(9), {"node": 3, "met": []}]),
        page(wait(4), wait(5, branch=2), waits=[{"node": 4, "error": "x"}, over(5)], number=1),
    ]
    assert waits_over(pages) == 2
    assert waits_over([]) == 0


def test_calls_that_the_last_page_lists_as_cancelled_resume_no_task() -> None:
    first = page(wait(1), wait(2), wait(3), waits=[over(1), over(2), over(3)], cancelled=[1])
    last = page(wait(4), number=1, waits=[over(4)], cancelled=[2, 4])
    assert waits_over([first]) == 2
    assert waits_over([first, last]) == waits_over([last, first]) == 2


def test_a_cancelled_wait_is_not_told_and_is_judged_all_the_same() -> None:
    log = page(wait(1, sleep(60)), wait(2, awaits("go")), cancelled=[1])
    plan = planned(log)
    assert status(plan) == {"waiting": "waits for event go"}
    assert plan.requeue_at == NOW + timedelta(seconds=60)
    [found] = waits(planned(log, later=60))
    assert (found["node"], "overAt" in found) == (1, True)
    earlier = page(wait(1, sleep(60)), cancelled=[1], closed=True)
    assert "sleeps until" in status(planned(earlier))["waiting"], "a later page may say otherwise"


def test_progress_names_what_open_calls_wait_for() -> None:
    log = page(
        wait(1, awaits("a")),
        wait(2, awaits("b"), {"or": [awaits("c"), sleep(1)]}),
        child_call(3),
        child_call(4, "child-2"),
        waits=[over(1), over(4)],
    )
    assert awaited_events(log) == {"b", "c"}
    assert awaited_runs(log) == {"child-1"}


SHAPELESS: list[JsonObject] = [
    {},
    {"spec": 7, "status": []},
    {"spec": {"calls": {}}, "status": {"waits": "x", "waiting": 7}},
    {"spec": {"calls": [1, {"node": "x"}, {"node": 1, "branch": [], "waitFor": 3}]}},
    {"spec": {"calls": [{"node": 1, "waitFor": [{"event": {"key": 7}}, 8], "child": {}}]}},
]


@pytest.mark.parametrize("log", SHAPELESS)
def test_progress_trusts_no_shape(log: JsonObject) -> None:
    assert waits_over([log]) == 0
    assert awaited_events(log) == set()
    assert awaited_runs(log) == set()
    assert waiting_text([log]) == "waits without a pod"
    assert parked_entry(log, "a") is None


def test_what_a_task_waits_for_is_told_of_all_pages() -> None:
    pages = [{"status": {"waiting": "waits for run x"}}, {}, {"status": {"waiting": "sleeps"}}]
    assert waiting_text(pages) == "waits for run x; sleeps"
    assert len(waiting_text([{"status": {"waiting": "x" * 900}}] * 2)) == 1000
