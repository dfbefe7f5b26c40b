"""What a decision about a slot costs with 10,000 runs queued over 1,000 keys.

Called by make bench-admission; exit code 1 when the budget is missed. Needs no cluster. Times are
of the processor, so that a busy machine does not count.
"""

import sys
import time

from podhatch.api.model import JsonObject
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.common.observed import Observed
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.run.plan import plan_admitted

from tests.bench.report import Row, conclude
from tests.fakes.objects import DEFAULTS, NOW, run, task, workflow

QUEUED, KEYS, SLOTS, DECISIONS = 10_000, 1_000, 500, 200
FLOW = workflow(
    task("work"),
    concurrency=[{"expression": "input.key", "maxRuns": 1}, {"maxRuns": SLOTS, "name": "all"}],
)


class Queue:
    """Runs of which each is planned as the operator does, and stored in memory."""

    def __init__(self) -> None:
        self.index = AdmissionIndex()
        self.woken: list[str] = []
        self.index.start(lambda _, name: self.woken.append(name))
        self.runs: dict[str, JsonObject] = {}

    def create(self, number: int) -> None:
        """Create a run, and plan it until its status says that it waits or has its slots."""
        name = f"run-{number:05}"
        raw = run(input={"key": f"key-{number % KEYS}"})
        metadata = {**raw["metadata"], "name": name, "resourceVersion": str(number + 1)}
        self.runs[name] = {**raw, "metadata": metadata}
        self.plan(name)

    def plan(self, name: str) -> None:
        """Plan a run, store its status, and have the index see it as the cache does."""
        observed = Observed(self.runs[name], FLOW, answers=IN_PROCESS, admission=self.index)
        status = plan_admitted(observed, DEFAULTS, NOW).status
        if status is not None:
            self.store(name, status)

    def store(self, name: str, status: JsonObject) -> None:
        """Store a status."""
        self.runs[name] = {**self.runs[name], "status": status}
        self.index.observe(self.runs[name])

    def holders(self) -> list[str]:
        """Return the runs that have their slots."""
        return [name for name, raw in self.runs.items() if _holds(raw)]


def _holds(raw: JsonObject) -> bool:
    return all(claim.get("held") for claim in raw["status"].get("concurrency", [{}]))


def decide(queue: Queue, holder: str) -> float:
    """End a run that holds its slots; return the milliseconds until the next one has them."""
    queue.woken.clear()
    begin = time.process_time()
    queue.store(holder, {"phase": "Succeeded"})
    woken = list(queue.woken)
    for name in woken:
        queue.plan(name)
    milliseconds = (time.process_time() - begin) * 1000
    assert len(woken) == 1, f"one slot was freed, and {len(woken)} runs were woken"
    assert _holds(queue.runs[woken[0]])
    return milliseconds


def main() -> int:
    """Measure, print, and compare with the budget."""
    queue = Queue()
    begin = time.process_time()
    for number in range(QUEUED + SLOTS):
        queue.create(number)
    each = (time.process_time() - begin) * 1000 / (QUEUED + SLOTS)
    holders = queue.holders()
    assert len(holders) == SLOTS
    times = sorted(decide(queue, holder) for holder in holders[:DECISIONS])
    return conclude(
        "admission",
        [
            Row("plans of a run until it waits", each, "ms"),
            Row("decision, median", times[DECISIONS // 2], "ms"),
            Row("decision, 99th percentile", times[DECISIONS * 99 // 100], "ms"),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
