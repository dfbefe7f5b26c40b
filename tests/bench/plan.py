"""What planning costs: a change among 1,000 tasks, and whole runs. And how large a status becomes.

Called by make bench-plan; exit code 1 when a budget is missed. Needs no cluster. Times are of the
processor, so that a busy machine does not count.
"""

import json
import sys
import time
from collections import deque
from dataclasses import dataclass, field, replace
from statistics import median

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision

from tests.bench.report import Row, conclude
from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    attempt_name,
    jobs_of,
    report,
    run,
    task,
    time_text,
    workflow,
)

TASKS = 500
MANY = 1000
CHANGES = 100
LAYER = 20
ROUNDS = 30
TIMES = {"startedAt": "2026-11-23T11:59:59.123456Z", "finishedAt": "2026-11-23T11:59:59.623456Z"}


def layered_workflow(count: int = TASKS, *, parents: bool = True) -> JsonObject:
    """Return a workflow in layers of 20 tasks, each with two parents in the layer above."""
    names = [f"task-{number:03}" for number in range(count)]
    above = [names[max(0, place - LAYER) : place - LAYER + 2] for place in range(count)]
    tasks = [
        task(name, *(above[place] if parents and place >= LAYER else ()))
        for place, name in enumerate(names)
    ]
    return workflow(*tasks)


def observed(flow: JsonObject, status: JsonObject | None, reports: list[JsonObject]) -> Observed:
    """Return a run whose workflow is pinned, with these first attempts that have reported."""
    revision = current_revision(flow)
    pinned: JsonObject = {
        "metadata": {"name": revision.name, "labels": {"podhatch.dev/workflow": "flow"}},
        "data": {"spec": flow["spec"]},
    }
    results = {
        name: {"metadata": {"name": name}, "spec": spec}
        for spec in reports
        for name in [attempt_name(spec["task"])]
    }
    return Observed(run(status), flow, {revision.name: pinned}, jobs_of(results), results=results)


def begun(flow: JsonObject) -> JsonObject:
    """Return the status of a run that has just started."""
    status = plan_run(observed(flow, None, []), DEFAULTS, NOW).status
    assert status is not None
    return status


def reports_of(flow: JsonObject, outcome: str, **fields: object) -> list[JsonObject]:
    """Return a report of each task."""
    return [report(each["name"], outcome, **TIMES, **fields) for each in flow["spec"]["tasks"]]


def half_way() -> Observed:
    """Return a run whose first half is noted, and of whose next layer the reports have come."""
    flow = layered_workflow()
    reports = reports_of(flow, "Succeeded", output='{"answer":42}')
    status = plan_run(observed(flow, begun(flow), reports[: TASKS // 2]), DEFAULTS, NOW).status
    return observed(flow, status, reports[: TASKS // 2 + LAYER])


def milliseconds(situation: Observed) -> float:
    """Return the median time of a plan."""
    times: list[float] = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        plan_run(situation, DEFAULTS, NOW)
        times.append(time.process_time() - begin)
    return sorted(times)[ROUNDS // 2] * 1000


@dataclass
class PlannedRun:
    """A run whose tasks succeed one by one, planned after each change as the operator does."""

    flow: JsonObject
    raw: JsonObject = field(default_factory=run)
    jobs: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    results: dict[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    memo: PlanMemo = field(default_factory=PlanMemo)
    running: deque[str] = field(default_factory=deque[str])
    times: list[float] = field(default_factory=list[float])
    """Of all plans, in milliseconds."""

    def __post_init__(self) -> None:
        self.pinned = observed(self.flow, None, [])

    def finish(self, count: int, *, at_once: int = 1) -> None:
        """Have so many tasks succeed, some at once between two plans."""
        self._settle()
        for number in range(count):
            name = self.running.popleft()
            made = self.jobs[name]
            done = {"type": "Complete", "status": "True", "lastTransitionTime": time_text(NOW)}
            self.jobs = {**self.jobs, name: {**made, "status": {"conditions": [done]}}}
            spec = report(made["metadata"]["labels"][labels.TASK], output='{"answer":42}', **TIMES)
            self.results = {**self.results, name: {"metadata": {"name": name}, "spec": spec}}
            if number % at_once == 0:
                self._settle()

    def _settle(self) -> None:
        while self._plan():
            pass

    def _plan(self) -> bool:
        """Plan, carry it out, and return whether the status is a new one."""
        known = replace(self.pinned, run=self.raw, jobs=self.jobs, results=self.results)
        begin = time.process_time()
        plan = plan_run(known, DEFAULTS, NOW, self.memo)
        self.times.append((time.process_time() - begin) * 1000)
        for manifest in plan.create:
            metadata = manifest["metadata"]
            metadata |= {"uid": metadata["name"], "creationTimestamp": time_text(NOW)}
            self.jobs = {**self.jobs, metadata["name"]: manifest}
            self.running.append(metadata["name"])
        if plan.status is None:
            return False
        self.raw = {**self.raw, "status": plan.status}
        return True


def times_of_changes(tasks: int, changes: int) -> list[float]:
    """Return how long the plans of a run of so many tasks take while some of them end."""
    planned = PlannedRun(layered_workflow(tasks))
    planned.finish(tasks // 3, at_once=LAYER // 2)
    planned.times.clear()
    planned.finish(changes)
    return planned.times


def kibibytes(situation: Observed) -> float:
    """Return the size of the new status as JSON."""
    status = plan_run(situation, DEFAULTS, NOW).status
    return len(json.dumps(status, ensure_ascii=False).encode()) / 1024


def main() -> int:
    """Measure, print, and compare with the budgets."""
    deep, wide = layered_workflow(), layered_workflow(parents=False)
    limited = workflow(*(task(f"task-{n:03}", concurrency=[{"maxRuns": 1}]) for n in range(MANY)))
    large = json.dumps("x" * 4000)
    error = {"type": "ValueError", "message": "m" * 2000, "traceback": "t" * 8000}
    few, many = times_of_changes(10, 6), times_of_changes(MANY, CHANGES)
    rows = [
        Row("plan of a change, 1,000 tasks", median(many), "ms"),
        Row("all plans for a task that ends, 10 tasks", sum(few) / 6, "ms"),
        Row("all plans for a task that ends, 1,000 tasks", sum(many) / CHANGES, "ms"),
        Row("plan half way", milliseconds(half_way()), "ms"),
        Row(
            "plan of all that ended at once",
            milliseconds(observed(deep, begun(deep), reports_of(deep, "Succeeded"))),
            "ms",
        ),
        Row(
            "status, all with large outputs",
            kibibytes(observed(wide, begun(wide), reports_of(wide, "Succeeded", output=large))),
            "KiB",
        ),
        Row(
            "status, all failed with long errors",
            kibibytes(observed(wide, begun(wide), reports_of(wide, "Failed", error=error))),
            "KiB",
        ),
        Row("status, 1,000 tasks wait for slots", kibibytes(observed(limited, None, [])), "KiB"),
    ]
    return conclude("plan", rows)


if __name__ == "__main__":
    sys.exit(main())
