"""What a decision costs about a slot, or the units of a rate limit, with 10,000 queued.

Of slots, the runs are queued over 1,000 keys. Of units, the tasks wait for one key, for 1,000, or
for 1,000 and one that all need: then most keys have units left, or are used up for an hour.

Called by make bench-admission; exit code 1 when the budget is missed. Needs no cluster. Times are
of the processor, so that a busy machine does not count.
"""

import sys
import time
from collections.abc import Callable, Iterable, Sequence

from podhatch.api.limits import RateLimitWindow
from podhatch.api.model import JsonObject, format_time
from podhatch.api.rate_limit import WINDOWS
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.observed import Observed, ObservedRateLimit
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.rate_limit.plan import plan_rate_limit
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


class Waiting:
    """Tasks that wait for units, as the statuses of their runs say, and the limits."""

    def __init__(
        self, limits: Iterable[JsonObject], keys_of: Callable[[int], Sequence[str]]
    ) -> None:
        self.now = NOW
        self.index = RateLimitIndex()
        self.limits = {raw["metadata"]["name"]: raw for raw in limits}
        for raw in self.limits.values():
            self.index.observe_limit(raw)
        self.runs = {
            raw["metadata"]["name"]: raw
            for raw in (_waiting(number, keys_of(number)) for number in range(QUEUED))
        }
        for raw in self.runs.values():
            self.index.observe_run(raw)
        self.woken: dict[str, None] = {}
        self.ready: dict[str, None] = {}
        """Runs that are granted all units."""
        self.index.start(
            lambda _, limit: self.woken.update({limit: None}),
            lambda _, run_name: self.ready.update({run_name: None}),
        )

    def next_window(self, name: str) -> list[float]:
        """Begin a window of a limit; return the milliseconds of each decision that follows.

        Those that have their units start, which may wake limits once more.
        """
        self.now += WINDOWS["MINUTE"]
        self.woken, self.ready = {name: None}, {}
        times: list[float] = []
        while self.woken:
            while self.woken:
                times.append(self._decide(self.woken.popitem()[0]))
            started, self.ready = self.ready, {}
            for run_name in started:
                self.index.observe_run({**self.runs[run_name], "status": {"phase": "Running"}})
        return times

    def _decide(self, name: str) -> float:
        raw = self.limits[name]
        begin = time.process_time()
        plan = plan_rate_limit(ObservedRateLimit(raw, self.index.of("default")), self.now)
        if plan.status is not None:
            self.limits[name] = {**raw, "status": plan.status}
            self.index.observe_limit(self.limits[name])
        return (time.process_time() - begin) * 1000


def _limit(name: str, size: int, duration: RateLimitWindow = "MINUTE") -> JsonObject:
    return {
        "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"key": name, "limit": size, "duration": duration},
    }


def _waiting(number: int, keys: Sequence[str]) -> JsonObject:
    name, since = f"run-{number:05}", format_time(NOW)
    claims = [
        {"task": "work", "job": f"{name}-work-1", "limit": key, "units": 1, "since": since}
        for key in keys
    ]
    raw = run()
    metadata = {**raw["metadata"], "name": name, "namespace": "default"}
    return {**raw, "metadata": metadata, "status": {"phase": "Running", "rateLimits": claims}}


def time_units() -> list[Row]:
    """Time decisions of rate limits."""
    keys = [f"key-{number}" for number in range(KEYS)]
    small, all_together = [_limit(key, 1) for key in keys], _limit("all", QUEUED // DECISIONS)
    hourly = [_limit(key, 1, "HOUR") for key in keys]
    one = Waiting([all_together], lambda _: ["all"])
    many = Waiting(small, lambda number: [keys[number % KEYS]])
    both = Waiting([*small, all_together], lambda number: [keys[number % KEYS], "all"])
    used_up = Waiting([*hourly, all_together], lambda number: [keys[number % KEYS], "all"])
    cases = {
        "one key": [each for _ in range(DECISIONS) for each in one.next_window("all")],
        "1,000 keys": [each for key in keys for each in many.next_window(key)],
        "1,000 keys and one": [each for _ in range(DECISIONS) for each in both.next_window("all")],
        "1,000 keys used up and one": [
            each for _ in range(DECISIONS) for each in used_up.next_window("all")
        ],
    }
    return [
        Row(f"decision about units, {case}, {part}", times[len(times) * percent // 100], "ms")
        for case, times in ((case, sorted(times)) for case, times in cases.items())
        for part, percent in (("median", 50), ("99th percentile", 99))
    ]


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
            *time_units(),
        ],
    )


if __name__ == "__main__":
    sys.exit(main())
