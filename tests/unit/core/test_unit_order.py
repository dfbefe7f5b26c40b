"""Whose turn it is at RateLimits over time, as they are planned whenever they are woken."""

from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject, format_time
from podhatch.core.admission import buckets, units
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.admission.slots import MAX_PASSES
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.rate_limit.plan import plan_rate_limit

from tests.unit.core.rate_limits import NOW, granted, limit, waiting


class Living:
    """An index with limits that are planned when they are woken."""

    def __init__(self, *limits: JsonObject) -> None:
        self.now = NOW
        self.index = RateLimitIndex()
        self.limits: dict[str, JsonObject] = {}
        self.woken: dict[str, None] = {}
        self.index.start(lambda _, name: self.woken.update({name: None}), lambda _, __: None)
        for each in limits:
            self.put(each)

    def put(self, *objects: JsonObject) -> None:
        for each in objects:
            if "rateLimits" in each["status"]:
                self.index.observe_run(each)
            else:
                self.limits[each["metadata"]["name"]] = each
                self.index.observe_limit(each)
        while self.woken:
            name, _ = self.woken.popitem()
            if name in self.limits:
                observed = ObservedRateLimit(self.limits[name], self.index.of("default"))
                if status := plan_rate_limit(observed, self.now).status:
                    self.limits[name] = {**self.limits[name], "status": status}
                    self.index.observe_limit(self.limits[name])

    def granted(self, name: str) -> list[str]:
        return [each["job"] for each in self.limits[name]["status"].get("grants", [])]

    def start(self, job: str) -> None:
        """An attempt starts: its run claims nothing any more."""
        self.put({**waiting(job, {}), "status": {"phase": "Running", "rateLimits": []}})

    def drop(self, name: str) -> None:
        """A limit is deleted."""
        del self.limits[name]
        self.index.forget_limit("default", name)
        self.put()

    def look_at(self, name: str) -> None:
        """The window of a limit ends."""
        self.woken[name] = None
        self.put()


def test_nobody_overtakes_by_way_of_another_limit() -> None:
    limits = Living(limit("a"), limit("api", used=1, windowStart=format_time(NOW)))
    limits.put(waiting("large", {"api": 3}, NOW - timedelta(seconds=1)))
    limits.put(waiting("other", {"a": 1, "api": 1}))
    assert limits.granted("a") == []


def test_one_for_which_a_limit_becomes_too_small_keeps_nobody() -> None:
    limits = Living(limit("api"), limit("db", 2, used=1, windowStart=format_time(NOW)))
    limits.put(waiting("a", {"api": 1, "db": 2}), waiting("b", {"db": 1}))
    assert limits.granted("db") == []
    limits.put(limit("api", 0))
    assert limits.granted("db") == ["b"]
    limits.put(limit("api", 3))
    assert limits.granted("api") == []


def test_one_that_is_too_large_keeps_nobody_behind_one_that_is_granted() -> None:
    limits = Living(limit("api"), limit("db", 2))
    limits.put(waiting("a", {"api": 1, "db": 1}), waiting("b", {"api": 1, "db": 3}))
    limits.put(waiting("c", {"api": 1, "db": 1}), waiting("d", {"db": 1}))
    assert limits.granted("db") == ["a", "c"]
    assert limits.granted("api") == ["a", "c"]


def test_a_limit_that_grew_is_used_by_one_that_was_too_large() -> None:
    limits = Living(limit("api"))
    limits.put(waiting("a", {"api": 4}))
    assert limits.granted("api") == []
    limits.put(limit("api", 4))
    assert limits.granted("api") == ["a"]


def test_a_lowered_limit_takes_back_what_is_not_written_yet() -> None:
    index = RateLimitIndex()
    index.observe_limit(limit("api", 3))
    index.observe_limit(limit("db", 3))
    index.observe_run(waiting("a", {"api": 2, "db": 2}))
    queues = index.of("default")
    plan_rate_limit(ObservedRateLimit(limit("api", 3), queues), NOW)
    lowered = limit("db", 1)
    index.observe_limit(lowered)
    assert granted(plan_rate_limit(ObservedRateLimit(lowered, queues), NOW)) == []
    assert granted(plan_rate_limit(ObservedRateLimit(limit("api", 3), queues), NOW)) == []


