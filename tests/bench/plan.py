"""How long one plan of a run with 500 tasks takes, and how large its status becomes.

Called by make bench-plan; exit code 1 when a budget is missed. Needs no cluster. Times are of the
processor, so that a busy machine does not count.
"""

import json
import sys
import time

from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision

from tests.bench.report import Row, conclude
from tests.fakes.objects import DEFAULTS, NOW, attempt_name, report, run, task, workflow

TASKS = 500
LAYER = 20
ROUNDS = 30
TIMES = {"startedAt": "2026-11-23T11:00:00.123456Z", "finishedAt": "2026-11-23T11:30:00.123456Z"}


def layered_workflow(*, parents: bool = True) -> JsonObject:
    """Return a workflow in layers of 20 tasks, each with two parents in the layer above."""
    names = [f"task-{number:03}" for number in range(TASKS)]
    above = [names[max(0, place - LAYER) : place - LAYER + 2] for place in range(TASKS)]
    tasks = [
        task(name, *(above[place] if parents and place >= LAYER else ()))
        for place, name in enumerate(names)
    ]
    return workflow(*tasks)


def observed(flow: JsonObject, status: JsonObject | None, reports: list[JsonObject]) -> Observed:
    """Return a run whose workflow is pinned, with these reports of first attempts."""
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
    return Observed(run(status), flow, {revision.name: pinned}, results=results)


def reports_of(flow: JsonObject, outcome: str, **fields: object) -> list[JsonObject]:
    """Return a report of each task."""
    return [report(each["name"], outcome, **TIMES, **fields) for each in flow["spec"]["tasks"]]


def half_way() -> Observed:
    """Return a run whose first half is noted, and of whose next layer the reports have come."""
    flow = layered_workflow()
    reports = reports_of(flow, "Succeeded", output='{"answer":42}')
    status = plan_run(observed(flow, None, reports[: TASKS // 2]), DEFAULTS, NOW).status
    return observed(flow, status, reports[: TASKS // 2 + LAYER])


def milliseconds(situation: Observed) -> float:
    """Return the median time of a plan."""
    times: list[float] = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        plan_run(situation, DEFAULTS, NOW)
        times.append(time.process_time() - begin)
    return sorted(times)[ROUNDS // 2] * 1000


def kibibytes(situation: Observed) -> float:
    """Return the size of the new status as JSON."""
    status = plan_run(situation, DEFAULTS, NOW).status
    return len(json.dumps(status, ensure_ascii=False).encode()) / 1024


def main() -> int:
    """Measure, print, and compare with the budgets."""
    deep, wide = layered_workflow(), layered_workflow(parents=False)
    begun = plan_run(observed(deep, None, []), DEFAULTS, NOW).status
    large = json.dumps("x" * 4000)
    error = {"type": "ValueError", "message": "m" * 2000, "traceback": "t" * 8000}
    rows = [
        Row("plan half way", milliseconds(half_way()), "ms"),
        Row(
            "plan of all that ended at once",
            milliseconds(observed(deep, begun, reports_of(deep, "Succeeded"))),
            "ms",
        ),
        Row(
            "status, all with large outputs",
            kibibytes(observed(wide, None, reports_of(wide, "Succeeded", output=large))),
            "KiB",
        ),
        Row(
            "status, all failed with long errors",
            kibibytes(observed(wide, None, reports_of(wide, "Failed", error=error))),
            "KiB",
        ),
    ]
    return conclude("plan", rows)


if __name__ == "__main__":
    sys.exit(main())
