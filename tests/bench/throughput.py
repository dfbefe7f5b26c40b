"""Times 300 runs against 300 bare Jobs on fake nodes: `python -m tests.bench.throughput`.

Called by make bench-throughput, which brings up the nodes and a controller manager with wider
limits; exit code 1 when a budget is missed. First one creator makes them one after another, twice
in turns; then many creators make them all at once, which fills every queue there is.
"""

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from statistics import fmean, median, quantiles

from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, WORKFLOW_RUN, Cluster, Kind

from tests.bench.metrics import Snapshot, snapshot
from tests.bench.objects import LIMIT_SECONDS, bare_job, is_complete, is_succeeded, own_namespace
from tests.bench.report import Row, conclude
from tests.cluster.kwok import TOLERATION
from tests.kube import KUBECONFIG, Namespace, kubectl, run_manifest, shell, workflow_manifest

COUNT = 300
WARM_UP = 40
ALL_AT_ONCE = 32
"""Requests to create that are under way at a time."""
WORKFLOW = "step"
IMAGE = "fake"
NODE_LABEL = {"key": "type", "value": "kwok"}
TERM = {"matchExpressions": [{"key": "type", "operator": "In", "values": ["kwok"]}]}
AFFINITY = {
    "nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [TERM]}
    }
}


@dataclass(frozen=True)
class Burst:
    """What became of objects that were created all at once."""

    seconds: float
    """From the first request to create to the last end seen."""
    latencies: list[float]
    """Seconds from the request to create an object to its end seen, of each object."""
    operator: Snapshot
    """What the operator did meanwhile, and until all Jobs were complete."""

    @property
    def rate(self) -> float:
        """Objects a second."""
        return len(self.latencies) / self.seconds


class Load:
    """Creates objects in one namespace and sees them end."""

    def __init__(
        self, cluster: Cluster, namespace: str, limit_seconds: float = LIMIT_SECONDS
    ) -> None:
        self._cluster = cluster
        self._limit = limit_seconds
        self._namespace = namespace
        self._serial = 0
        self._jobs = 0

    async def runs(
        self, count: int, creators: int, workflow: str = WORKFLOW, tasks: int = 1
    ) -> Burst:
        """Create runs, so many at a time, and wait until each has succeeded.

        Args:
            count: of how many runs.
            creators: how many requests to create are under way at a time.
            workflow: of all runs.
            tasks: how many it has.
        """
        manifests = [run_manifest(self._name("run"), workflow) for _ in range(count)]
        return await self._burst(WORKFLOW_RUN, manifests, creators, is_succeeded, tasks)

    async def jobs(self, count: int, creators: int) -> Burst:
        """Create bare Jobs, so many at a time, and wait until each is complete."""
        manifests = [
            bare_job(
                self._namespace,
                self._name("bare"),
                IMAGE,
                affinity=AFFINITY,
                tolerations=[TOLERATION],
            )
            for _ in range(count)
        ]
        return await self._burst(JOB, manifests, creators, is_complete)

    def _name(self, prefix: str) -> str:
        self._serial += 1
        return f"{prefix}-{self._serial}"

    async def _burst(
        self,
        kind: Kind,
        manifests: Sequence[JsonObject],
        creators: int,
        is_done: Callable[[JsonObject], bool],
        jobs_each: int = 1,
    ) -> Burst:
        before = await asyncio.to_thread(snapshot)
        _, version = await self._cluster.list(kind, self._namespace)
        started: dict[str, float] = {}
        places = asyncio.Semaphore(creators)

        async def create(manifest: JsonObject) -> None:
            manifest["metadata"]["namespace"] = self._namespace
            async with places:
                started[manifest["metadata"]["name"]] = time.perf_counter()
                await self._cluster.create(manifest)

        async with asyncio.timeout(self._limit), asyncio.TaskGroup() as group:
            ends = group.create_task(self._ends(kind, len(manifests), is_done, version))
            for manifest in manifests:
                group.create_task(create(manifest))
        self._jobs += len(manifests) * jobs_each
        await self._ends(JOB, self._jobs, is_complete)
        ended = ends.result()
        return Burst(
            max(ended.values()) - min(started.values()),
            [ended[name] - moment for name, moment in started.items()],
            (await asyncio.to_thread(snapshot)).since(before),
        )

    async def _ends(
        self, kind: Kind, count: int, is_done: Callable[[JsonObject], bool], version: str = ""
    ) -> dict[str, float]:
        """Watch until so many objects are done, and return when each was seen to be."""
        ended: dict[str, float] = {}
        async with asyncio.timeout(self._limit):
            while True:
                stream = self._cluster.watch(kind, self._namespace, resource_version=version)
                async with aclosing(stream):
                    async for event in stream:
                        if is_done(event.object):
                            ended.setdefault(event.object["metadata"]["name"], time.perf_counter())
                        if len(ended) == count:
                            return ended
                version = ""  # the stream was lost: look at all of them again


