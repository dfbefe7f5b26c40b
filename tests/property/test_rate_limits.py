"""Rate limits: never more units in a window than there are, none lost, nobody waits in vain."""

from collections import Counter
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from podhatch.api.limits import RateLimitWindow
from podhatch.api.model import JsonObject, format_time
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.observed import ObservedRateLimit
from podhatch.core.rate_limit.plan import plan_rate_limit

NAMES = ("a", "b", "c")
DURATIONS: tuple[RateLimitWindow, ...] = ("SECOND", "MINUTE", "HOUR")
units = st.integers(0, 4)


class Limits(RuleBasedStateMachine):
    """Tasks that take units of three limits, and an operator that may end before each write."""

    def __init__(self) -> None:
        super().__init__()
        self.now = datetime(2026, 1, 1, tzinfo=UTC)
        self.limits: dict[str, JsonObject] = {}
        self.runs: dict[str, JsonObject] = {}
        self.started = Counter[tuple[str, str | None]]()
        """Units of attempts that have started, by the limit and the start of its window."""
        self.count = 0
        self.restart()

    @rule()
    def restart(self) -> None:
        """A new operator lists everything, looks at everything, and remembers nothing."""
        self.index = RateLimitIndex()
        self.due: dict[str, datetime | None] = {}
        """When a limit is planned again, by its name."""
        for raw in self.limits.values():
            self.index.observe_limit(raw)
        for raw in self.runs.values():
            self.index.observe_run(raw)
        self.woken = dict.fromkeys(self.limits)
        self.woken_runs = dict.fromkeys(self.runs)
        self.index.start(
            lambda _, limit: self.woken.update({limit: None}),
            lambda _, run: self.woken_runs.update({run: None}),
        )

    @initialize(sizes=st.tuples(*[st.integers(0, 5)] * 3))
    def put(self, sizes: tuple[int, int, int]) -> None:
        for name, size in zip(NAMES, sizes, strict=True):
            self.create(name, size)

    def create(self, name: str, size: int) -> None:
        spec = {"key": name, "limit": size, "duration": DURATIONS[NAMES.index(name)]}
        self.store({"metadata": {"name": name, "namespace": "default"}, "spec": spec})
        self.woken[name] = None

    def store(self, limit: JsonObject) -> None:
        self.limits[limit["metadata"]["name"]] = limit
        self.index.observe_limit(limit)

    @rule(name=st.sampled_from(NAMES), size=st.integers(0, 5))
    def delete_or_create(self, name: str, size: int) -> None:
        if name not in self.limits:
            self.create(name, size)
            return
        del self.limits[name]
        self.index.forget_limit("default", name)
        for each in [each for each in self.started if each[0] == name]:
            del self.started[each]

    @rule(
        needs=st.dictionaries(st.sampled_from(NAMES), units, min_size=1), priority=st.integers(1, 3)
    )
    def ask(self, needs: dict[str, int], priority: int) -> None:
        self.count += 1
        job = f"job-{self.count}"
        claims = [
            {
                "task": "t",
                "job": job,
                "limit": name,
                "units": number,
                "since": format_time(self.now),
                "priority": priority,
            }
            for name, number in needs.items()
        ]
        self.runs[job] = {
            "metadata": {"name": job, "namespace": "default"},
            "spec": {"workflow": "w"},
            "status": {"rateLimits": claims},
        }
        self.index.observe_run(self.runs[job])

    def end(self, job: str) -> JsonObject:
        """A run claims nothing any more."""
        self.index.forget_run("default", job)
        return self.runs.pop(job)

    @rule(name=st.sampled_from(NAMES))
    def plan(self, name: str) -> None:
        if name in self.limits:
            self.reconcile(name)

    @rule(seconds=st.sampled_from((0.1, 1, 59, 60, 3600)))
    def wait(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        """The operator makes the Job of an attempt that has all its units."""
        ready = [job for job in self.runs if self.has_all(job)]
        if ready:
            job = data.draw(st.sampled_from(ready))
            for name, number in self.needs(self.end(job)).items():
                self.started[name, self.limits[name]["status"].get("windowStart")] += number

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        if self.runs:
            self.end(data.draw(st.sampled_from([*self.runs])))

    @rule(size=st.integers(0, 5), name=st.sampled_from(NAMES))
    def resize(self, size: int, name: str) -> None:
        if raw := self.limits.get(name):
            self.store({**raw, "spec": {**raw["spec"], "limit": max(size, raw["spec"]["limit"])}})
            self.woken[name] = None

    @rule()
    def settle(self) -> None:
        """Nobody waits once all that is decided is written, unless something is used up."""
        while [name for name in self.limits if self.reconcile(name)]:
            pass
        self.check_that_nobody_waits_in_vain()

    @rule()
    def follow(self) -> None:
        """It is the same if only those limits are planned that are woken, or have a time."""
        while found := self.awake():
            self.woken.clear()
            for name in found:
                self.reconcile(name)
        for name in self.limits:
            granted = self.granted(name)
            self.reconcile(name)
            assert self.granted(name) <= granted, f"nobody has woken {name}"
        ready = {job for job in self.runs if self.has_all(job)}
        assert ready <= self.woken_runs.keys(), "a run is granted all, and not woken"
        self.check_that_nobody_waits_in_vain()

    def awake(self) -> list[str]:
        """Return the limits that are to be planned now."""
        due = [name for name, moment in self.due.items() if moment and moment <= self.now]
        return [name for name in {**self.woken, **dict.fromkeys(due)} if name in self.limits]

    def check_that_nobody_waits_in_vain(self) -> None:
        first: set[str] = set()
        for job, run in sorted(self.runs.items(), key=lambda each: turn(each[1])):
            needs = self.needs(run)
            if self.has_all(job):
                continue
            assert not any(self.is_granted(job, name) for name in needs), "granted in part"
            possible = needs.keys() <= self.limits.keys() and all(
                number <= self.size(name) for name, number in needs.items()
            )
            if possible and not first & needs.keys():
                assert any(number > self.left(name) for name, number in needs.items()), job
            if possible:
                first |= needs.keys()

    @invariant()
    def no_window_has_more_units_than_the_limit(self) -> None:
        for name, raw in self.limits.items():
            status = raw.get("status", {})
            if "refillsAt" not in status:
                continue
            taken = self.started[name, status["windowStart"]]
            grants = status.get("grants", [])
            pending = sum(each["units"] for each in grants if each["job"] in self.runs)
            assert taken + pending <= status.get("used", 0) <= self.size(name)

    def reconcile(self, name: str) -> bool:
        """Plan a limit; return whether its status has changed."""
        observed = ObservedRateLimit(self.limits[name], self.index.of("default"))
        plan = plan_rate_limit(observed, self.now)
        self.due[name] = plan.requeue_at
        if plan.status is None:
            return False
        self.store({**self.limits[name], "status": plan.status})
        return True

    def needs(self, run: JsonObject) -> dict[str, int]:
        return {each["limit"]: each["units"] for each in run["status"]["rateLimits"]}

    def size(self, name: str) -> int:
        return self.limits[name]["spec"]["limit"]

    def left(self, name: str) -> int:
        return self.limits[name].get("status", {}).get("left", self.size(name))

    def granted(self, name: str) -> set[str]:
        grants = self.limits.get(name, {}).get("status", {}).get("grants", [])
        return {each["job"] for each in grants}

    def is_granted(self, job: str, name: str) -> bool:
        return job in self.granted(name)

    def has_all(self, job: str) -> bool:
        return all(self.is_granted(job, name) for name in self.needs(self.runs[job]))


def turn(run: JsonObject) -> tuple[datetime, str]:
    claim: JsonObject = run["status"]["rateLimits"][0]
    head_start = timedelta(hours=claim["priority"] - 1)
    return datetime.fromisoformat(claim["since"]) - head_start, claim["job"]


TestLimits = Limits.TestCase
