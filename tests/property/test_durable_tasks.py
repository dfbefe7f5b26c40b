"""Durable tasks: no wait that is over is missed, one pod a resume, and a resume is nothing else.

The operator sees the log and the events late, may end between making a Job and writing the status,
and pods may be killed, or give up while something happens that they have not seen. They may also
report that they have seen less than was known when they were made: then a backoff comes first.
"""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from podhatch.api import labels
from podhatch.api.limits import MAX_SECONDS
from podhatch.api.model import JsonObject, format_time
from podhatch.api.task_status import MAX_DISRUPTIONS
from podhatch.core.common.observed import Observed, ObservedDurableLog
from podhatch.core.common.plan import Plan
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import open_calls, waits_over
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision, revision_manifest

from tests.fakes.durable import awaits, page, sleep
from tests.fakes.objects import DEFAULTS, NOW, attempt_name, event, job, report, run, task, workflow

KEYS = ("x", "y")
TASK = task("a", retries=3, clusterAccess="spawn", durable={}, scheduleTimeoutSeconds=MAX_SECONDS)
FLOW = workflow(TASK)
REVISION = current_revision(FLOW)
conditions = st.one_of(
    st.builds(sleep, st.sampled_from((1, 60, 3600))), st.builds(awaits, st.sampled_from(KEYS))
)
groups = st.one_of(
    conditions,
    st.lists(conditions, min_size=2, max_size=3, unique_by=str).map(lambda each: {"or": each}),
)
lists = st.lists(groups, min_size=1, max_size=2).filter(
    lambda each: (
        len(keys := [str(leaf) for one in each for leaf in one.get("or", [one])]) == len(set(keys))
    )
)


def _job(number: int, conditions: Mapping[str, str] | None = None) -> JsonObject:
    made = job("a", number=number, conditions=conditions)
    made["metadata"]["labels"][labels.REVISION] = REVISION.name
    return made


