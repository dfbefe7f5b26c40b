"""Times runs against bare Jobs on the real node: `python -m tests.bench.latency`.

Called by make bench-latency; exit code 1 when a budget is missed.

Everything is measured in one run, in turns, so that the ratios hold on a busy machine too.
"""

import asyncio
import importlib
import os
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from types import ModuleType
from typing import Any

from podhatch import Workflow
from podhatch.cluster import JOB, Cluster

from tests.bench.metrics import Snapshot, quantile, snapshot
from tests.bench.objects import bare_job, is_complete, own_namespace, until
from tests.bench.report import Row, conclude
from tests.bench.stages import Moments, Observer, breakdown, observe
from tests.kube import OPERATOR_NAMESPACE, Namespace, kubectl, user_environment

ROUNDS = 7
OBSERVED_RUNS = 5
FLOWS = Path(__file__).with_name("flows")


@dataclass
class Timings:
    """Seconds, one of each a round."""

    job: list[float] = field(default_factory=list[float])
    one: list[float] = field(default_factory=list[float])
    chain: list[float] = field(default_factory=list[float])


@dataclass
class Observed:
    """What a closer look at some runs of one task showed."""

    moments: list[Moments] = field(default_factory=list[Moments])
    operator: list[Snapshot] = field(default_factory=list[Snapshot])


def main() -> int:
    """Measure, print and write down."""
    with own_namespace() as namespace, tempfile.TemporaryDirectory() as folder:
        os.environ["KUBECONFIG"] = user_environment(namespace.name, Path(folder))["KUBECONFIG"]
        return asyncio.run(benchmark(namespace, load_flows()))


def load_flows() -> ModuleType:
    """Import the user's program from a folder of its own, which is what is shipped."""
    sys.path.insert(0, str(FLOWS))
    return importlib.import_module("chains")


async def benchmark(namespace: Namespace, flows: ModuleType) -> int:
    """Return the exit code."""
    cluster = await Cluster.connect()
    try:
        print(f"one task, first run of this process: {await timed(flows.one.aio_run):.2f} s")
        before = snapshot()
        timings = await take_timings(cluster, namespace.name, flows)
        hops = snapshot().since(before).hops
        async with Observer(cluster, namespace.name) as observer:
            observed = await look_closely(flows.one, observer)
    finally:
        await cluster.close()
    print(f"\n{breakdown(observed.moments)}\n\n{requests_of(observed.operator)}\n")
    return conclude("latency", rows_of(timings, hops, observed.operator))


async def take_timings(cluster: Cluster, namespace: str, flows: ModuleType) -> Timings:
    """Run each thing in turn; the first round only warms up."""
    image = runner_image()
    timings = Timings()
    for number in range(ROUNDS + 1):
        job = bare_job(namespace, f"bare-{number}", image)

        async def run_job(job: dict[str, Any] = job) -> None:
            await until(cluster, JOB, await cluster.create(job), is_complete)

        one, bare, chain = [
            await timed(action) for action in (flows.one.aio_run, run_job, flows.chain.aio_run)
        ]
        print(
            f"round {number}: one task {one:.2f} s, bare Job {bare:.2f} s, chain of 5 {chain:.2f} s"
            f"{'' if number else ' (warm-up)'}",
            flush=True,
        )
        if number:
            timings.one.append(one)
            timings.job.append(bare)
            timings.chain.append(chain)
    return timings


def runner_image() -> str:
    """Return the image that the operator starts Python tasks with."""
    variable = '{.spec.template.spec.containers[0].env[?(@.name=="PODHATCH_RUNNER_IMAGE")].value}'
    return kubectl(
        *("-n", OPERATOR_NAMESPACE, "get", "deployment", "podhatch", "-o", f"jsonpath={variable}")
    )


async def timed(action: Callable[[], Awaitable[object]]) -> float:
    """Return how many seconds it takes."""
    start = time.perf_counter()
    await action()
    return time.perf_counter() - start


async def look_closely(workflow: Workflow[Any], observer: Observer) -> Observed:
    """Run a task some more times, alone, and note its moments and the operator's requests."""
    observed = Observed()
    for _ in range(OBSERVED_RUNS):
        before = await asyncio.to_thread(snapshot)
        observed.moments.append(await observe(workflow, observer))
        observed.operator.append((await asyncio.to_thread(snapshot)).since(before))
    return observed


def requests_of(runs: list[Snapshot]) -> str:
    """Say which requests a run of one task costs; the median keeps others' runs out."""
    verbs = sorted({verb for run in runs for verb in run.requests})
    counts = {verb: median(run.requests.get(verb, 0) for run in runs) for verb in verbs}
    text = ", ".join(f"{verb} {count:g}" for verb, count in counts.items() if count)
    return f"The operator's requests for a one-task run: {text or 'none'}"


def rows_of(timings: Timings, hops: Mapping[float, float], operator: list[Snapshot]) -> list[Row]:
    """Return what the budgets are for."""
    job = median(timings.job)
    return [
        Row("bare Job, created to Complete", job, "s"),
        Row("one task", median(timings.one), "s", job),
        Row("chain of 5 tasks", median(timings.chain), "s", job),
        Row("hop p50", quantile(hops, 0.5) * 1000, "ms"),
        Row("hop p99", quantile(hops, 0.99) * 1000, "ms"),
        Row("operator's writes for a one-task run", median(r.writes for r in operator), ""),
    ]


if __name__ == "__main__":
    sys.exit(main())
