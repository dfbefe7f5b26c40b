"""A plan with a memo is the plan without one; which attempts a run is seen to have."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run

from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    attempt_name,
    job,
    result,
    run,
    task,
    time_text,
    workflow,
)
from tests.unit.core.planning import states, stored

FLOW = workflow(task("a"), task("b", "a"), task("c", "b"), task("d", "a", "b"))
HOOK = workflow(task("a"), onFailureTask={"name": "mend", "python": "m:mend"})


@dataclass
class Operator:
    """Plans one run again and again, each time with and without a memo."""

    flow: JsonObject = field(default_factory=lambda: FLOW)
    memo: PlanMemo = field(default_factory=PlanMemo)
    seconds: float = 0

    def __post_init__(self) -> None:
        self.observed = Observed(run(), self.flow)

    def plan(self) -> Plan:
        now = NOW + timedelta(seconds=self.seconds)
        plan = plan_run(self.observed, DEFAULTS, now, self.memo)
        assert plan == plan_run(self.observed, DEFAULTS, now)
        return plan

    def act(self) -> Plan:
        """Plan, and have the cluster hold what was planned."""
        plan = self.plan()
        made = {each["metadata"]["name"]: each for each in plan.create}
        revisions = {n: each for n, each in made.items() if each["kind"] == "ControllerRevision"}
        jobs = {
            name: each | {"metadata": each["metadata"] | job("a")["metadata"] | each["metadata"]}
            for name, each in made.items()
            if each["kind"] == "Job"
        }
        self.observed = replace(
            self.observed,
            revisions={**self.observed.revisions, **revisions},
            jobs={**self.observed.jobs, **jobs},
        )
        if plan.status is not None:
            self.observed = replace(self.observed, run={**self.observed.run, "status": plan.status})
        return plan

    def reports(self, name: str, outcome: str = "Succeeded") -> None:
        results = {**self.observed.results, attempt_name(name): result(name, outcome)}
        self.observed = replace(self.observed, results=results)


def test_a_memo_changes_nothing_from_the_start_of_a_run_to_its_end() -> None:
    operator = Operator()
    operator.act()
    operator.act()
    assert operator.act().status is None
    for name in ("a", "b", "c", "d"):
        operator.seconds += 1
        operator.reports(name)
        operator.act()
        operator.act()
    assert stored(Operator.plan(replaced(operator, {})))["phase"] == "Succeeded"


def replaced(operator: Operator, status: JsonObject) -> Operator:
    """Return the operator of a run whose tasks have to be judged from their reports alone."""
    operator.observed = replace(operator.observed, run=run(status or None))
    return operator


def test_a_memo_changes_nothing_when_objects_go_away() -> None:
    operator = Operator()
    operator.act()
    operator.reports("a")
    operator.plan()
    operator.observed = replace(operator.observed, results={})
    operator.plan()
    operator.observed = replace(operator.observed, jobs={})
    assert states(operator.plan())["a"] == "Queued"


def test_a_memo_changes_nothing_when_two_jobs_say_they_are_one_attempt() -> None:
    operator = Operator(workflow(task("a")))
    operator.act()
    [(name, made)] = operator.observed.jobs.items()
    copied = {**made, "metadata": {**made["metadata"], "name": "copy"}}
    newer = {**copied, "metadata": {**copied["metadata"], "creationTimestamp": time_text(NOW)}}
    for jobs in (
        {name: made, "copy": newer},
        {name: made},
        {name: made, "copy": newer},
        {name: dict(made), "copy": newer},
        {"copy": newer},
        {name: made, "copy": copied},
        {name: made},
        {},
    ):
        operator.observed = replace(operator.observed, jobs=jobs)
        operator.plan()


def test_a_memo_changes_nothing_when_the_clock_goes_back() -> None:
    operator = Operator()
    operator.act()
    operator.seconds = 500
    operator.plan()
    operator.seconds = 10
    operator.plan()
    operator.seconds = 501
    operator.plan()


def test_a_memo_forgets_an_earlier_run_of_the_name() -> None:
    operator = Operator()
    operator.act()
    later = run()
    later["metadata"]["uid"] = "another"
    operator.observed = Observed(later, FLOW, operator.observed.revisions)
    assert len(operator.plan().create) == 1


def test_a_memo_changes_nothing_of_a_replay() -> None:
    operator = Operator(HOOK)
    operator.act()
    operator.reports("a", "Failed")
    operator.act()
    operator.act()
    operator.reports("mend")
    operator.act()
    replay = run(operator.observed.run["status"], replay={"count": 1})
    operator.observed = replace(operator.observed, run=replay)
    operator.plan()
    operator.act()
    operator.act()


def attempts_of(*jobs: JsonObject) -> list[str]:
    by_name = {each["metadata"]["name"]: each for each in jobs}
    raw = run()
    index = PlanMemo().attempts(WorkflowRun.model_validate(raw), Observed(raw, jobs=by_name))
    return [view.name for view in index.values()]


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {"podhatch.dev/task": "a", "podhatch.dev/attempt": "one"}},
        {"labels": {"podhatch.dev/attempt": "1"}},
        {"labels": None},
        {"ownerReferences": [{"uid": "another-run", "controller": True}]},
        {"ownerReferences": []},
    ],
)
def test_a_job_that_is_not_an_attempt_of_the_run_does_not_exist_for_it(wrong: JsonObject) -> None:
    other = job("a")
    other["metadata"] |= wrong
    assert attempts_of(other) == []


def test_of_two_jobs_of_one_attempt_the_older_one_is_the_attempt() -> None:
    copied = job("a", "2026-11-23T11:00:00Z")
    copied["metadata"]["name"] = "copy"
    assert attempts_of(copied, job("a", "2026-11-23T10:00:00Z")) == [attempt_name("a")]


def test_a_job_that_replaced_the_one_in_the_status_is_not_its_attempt() -> None:
    operator = Operator(workflow(task("a")))
    operator.act()
    other = job("a")
    other["metadata"]["name"] = "other"
    operator.observed = replace(operator.observed, jobs={"other": other})
    assert stored(operator.plan())["tasks"][0]["attempts"][0]["reason"] == "JobDeleted"
