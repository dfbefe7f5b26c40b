"""Who gets units of a RateLimit, and what its status says."""

from datetime import UTC, datetime, timedelta

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.rate_limit import TaskRateLimit
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.admission import buckets, units
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.admission.slots import MAX_PASSES
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.rate_limit.claims import needs_of, rate_limit_problems
from podhatch.core.rate_limit.plan import plan_rate_limit

from tests.fakes.objects import task, workflow
from tests.unit.core.planning import plan as plan_flow
from tests.unit.core.planning import stored

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def limit(
    name: str = "api", units: int = 3, duration: str = "MINUTE", **status: object
) -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"key": name, "limit": units, "duration": duration},
        "status": status,
    }


def waiting(
    name: str, needs: dict[str, int], since: datetime = NOW, priority: int = 1
) -> JsonObject:
    shared = {"task": "t", "job": name, "since": format_time(since), "priority": priority}
    claims = [{**shared, "limit": each, "units": units} for each, units in needs.items()]
    return {
        "metadata": {"name": f"run-{name}", "namespace": "default"},
        "spec": {"workflow": "w"},
        "status": {"phase": "Running", "rateLimits": claims},
    }


def plan(own: JsonObject, *runs: JsonObject, others: tuple[JsonObject, ...] = ()) -> Plan:
    index = RateLimitIndex()
    for each in runs:
        index.observe_run(each)
    for each in (own, *others):
        index.observe_limit(each)
    return plan_rate_limit(ObservedRateLimit(own, index.of("default")), NOW)


def granted(planned: Plan) -> list[str]:
    assert planned.status
    return [each["job"] for each in planned.status.get("grants", [])]


def test_an_idle_limit_says_what_is_left() -> None:
    planned = plan(limit())
    assert planned.status == {"observedGeneration": 1, "left": 3}
    assert planned.requeue_at is None


def test_units_are_granted_in_the_order_of_waiting() -> None:
    early = waiting("early", {"api": 2}, NOW - timedelta(seconds=5))
    planned = plan(limit(), waiting("late", {"api": 1}), early, waiting("z", {"api": 1}))
    assert granted(planned) == ["early", "late"]
    assert planned.status
    assert (planned.status["used"], planned.status["left"]) == (3, 0)
    assert planned.status["refillsAt"] == format_time(NOW + timedelta(minutes=1))
    assert planned.requeue_at == NOW + timedelta(minutes=1)


def test_a_higher_priority_counts_as_an_hour() -> None:
    earlier = waiting("low", {"api": 3}, NOW - timedelta(minutes=59))
    much_earlier = waiting("oldest", {"api": 3}, NOW - timedelta(minutes=61))
    high = waiting("high", {"api": 3}, priority=2)
    assert granted(plan(limit(), earlier, high)) == ["high"]
    assert granted(plan(limit(), much_earlier, high)) == ["oldest"]


def test_nobody_overtakes_one_that_needs_more_than_is_left() -> None:
    large = waiting("a", {"api": 3}, NOW - timedelta(seconds=1))
    planned = plan(limit(used=1, windowStart=format_time(NOW)), large, waiting("b", {"api": 1}))
    assert granted(planned) == []


def test_one_that_needs_more_than_there_ever_is_keeps_nobody() -> None:
    impossible = waiting("a", {"api": 4}, NOW - timedelta(seconds=1))
    assert granted(plan(limit(), impossible, waiting("b", {"api": 1}))) == ["b"]


@pytest.mark.parametrize(
    ("others", "expected"),
    [((limit("db", 5),), ["a"]), ((limit("db", 0),), []), ((), [])],
    ids=["free", "used-up", "missing"],
)
def test_all_limits_are_granted_or_none(
    others: tuple[JsonObject, ...], expected: list[str]
) -> None:
    assert granted(plan(limit(), waiting("a", {"api": 1, "db": 5}), others=others)) == expected


def test_a_grant_in_part_is_taken_back() -> None:
    held = limit(
        used=1, windowStart=format_time(NOW), grants=[{"run": "run-a", "job": "a", "units": 1}]
    )
    full = limit("db", 2, used=1, windowStart=format_time(NOW))
    planned = plan(held, waiting("a", {"api": 1, "db": 2}), others=(full,))
    assert granted(planned) == []
    assert planned.status
    assert "used" not in planned.status
    assert planned.status["left"] == 3


