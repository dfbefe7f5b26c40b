"""What the operator spends on a task in small and in large runs: `python -m tests.bench.large`.

Called by make bench-large, which brings up fake nodes; exit code 1 when the budget is missed. Runs
of ten tasks, some at a time, are compared with one run of 1,000, whose layers are as many tasks.
"""

import asyncio
import sys
from collections.abc import Sequence
from statistics import median

from podhatch.api.model import JsonObject
from podhatch.cluster import WORKFLOW_RUN, Cluster

from tests.bench.objects import own_namespace
from tests.bench.report import Row, conclude
from tests.bench.throughput import Burst, Load, fake_task
from tests.cluster.kwok import TOLERATION
from tests.kube import KUBECONFIG, Namespace, kubectl, workflow_manifest

FEW, MANY = 10, 1000
ROUNDS = 3
AT_ONCE = 8
"""Runs of few tasks at a time."""
WIDTH = 40
"""Tasks that run at a time, in all runs together."""
LIMIT_SECONDS = 600.0
PROGRESS_SECONDS = 20.0


def lattice(name: str, count: int, width: int) -> JsonObject:
    """Return a workflow in layers; each task has two parents in the layer above."""
    names = [f"task-{number:04}" for number in range(count)]
    tasks: list[JsonObject] = []
    for place, task in enumerate(names):
        layer, column = divmod(place, width)
        above = names[(layer - 1) * width : layer * width] if layer else []
        parents = [above[column], above[(column + 1) % width]] if above else []
        tasks.append(fake_task(task, *parents))
    return workflow_manifest(name, *tasks, pod={"tolerations": [TOLERATION]})


async def measure(namespace: Namespace) -> tuple[list[Burst], Burst]:
    """Return what runs of few tasks took, and one of many."""
    cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))
    try:
        load = Load(cluster, namespace.name, LIMIT_SECONDS)
        await load.runs(AT_ONCE, AT_ONCE, "few", FEW)
        few: list[Burst] = []
        for _ in range(ROUNDS):
            few.append(await load.runs(AT_ONCE, AT_ONCE, "few", FEW))
            print(f"{AT_ONCE} runs of {FEW} tasks: {cpu(few[-1:], FEW):.1f} ms a task", flush=True)
        progress = asyncio.create_task(tell_progress(cluster, namespace))
        try:
            return few, await load.runs(1, 1, "many", MANY)
        finally:
            progress.cancel()
    finally:
        await cluster.close()


async def tell_progress(cluster: Cluster, namespace: Namespace) -> None:
    """Print now and then how far the run of many tasks is."""
    while True:
        await asyncio.sleep(PROGRESS_SECONDS)
        runs, _ = await cluster.list(WORKFLOW_RUN, namespace.name)
        for run in runs:
            if run["spec"]["workflow"] == "many":
                print(f"tasks that have ended: {run.get('status', {}).get('progress')}", flush=True)


def cpu(bursts: Sequence[Burst], tasks: int) -> float:
    """Return the operator's CPU a task, in milliseconds."""
    count = sum(len(burst.latencies) for burst in bursts) * tasks
    return sum(burst.operator.cpu_seconds for burst in bursts) / count * 1000


def requests(bursts: Sequence[Burst], tasks: int, verb: str) -> float:
    """Return the operator's requests a task."""
    count = sum(len(burst.latencies) for burst in bursts) * tasks
    return sum(burst.operator.requests.get(verb, 0) for burst in bursts) / count


def main() -> int:
    """Measure, print and write down."""
    if not kubectl("get", "nodes", "-l", "type=kwok", "-o", "name"):
        print("there are no fake nodes: use make bench-large", file=sys.stderr)
        return 1
    with own_namespace() as namespace:
        namespace.apply(lattice("few", FEW, WIDTH // AT_ONCE))
        namespace.apply(lattice("many", MANY, WIDTH))
        few, many = asyncio.run(measure(namespace))
    return conclude("large", rows_of(few, many))


def rows_of(few: Sequence[Burst], many: Burst) -> list[Row]:
    """Return what the budget is for, and what explains it."""
    reference = cpu(few, FEW)
    return [
        Row("operator's CPU a task, 10 tasks", reference, "ms"),
        Row("operator's CPU a task, 1,000 tasks", cpu([many], MANY), "ms", reference),
        Row("status writes a task, 10 tasks", requests(few, FEW, "update"), ""),
        Row("status writes a task, 1,000 tasks", requests([many], MANY, "update"), ""),
        Row("a run of 10 tasks", median(each for burst in few for each in burst.latencies), "s"),
        Row("the run of 1,000 tasks", many.seconds, "s"),
    ]


if __name__ == "__main__":
    sys.exit(main())