@dataclass
class Measured:
    """All bursts: one after another, and all at once."""

    jobs: list[Burst] = field(default_factory=list[Burst])
    runs: list[Burst] = field(default_factory=list[Burst])
    jobs_at_once: list[Burst] = field(default_factory=list[Burst])
    runs_at_once: list[Burst] = field(default_factory=list[Burst])


def main() -> int:
    """Measure, print and write down."""
    if not kubectl("get", "nodes", "-l", "type=kwok", "-o", "name"):
        print("there are no fake nodes: use make bench-throughput", file=sys.stderr)
        return 1
    with own_namespace() as namespace:
        namespace.apply(fake_workflow())
        measured = asyncio.run(measure(namespace))
    print(
        "\nPods of 0.1 s. A run is done when it is seen to be Succeeded, a bare Job when it is\n"
        "seen to be Complete. Latency is from the request to create. All at once: "
        f"{ALL_AT_ONCE} creators.\n"
    )
    return conclude("throughput", rows_of(measured))


def fake_workflow() -> JsonObject:
    """Return a workflow of one task that runs on fake nodes alone."""
    return workflow_manifest(WORKFLOW, fake_task("only"), pod={"tolerations": [TOLERATION]})


def fake_task(name: str, *parents: str) -> JsonObject:
    """Return a task that runs on fake nodes alone."""
    labels = [{**NODE_LABEL, "required": True}]
    task = shell(name, "true", *parents, desiredWorkerLabels=labels)
    task["container"]["image"] = IMAGE
    return task


async def measure(namespace: Namespace) -> Measured:
    """Return the bursts; Jobs and runs take turns, so that what drifts is the same for both."""
    measured = Measured()
    cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))
    try:
        load = Load(cluster, namespace.name)
        await load.jobs(WARM_UP, ALL_AT_ONCE)
        await load.runs(WARM_UP, ALL_AT_ONCE)
        for name, action, creators, bursts in (
            ("bare Jobs one after another", load.jobs, 1, measured.jobs),
            ("runs one after another", load.runs, 1, measured.runs),
            ("runs one after another", load.runs, 1, measured.runs),
            ("bare Jobs one after another", load.jobs, 1, measured.jobs),
            ("bare Jobs all at once", load.jobs, ALL_AT_ONCE, measured.jobs_at_once),
            ("runs all at once", load.runs, ALL_AT_ONCE, measured.runs_at_once),
        ):
            burst = await action(COUNT, creators)
            bursts.append(burst)
            middle = median(burst.latencies)
            print(f"{COUNT} {name}: {burst.rate:.1f}/s, p50 {middle:.2f} s", flush=True)
    finally:
        await cluster.close()
    return measured


def rows_of(measured: Measured) -> list[Row]:
    """Return what the budgets are for, and what a run costs the operator."""
    return [
        *_speed("", measured.runs, measured.jobs),
        *_costs("", measured.runs),
        *_speed(" at once", measured.runs_at_once, measured.jobs_at_once),
        *_costs(" at once", measured.runs_at_once),
    ]


def _speed(how: str, runs: Sequence[Burst], jobs: Sequence[Burst]) -> list[Row]:
    of_runs, of_jobs = _latencies(runs), _latencies(jobs)
    rate, rate_of_jobs = fmean(burst.rate for burst in runs), fmean(burst.rate for burst in jobs)
    return [
        Row(f"rate of one-step runs{how}", rate, "/s", rate_of_jobs),
        # Not compared: the latency of a bare Job is mostly the Job controller's pause of a second.
        Row(f"latency p50 of runs{how}", median(of_runs), "s"),
        Row(f"latency p95 of runs{how}", _percentile_95(of_runs), "s"),
        Row(f"latency p50 of bare Jobs{how}", median(of_jobs), "s"),
        Row(f"latency p95 of bare Jobs{how}", _percentile_95(of_jobs), "s"),
    ]


def _costs(how: str, runs: Sequence[Burst]) -> list[Row]:
    """Return what the operator spends on a run; also on those of others, if there are any."""
    count = len(_latencies(runs))
    cpu = sum(burst.operator.cpu_seconds for burst in runs) / count
    requests = Counter[str]()
    for burst in runs:
        requests.update(burst.operator.requests)
    return [
        Row(f"operator's CPU a run{how}", cpu * 1000, "ms"),
        *(
            Row(f"operator's requests a run{how}: {verb}", total / count, "")
            for verb, total in sorted(requests.items())
        ),
    ]


def _latencies(bursts: Sequence[Burst]) -> list[float]:
    return [latency for burst in bursts for latency in burst.latencies]


def _percentile_95(values: Sequence[float]) -> float:
    return quantiles(values, n=20)[-1]


if __name__ == "__main__":
    sys.exit(main())