def test_of_two_grants_in_part_the_older_attempt_gets_the_rest() -> None:
    grants = [{"run": f"run-{job}", "job": job, "units": 1} for job in ("young", "old")]
    held = limit(used=2, windowStart=format_time(NOW), grants=grants)
    young, old = (
        waiting("young", {"api": 1, "db": 1}),
        waiting("old", {"api": 1, "db": 1}, NOW - timedelta(seconds=1)),
    )
    assert granted(plan(limit("db", 1), young, old, others=(held,))) == ["old"]


def test_units_of_what_has_started_stay_used_in_the_window() -> None:
    held = limit(
        used=2, windowStart=format_time(NOW), grants=[{"run": "run-a", "job": "a", "units": 2}]
    )
    planned = plan(held)
    assert granted(planned) == []
    assert planned.status
    assert planned.status["used"] == 2


def test_a_new_window_has_all_units_but_those_of_open_grants() -> None:
    start = NOW - timedelta(minutes=1)
    held = limit(
        used=3, windowStart=format_time(start), grants=[{"run": "run-a", "job": "a", "units": 2}]
    )
    planned = plan(held, waiting("a", {"api": 2}), waiting("b", {"api": 1}))
    assert granted(planned) == ["a", "b"]
    assert planned.status
    assert planned.status["windowStart"] == format_time(NOW)


def test_a_clock_that_goes_back_opens_no_new_window() -> None:
    start = NOW + timedelta(minutes=5)
    assert (
        granted(plan(limit(used=3, windowStart=format_time(start)), waiting("a", {"api": 1}))) == []
    )


def test_a_run_that_has_ended_waits_for_nothing() -> None:
    run = waiting("a", {"api": 1})
    run["status"]["phase"] = "Cancelled"
    assert granted(plan(limit(), run)) == []


def test_a_limit_of_a_dynamic_key_goes_once_it_is_unused_for_an_hour() -> None:
    start = NOW - timedelta(minutes=61)
    unused = limit(left=3, windowStart=format_time(start))
    unused["metadata"]["labels"] = {labels.DYNAMIC: "true"}
    assert plan(unused).writes == (Delete("RateLimit", "api"),)
    assert plan(unused, waiting("a", {"api": 1})).writes == ()
    younger = {**unused, "status": {"left": 3, "windowStart": format_time(NOW)}}
    assert plan(younger).writes == ()
    assert plan(limit(left=3, windowStart=format_time(start))).writes == ()


def test_a_limit_that_cannot_be_read_grants_nothing_and_keeps_nobody() -> None:
    broken = limit("db")
    broken["spec"]["limit"] = "many"
    both = waiting("a", {"api": 3, "db": 1}, NOW - timedelta(seconds=1))
    assert granted(plan(limit(), both, waiting("b", {"api": 1}), others=(broken,))) == ["b"]


def test_two_runs_do_not_claim_for_the_same_job() -> None:
    index = RateLimitIndex()
    first, fake = waiting("a", {"api": 1}), waiting("a", {"api": 3})
    fake["metadata"]["name"] = "fake"
    for each in (first, fake):
        index.observe_run(each)
    index.forget_run("default", "fake")
    assert [each.run for each in index.of("default").requests.values()] == ["run-a"]


def test_what_waits_is_forgotten_with_its_run_and_its_limit() -> None:
    index = RateLimitIndex()
    index.observe_run(waiting("a", {"api": 1, "db": 1}))
    index.observe_limit(limit())
    index.forget_run("default", "run-a")
    index.forget_limit("default", "api")
    assert index.count() == 0
    assert index.of("default").is_empty
    assert not index.of("default").is_wanted("db")


def test_the_other_limits_of_an_attempt_are_woken_to_write_down_their_part() -> None:
    index, woken = RateLimitIndex(), list[str]()
    for each in ("api", "db"):
        index.observe_limit(limit(each))
    index.start(lambda _, name: woken.append(name), lambda _, __: None)
    index.observe_run(waiting("a", {"api": 1, "db": 1}))
    assert woken == ["api"]
    woken.clear()
    planned = plan_rate_limit(ObservedRateLimit(limit("api"), index.of("default")), NOW)
    assert granted(planned) == ["a"]
    assert woken == ["db"]
    planned = plan_rate_limit(ObservedRateLimit(limit("db"), index.of("default")), NOW)
    assert granted(planned) == ["a"]


def test_a_status_that_cannot_be_read_claims_nothing() -> None:
    run = waiting("a", {"api": 1})
    run["status"]["rateLimits"].append({"limit": 7})
    assert granted(plan(limit(), run)) == []


def test_limits_of_one_key_are_one_need() -> None:
    limits = [TaskRateLimit(static_key="api", units=2), TaskRateLimit(static_key="api")]
    [need] = needs_of("spec.tasks[a]", limits, {}, Questions(IN_PROCESS))
    assert need.units == 3


