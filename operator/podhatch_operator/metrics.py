"""The operator's metrics, with the names of controller-runtime."""

import time
from collections.abc import Iterable

from podhatch.api.model import JsonObject
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.durable.progress import task_entries
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from podhatch_operator.keys import Key

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """All metrics of the operator, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)
        self.queue_depth = self._gauge("workqueue_depth", "Keys that wait for a worker.")
        self.queue_adds = self._counter("workqueue_adds", "Keys added.")
        self.queue_retries = self._counter("workqueue_retries", "Keys added again after a failure.")
        self.queue_duration = self._histogram(
            "workqueue_queue_duration_seconds", "How long a key waits for a worker."
        )
        self.work_duration = self._histogram(
            "workqueue_work_duration_seconds", "How long a worker has a key."
        )
        self.reconciles = self._counter("reconcile", "Reconciles.", "kind", "result")
        self.requests = self._counter("k8s_request", "Requests.", "verb", "code")
        self.request_duration = self._histogram(
            "k8s_request_duration_seconds", "Time to the first byte of an answer.", "verb"
        )
        self.events = self._counter("watch_events", "Watch events.", "kind")
        self.missed = self._counter(
            "watch_missed", "Changes that the resync found and the watch had not told.", "kind"
        )
        self.objects = self._gauge("cached_objects", "Objects in the cache.", "kind")
        self.paused = self._gauge("paused_runs", "Runs that wait until their workflow is unpaused.")
        self.lag = self._gauge("event_loop_lag_seconds", "How late the event loop woke a sleeper.")
        self.is_leader = self._gauge("is_leader", "1 while this operator leads, 0 on standby.")
        self.hop = self._histogram(
            "hop_seconds", "From the arrival of a TaskResult to the next Job created."
        )
        self.evaluation_seconds = self._histogram(
            "evaluation_seconds", "How long a worker has a batch of evaluations."
        )
        self.evaluations = self._counter(
            "evaluations", "Evaluations of users' expressions.", "result"
        )

    def count_request(self, verb: str, code: int, seconds: float) -> None:
        """Count an answer of the API server: what `Cluster.on_request` is told."""
        self.requests.labels(verb, str(code)).inc()
        self.request_duration.labels(verb).observe(seconds)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        return Gauge(f"podhatch_{name}", text, labels, registry=self.registry)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"podhatch_{name}", text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"podhatch_{name}", text, labels, registry=self.registry, buckets=_SECONDS)


class AdmissionCollector(Collector):
    """Reads what the indexes of limits count."""

    def __init__(self, admission: AdmissionIndex, rate_limits: RateLimitIndex) -> None:
        self._admission, self._rate_limits = admission, rate_limits

    def collect(self) -> Iterable[Metric]:
        """Return who holds slots or waits now, and the grants and waits since the start."""
        admission, rate_limits = self._admission, self._rate_limits
        slots = GaugeMetricFamily(
            "podhatch_concurrency_claims",
            "Slots of concurrency limits that are held, and that are waited for.",
            labels=["state"],
        )
        slots.add_metric(["held"], admission.count(held=True))
        slots.add_metric(["waiting"], admission.count(held=False))
        yield slots
        yield GaugeMetricFamily(
            "podhatch_rate_limit_waiting",
            "Attempts that wait for units of rate limits.",
            rate_limits.count(),
        )
        for name, text, value in (
            ("concurrency_grants", "a run or a task was granted its slots", admission.grants),
            ("concurrency_waits", "a run or a task found no free slot", admission.waits),
            ("rate_limit_grants", "a rate limit granted units to an attempt", rate_limits.grants),
            ("rate_limit_waits", "an attempt found too few units", rate_limits.waits),
        ):
            yield CounterMetricFamily(f"podhatch_{name}", f"How often {text}.", value)


class DurableTaskCollector(Collector):
    """Counts the durable tasks that wait without a pod, by the changes of their runs."""

    def __init__(self) -> None:
        self.parked = 0
        self.evictions = 0
        self.resumes = 0

    def note(self, old: JsonObject | None, new: JsonObject | None) -> None:
        """A run has changed; `old` is None when it is seen first, and `new` when it is gone."""
        before, after = _parked(old), _parked(new)
        self.parked += len(after) - len(before)
        if old is not None and new is not None:
            self.evictions += len(after - before)
            self.resumes += max(_resumes(new) - _resumes(old), 0)

    def collect(self) -> Iterable[Metric]:
        """Return the tasks now, and what happened since the start."""
        yield GaugeMetricFamily(
            "podhatch_parked_tasks", "Durable tasks that wait without a pod.", self.parked
        )
        yield CounterMetricFamily(
            "podhatch_evictions", "How often a durable task gave up its pod.", self.evictions
        )
        yield CounterMetricFamily(
            "podhatch_resumes", "How often a durable task got a pod after a wait.", self.resumes
        )


def _parked(run: JsonObject | None) -> set[str]:
    """Return the names of the tasks of a run that wait without a pod, or are to be resumed."""
    return {str(each.get("name")) for each in task_entries(run or {}) if "waitsOver" in each}


def _resumes(run: JsonObject) -> int:
    counts: list[object] = [each.get("resumes") for each in task_entries(run)]
    return sum(each for each in counts if isinstance(each, int))


class Hops:
    """Times the step from one task's result to the next task's Job."""

    def __init__(self, histogram: Histogram) -> None:
        self._histogram = histogram
        self._arrived: dict[Key, float] = {}

    def result_arrived(self, run: Key) -> None:
        """A TaskResult of this run was seen for the first time."""
        self._arrived.setdefault(run, time.monotonic())

    def take(self, run: Key) -> float | None:
        """Return when the result came that this reconcile answers, if one did."""
        return self._arrived.pop(run, None)

    def job_created(self, arrived: float | None) -> None:
        """The Job that followed from the result was created."""
        if arrived is not None:
            self._histogram.observe(time.monotonic() - arrived)
