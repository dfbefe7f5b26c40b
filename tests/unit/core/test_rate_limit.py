"""Who gets units of a RateLimit, and what its status says."""

from datetime import timedelta

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.rate_limit import TaskRateLimit
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.rate_limit.claims import needs_of, rate_limit_problems
from podhatch.core.rate_limit.plan import plan_rate_limit

from tests.fakes.objects import task, workflow
from tests.unit.core.planning import plan as plan_flow
from tests.unit.core.planning import stored
from tests.unit.core.rate_limits import NOW, granted, limit, waiting


def plan(own: JsonObject, *runs: JsonObject, others: tuple[JsonObject, ...] = ()) -> Plan:
    index = RateLimitIndex()
    for each in runs:
        index.observe_run(each)
    for each in (own, *others):
        index.observe_limit(each)
    return plan_rate_limit(ObservedRateLimit(own, index.of("default")), NOW)


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


def test_a_limit_that_nobody_knows_may_go() -> None:
    index = RateLimitIndex()
    index.observe_limit(limit())
    index.forget_limit("default", "db")
    assert index.of("default").has_limit("api")


def test_a_task_says_that_its_limit_cannot_be_read() -> None:
    index = RateLimitIndex()
    index.observe_limit({**limit(), "spec": {"key": "api", "limit": "many"}})
    flow = workflow(task("a", rateLimits=[{"staticKey": "api"}]))
    [entry] = stored(plan_flow(flow, queues=index.of("default")))["tasks"]
    assert entry["message"] == "the RateLimit with the key 'api' cannot be read: see its conditions"