def test_negative_units_are_a_problem_of_the_workflow() -> None:
    task = {"name": "a", "python": "m:f", "rateLimits": [{"staticKey": "api", "units": -1}]}
    spec = WorkflowSpec.model_validate({"tasks": [task]})
    assert rate_limit_problems(spec, Questions(IN_PROCESS)) == [
        "spec.tasks[a].rateLimits[0].units: expected a whole number from 0 to 2147483647, got -1"
    ]


def test_nobody_overtakes_in_a_line_of_other_limits_either() -> None:
    large = waiting("a", {"api": 3}, NOW - timedelta(seconds=1))
    other = waiting("b", {"api": 1, "db": 1})
    used = limit(used=1, windowStart=format_time(NOW))
    assert granted(plan(used, large, other, others=(limit("db"),))) == []


def test_nobody_overtakes_by_way_of_another_limit() -> None:
    limits = Living(limit("a"), limit("api", used=1, windowStart=format_time(NOW)))
    limits.put(waiting("large", {"api": 3}, NOW - timedelta(seconds=1)))
    limits.put(waiting("other", {"a": 1, "api": 1}))
    assert limits.granted("a") == []


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


def test_a_grant_in_part_is_taken_back_when_a_limit_is_gone() -> None:
    held = limit(
        used=1, windowStart=format_time(NOW), grants=[{"run": "run-a", "job": "a", "units": 1}]
    )
    assert granted(plan(held, waiting("a", {"api": 1, "db": 1}))) == []


def test_one_line_of_a_limit_stays_when_another_is_empty() -> None:
    index = RateLimitIndex()
    index.observe_limit(limit())
    for each in (waiting("a", {"api": 1}), waiting("b", {"api": 1, "db": 1})):
        index.observe_run(each)
    index.forget_run("default", "run-b")
    assert [*index.of("default").requests] == ["a"]
    assert index.of("default").is_wanted("api")


def test_what_happens_in_a_namespace_without_limits_changes_nothing() -> None:
    index = RateLimitIndex()
    index.forget_limit("default", "api")
    assert (index.count(), index.waits) == (0, 0)


def test_a_grant_that_the_next_operator_finds_is_completed() -> None:
    """It sees all limits before the run; the grant of one was stored, that of the other not yet."""
    grant = {"run": "run-a", "job": "a", "units": 1}
    index = RateLimitIndex()
    index.observe_limit(limit(used=1, windowStart=format_time(NOW), grants=[grant]))
    index.observe_limit(limit("db", 1))
    index.observe_run(waiting("b", {"db": 1}, NOW - timedelta(seconds=1)))
    index.observe_run(waiting("a", {"api": 1, "db": 1}))
    observed = ObservedRateLimit(limit("db", 1), index.of("default"))
    assert granted(plan_rate_limit(observed, NOW)) == ["a"]


def test_a_run_may_go_before_a_grant_that_its_next_operator_finds_is_completed() -> None:
    index = RateLimitIndex()
    grant = {"run": "run-a", "job": "a", "units": 1}
    stored = limit(used=1, windowStart=format_time(NOW), grants=[grant])
    index.observe_limit(stored)
    index.observe_run(waiting("a", {"api": 1, "db": 1}))
    index.forget_run("default", "run-a")
    planned = plan_rate_limit(ObservedRateLimit(stored, index.of("default")), NOW)
    assert granted(planned) == []


def test_one_in_the_middle_of_a_line_that_ends_leaves_the_others_in_order() -> None:
    limits = Living(limit(units=0))
    for name in "abc":
        limits.put(waiting(name, {"api": 1}))
    limits.start("b")
    limits.put(limit(units=1))
    assert limits.granted("api") == ["a"]
    limits.start("a")
    limits.put(limit(units=2, used=1, windowStart=format_time(NOW)))
    assert limits.granted("api") == ["c"]


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


def test_a_limit_that_nobody_knows_may_go() -> None:
    index = RateLimitIndex()
    index.observe_limit(limit())
    index.forget_limit("default", "db")
    assert index.of("default").has_limit("api")


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


def test_a_task_says_that_its_limit_cannot_be_read() -> None:
    index = RateLimitIndex()
    index.observe_limit({**limit(), "spec": {"key": "api", "limit": "many"}})
    flow = workflow(task("a", rateLimits=[{"staticKey": "api"}]))
    [entry] = stored(plan_flow(flow, queues=index.of("default")))["tasks"]
    assert entry["message"] == "the RateLimit with the key 'api' cannot be read: see its conditions"