class DurableTask(RuleBasedStateMachine):
    """A run of one durable task."""

    name: ClassVar[str] = page()["metadata"]["name"]

    def __init__(self) -> None:
        super().__init__()
        self.now = NOW
        self.run = run()
        self.jobs: dict[str, JsonObject] = {}
        self.results: dict[str, JsonObject] = {}
        self.log = page(calls=[])
        self.seen_log = self.log
        """As the operator knows it."""
        self.events: list[JsonObject] = []
        self.seen_events: list[JsonObject] = []
        self.memo = PlanMemo()
        self.made: list[int] = []
        """The numbers of all attempts."""
        self.ends = {"Evicted": 0, "Killed": 0, "Failed": 0}
        self.lies = 0
        """In a row."""
        self.resumed_from = NOW
        """No attempt may be made before."""
        self.node = 0

    # The pod.

    @property
    def pod(self) -> str | None:
        """The Job of the attempt whose pod runs."""
        name = attempt_name("a", self.made[-1]) if self.made else None
        return name if name in self.jobs and not self._has_ended(name) else None

    def _has_ended(self, name: str) -> bool:
        return name in self.results or bool(self.jobs[name]["status"]["conditions"])

    @precondition(lambda self: self.pod is not None and self.node < 12)
    @rule(waits_for=lists, skew=st.sampled_from((0, 0, 0, 5)))
    def call(self, waits_for: list[JsonObject], skew: int) -> None:
        self.node += 1
        made = {
            "node": self.node,
            "kind": "WaitFor",
            "key": "k",
            "waitFor": waits_for,
            "at": format_time(self.now + timedelta(seconds=skew)),
        }
        spec = {**self.log["spec"], "calls": [*self.log["spec"]["calls"], made]}
        self.log = {**self.log, "spec": spec}

    @precondition(lambda self: self.pod is not None and bool(open_calls(self.log)))
    @rule(unseen=st.integers(0, 2), data=st.data())
    def evict(self, unseen: int, data: st.DataObject) -> None:
        """The pod gives up; of the waits that are over it may not have seen the last.

        It has cancelled some of its waits, but not all.
        """
        self.lies = 0
        nodes = st.sampled_from([call["node"] for call in open_calls(self.log)])
        most = len(open_calls(self.log)) - 1
        cancelled = data.draw(st.lists(nodes, unique=True, max_size=most))
        self.log = {**self.log, "spec": {**self.log["spec"], "cancelled": cancelled}}
        seen = max(waits_over([self.log]) - unseen, self.known)
        self._report("Evicted", waitsOver=seen)

    @property
    def known(self) -> int:
        """How many waits were over when the pod was made."""
        return int(self.jobs[self.pod or ""]["metadata"]["annotations"][labels.WAITS_OVER])

    @precondition(lambda self: self.pod is not None and self.known > 0)
    @rule()
    def evict_without_a_look(self) -> None:
        """The pod gives up, and says that it has seen no wait that is over."""
        self.lies += 1
        self.resumed_from = self.now + timedelta(seconds=min(2**self.lies, 60))
        self._report("Evicted", waitsOver=0)

    @precondition(lambda self: self.pod is not None and self.ends["Failed"] < 3)
    @rule()
    def fail(self) -> None:
        self._report("Failed", error={"type": "E", "message": "m"})

    @precondition(lambda self: self.pod is not None and self.ends["Killed"] < MAX_DISRUPTIONS)
    @rule()
    def kill(self) -> None:
        """The pod is lost without a report, and its Job fails."""
        name, self.ends["Killed"] = self.pod or "", self.ends["Killed"] + 1
        self.jobs[name] = _job(self.made[-1], {"Failed": "PodFailurePolicy"})
        self.now += timedelta(seconds=6)

    def _report(self, outcome: str, **fields: object) -> None:
        name, self.ends[outcome] = self.pod or "", self.ends[outcome] + 1
        spec = report("a", outcome, **fields) | {"attempt": self.made[-1]}
        self.results[name] = {"metadata": {"name": name}, "spec": spec}

    # What happens around.

    @precondition(lambda self: len(self.events) < 6)
    @rule(key=st.sampled_from(KEYS))
    def push(self, key: str) -> None:
        raw = event(key, seenAt=format_time(self.now), payload={"n": len(self.events)})
        raw["metadata"]["name"] = f"event-{len(self.events)}"
        self.events.append(raw)

    @rule(seconds=st.sampled_from((0.5, 2, 61, 3601)))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    # The operator.

    @rule()
    def hear_of_the_log(self) -> None:
        self.seen_log = self.log

    @rule(data=st.data())
    def hear_of_events(self, data: st.DataObject) -> None:
        """Events are seen late, twice, and in another order."""
        some = data.draw(st.lists(st.sampled_from(self.events))) if self.events else []
        self.seen_events += [each for each in some if each not in self.seen_events]
        self.seen_events = data.draw(st.permutations(self.seen_events))

    @rule()
    def reconcile_log(self) -> None:
        self.plan_log()

    @rule(dies=st.booleans())
    def reconcile_run(self, dies: bool) -> None:
        self.plan_run(dies)

    def plan_log(self) -> bool:
        """Plan the log; a status for an older version of it is refused."""
        observed = ObservedDurableLog(self.seen_log, self.run, self.seen_events)
        plan = plan_durable_log(observed, self.now)
        assert plan == plan_durable_log(observed, self.now)
        if plan.status is None or self.seen_log is not self.log:
            return False
        self.log = self.seen_log = {**self.log, "status": plan.status}
        return True

    def plan_run(self, dies: bool) -> bool:
        """Plan the run; the operator may end before it writes the status."""
        pinned = {REVISION.name: revision_manifest(REVISION, FLOW)}
        observed = Observed(self.run, FLOW, pinned, {**self.jobs}, results={**self.results})
        observed = replace(observed, durable_logs={self.name: self.seen_log})
        plan = plan_run(observed, DEFAULTS, self.now, self.memo)
        assert plan == plan_run(observed, DEFAULTS, self.now)
        self._make(plan)
        if dies:
            self.memo = PlanMemo()
            return bool(plan.create)
        for each in plan.delete:
            {"Job": self.jobs, "TaskResult": self.results}[each.kind].pop(each.name, None)
        if plan.status is not None:
            self.run = {**self.run, "status": plan.status}
        return plan != replace(plan, writes=(), status=None)

    def _make(self, plan: Plan) -> None:
        for each in plan.create:
            if each["kind"] == "Job" and each["metadata"]["name"] not in self.jobs:
                assert self.pod is None, "a task has two pods"
                number = int(each["metadata"]["labels"]["podhatch.dev/attempt"])
                assert number not in self.made, "an attempt is made twice"
                assert self.now >= self.resumed_from, "a pod is made again and again"
                self.made.append(number)
                made = self.jobs[each["metadata"]["name"]] = _job(number)
                made["metadata"]["annotations"] = each["metadata"]["annotations"]

    @rule()
    def settle(self) -> None:
        """Let the operator hear of everything and do all that there is to do."""
        while True:
            self.seen_log, self.seen_events = self.log, [*self.events]
            changed = [self.plan_log(), self.plan_run(dies=False)]
            if not any(changed):
                break
        entry = self.entry
        if entry.get("state") == "Waiting" and not self._is_held_back(entry):
            assert waits_over([self.log]) <= entry["waitsOver"], "a wait that is over is missed"
        for call in open_calls(self.log):
            assert not self._is_over(call), f"a wait is over and nobody says so: {call}"
        self._check_counts(entry)

    def _is_held_back(self, entry: JsonObject) -> bool:
        until: str | None = entry.get("nextAttemptAt")
        return until is not None and self.now < datetime.fromisoformat(until)

    @property
    def entry(self) -> JsonObject:
        tasks: list[JsonObject] = self.run.get("status", {}).get("tasks", [{}])
        return tasks[0]

    def _is_over(self, call: JsonObject) -> bool:
        """Judge a call in the plainest way."""
        waits: list[JsonObject] = self.log.get("status", {}).get("waits", [])
        known = {each["node"]: each.get("since") for each in waits}
        stored: str = known.get(call["node"]) or call["at"]
        since = min(datetime.fromisoformat(stored), self.now)

        def holds(leaf: JsonObject) -> bool:
            if "sleepSeconds" in leaf:
                return since + timedelta(seconds=leaf["sleepSeconds"]) <= self.now
            return any(
                each["spec"]["key"] == leaf["event"]["key"]
                and datetime.fromisoformat(each["spec"]["seenAt"]) >= since
                for each in self.events
            )

        return all(any(map(holds, group.get("or", [group]))) for group in call["waitFor"])

    def _check_counts(self, entry: JsonObject) -> None:
        if not entry:
            return
        counts = [entry.get(each, 0) for each in ("retries", "disruptions", "resumes")]
        retries, disruptions, resumes = counts
        assert (retries, disruptions) == (self.ends["Failed"], self.ends["Killed"])
        is_parked = entry["state"] == "Waiting"
        assert resumes == self.ends["Evicted"] - is_parked
        if "job" in entry:
            assert entry["attempt"] == 1 + retries + disruptions + resumes

    @invariant()
    def a_parked_task_has_no_pod(self) -> None:
        entry = self.entry
        if entry.get("state") == "Waiting":
            assert "job" not in entry
            assert self.pod is None or self.made[-1] > entry["attempt"]


TestDurableTask = DurableTask.TestCase