def test_more_attempts_than_a_status_holds_are_granted_once_some_have_started(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(buckets, "MAX_GRANTS", 2)
    monkeypatch.setattr(units, "MAX_GRANTS", 2)
    limits = Living(limit("api", 9), limit("db", 9))
    for name in "abc":
        limits.put(waiting(name, {"api": 1}))
    assert limits.granted("api") == ["a", "b"]
    limits.start("a")
    assert limits.granted("api") == ["b", "c"]


def test_who_needs_two_limits_is_not_overtaken_for_ever() -> None:
    """Their windows begin at different times, so that never both have units left."""
    limits = Living(limit("a", 1), limit("b", 1))
    half, order = timedelta(seconds=30), list[str]()
    limits.put(waiting("a-00", {"a": 1}, NOW - half))
    limits.start("a-00")
    limits.now += half
    limits.put(waiting("b-00", {"b": 1}, NOW - half))
    limits.start("b-00")
    limits.put(waiting("both", {"a": 1, "b": 1}))
    for number in range(1, 12):
        limits.put(waiting(f"a-{number:02}", {"a": 1}, NOW + half))
        limits.put(waiting(f"b-{number:02}", {"b": 1}, NOW + half))
    while "both" not in order:
        limits.now += half
        name = "ab"[len(order) % 2]
        limits.look_at(name)
        granted = limits.granted(name)
        order += granted or ["nobody"]
        for job in granted:
            limits.start(job)
    assert order.index("both") == MAX_PASSES + 1
    assert "nobody" not in order[:MAX_PASSES]


def test_no_units_are_kept_while_a_limit_with_a_longer_window_has_none() -> None:
    """Those of a minute are used each minute; only those of the hour are kept, for a minute."""
    limits = Living(limit("minute", 1), limit("hour", 1, "HOUR"))
    half, grants = timedelta(seconds=30), {"hour": list[str](), "minute": list[str]()}
    limits.put(waiting("m-000", {"minute": 1}, NOW - half))
    limits.start("m-000")
    limits.now += half
    limits.put(waiting("h-000", {"hour": 1}, NOW - half))
    limits.start("h-000")
    limits.put(waiting("both", {"hour": 1, "minute": 1}, NOW + half))
    for number in range(1, 700):
        limits.put(waiting(f"m-{number:03}", {"minute": 1}, NOW + 2 * half))
    for number in range(1, 12):
        limits.put(waiting(f"h-{number:03}", {"hour": 1}, NOW + 2 * half))
    while "both" not in grants["hour"] + grants["minute"]:
        limits.now += half
        for name in ("hour", "minute"):
            limits.look_at(name)
            grants[name] += limits.granted(name)
            for job in limits.granted(name):
                limits.start(job)
    minutes = (limits.now - NOW) // timedelta(minutes=1)
    assert len(grants["minute"]) >= minutes
    assert len(grants["hour"]) == MAX_PASSES // 2


def test_one_in_the_middle_of_a_line_that_ends_leaves_the_others_in_order() -> None:
    limits = Living(limit(units=2, used=2, windowStart=format_time(NOW)))
    for name in "abc":
        limits.put(waiting(name, {"api": 1}))
    limits.start("b")
    assert limits.granted("api") == []
    limits.now += timedelta(minutes=1)
    limits.look_at("api")
    assert limits.granted("api") == ["a", "c"]


def test_one_that_is_too_large_may_end_and_leaves_the_others() -> None:
    limits = Living(limit(units=0))
    for name in "abc":
        limits.put(waiting(name, {"api": 1}))
    limits.start("b")
    limits.put(limit(units=3))
    assert limits.granted("api") == ["a", "c"]


def test_a_run_that_is_seen_again_keeps_its_place() -> None:
    limits = Living(limit(units=1, used=1, windowStart=format_time(NOW)))
    first = waiting("b", {"api": 1})
    limits.put(first, waiting("c", {"api": 1}), first)
    limits.now += timedelta(minutes=1)
    limits.look_at("api")
    assert limits.granted("api") == ["b"]


def test_a_limit_that_goes_takes_back_what_its_attempts_have_of_others() -> None:
    limits = Living(limit("api"), limit("db", 1))
    limits.put(waiting("a", {"api": 1, "db": 1}), waiting("b", {"api": 9, "db": 1}))
    assert limits.granted("db") == ["a"]
    limits.drop("api")
    limits.put(waiting("c", {"db": 1}))
    assert limits.granted("db") == ["c"]
    limits.start("c")
    limits.put(limit("api"), limit("db", 2, used=1, windowStart=format_time(NOW)))
    assert limits.granted("api") == limits.granted("db") == ["a"]


def test_a_limit_that_only_one_too_large_needs_may_go_and_come_back() -> None:
    limits = Living(limit("api"))
    limits.put(waiting("a", {"api": 9}))
    limits.drop("api")
    limits.put(limit("api", 9))
    assert limits.granted("api") == ["a"]


def test_a_lowered_limit_takes_nothing_back_that_is_written() -> None:
    limits = Living(limit())
    limits.put(waiting("a", {"api": 2}))
    limits.put({**limits.limits["api"], "spec": limit("api", 1)["spec"]})
    assert limits.granted("api") == ["a"]


def test_the_next_of_a_line_waits_where_there_is_too_little_for_it() -> None:
    """It is not looked at when the first limit changes: the second is what it waits for."""
    limits = Living(limit("api", 9), limit("db", 2))
    limits.put(waiting("a", {"api": 1, "db": 1}), waiting("b", {"api": 1, "db": 2}))
    limits.put(waiting("c", {"api": 1}))
    assert limits.granted("api") == ["a", "c"]
    limits.start("a")
    limits.now += timedelta(minutes=1)
    limits.look_at("db")
    assert limits.granted("db") == ["b"]
