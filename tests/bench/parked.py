"""What 1,000 durable tasks without a pod cost the operator: `python -m tests.bench.parked`.

Called by make bench-parked; exit code 1 when a budget is missed. One run is parked by a real pod.
The others are copies of it and of its log, made while no operator runs, so that no pod is needed.
"""

import asyncio
import copy
import json
import sys
import time
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name, job_name
from podhatch.cluster import DURABLE_LOG, Cluster

from tests.bench.metrics import snapshot
from tests.bench.objects import own_namespace
from tests.bench.report import Row, conclude
from tests.e2e.shipped import NAME, source
from tests.kube import (
    KUBECONFIG,
    OPERATOR,
    OPERATOR_NAMESPACE,
    Namespace,
    eventually,
    kubectl,
    operator_pod,
    run_manifest,
    tasks,
    workflow_manifest,
)

COUNT = 1000
AT_ONCE = 16
SETTLE_SECONDS = 20.0
SETTLE_LIMIT_SECONDS = 300.0
SETTLED_WRITES = 15
"""Writes in SETTLE_SECONDS of an operator that has nothing to do: it renews its Lease every 2 s."""
IDLE_SECONDS = 60.0
CODE = """
from datetime import timedelta

async def nap(input, ctx):
    await ctx.aio_now()
    await ctx.aio_sleep_for(timedelta(days=30))
"""
NAP: JsonObject = {
    "name": "nap",
    "python": "flow:nap",
    "clusterAccess": "spawn",
    "durable": {"evictionTtlSeconds": 1},
}


@dataclass(frozen=True)
class Cost:
    """What an operator needs while nothing happens."""

    mebibytes: float
    cpu: float
    """Milliseconds of CPU a second."""


def operators(replicas: int) -> None:
    """Have so many operators, and wait until they are ready."""
    deployment = ("-n", OPERATOR_NAMESPACE, "deployment/podhatch")
    kubectl("scale", *deployment, f"--replicas={replicas}")
    if replicas:
        kubectl("rollout", "status", *deployment, "--timeout=120s")
        eventually(operator_pod, 60, "an operator to lead")
        return
    pods = ("-n", OPERATOR_NAMESPACE, "get", "pods", "-o", "name")
    selector = ("-l", "app.kubernetes.io/component=operator")
    eventually(lambda: not kubectl(*pods, *selector), 90, "the operators to end")


def settle() -> None:
    """Wait until the operator has written what it finds to write when it starts."""
    limit = time.monotonic() + SETTLE_LIMIT_SECONDS
    before = snapshot()
    while time.monotonic() < limit:
        time.sleep(SETTLE_SECONDS)
        now = snapshot()
        if now.since(before).writes <= SETTLED_WRITES:
            return
        before = now
    raise TimeoutError(f"the operator still writes after {SETTLE_LIMIT_SECONDS:.0f} s")


def idle_cost() -> Cost:
    """Return what a new operator costs once it has seen everything."""
    settle()
    before, began = snapshot(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    after, seconds = snapshot(), time.monotonic() - began
    return Cost(after.memory_bytes / 2**20, after.since(before).cpu_seconds / seconds * 1000)


def park_one(namespace: Namespace) -> tuple[JsonObject, JsonObject]:
    """Return a run whose task waits without a pod, and the task's log."""
    namespace.apply(source(CODE), workflow_manifest("parked", NAP, source={"configMap": NAME}))
    namespace.run("parked-0", "parked")

    def parked() -> JsonObject | None:
        run = namespace.get("wfr", "parked-0")
        waits = tasks(run).get("nap", {}).get("state") == "Waiting"
        return run if waits and not namespace.list("pods,jobs") else None

    run = eventually(parked, 90, "a task to wait without a pod")
    [log] = namespace.list("dlog")
    return run, log


async def copies(namespace: Namespace, run: JsonObject, log: JsonObject) -> None:
    """Make copies of the run and its log."""
    places = asyncio.Semaphore(AT_ONCE)
    cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))

    async def copy_run(name: str) -> JsonObject:
        async with places:
            manifest = run_manifest(name, run["spec"]["workflow"])
            manifest["metadata"] |= {"namespace": namespace.name}
            made = await cluster.create(manifest)
            await cluster.replace_status({**made, "status": copy.deepcopy(run["status"])})
            return made

    async def set_status(page: JsonObject) -> None:
        async with places:
            await cluster.replace_status({**page, "status": copy.deepcopy(log["status"])})

    try:
        names = [f"parked-{number}" for number in range(1, COUNT)]
        runs = await asyncio.gather(*map(copy_run, names))
        pages = {"apiVersion": "v1", "kind": "List", "items": [page_of(log, each) for each in runs]}
        await asyncio.to_thread(create_pages, namespace, pages)
        made, _ = await cluster.list(DURABLE_LOG, namespace.name)
        assert len(made) == COUNT
        await asyncio.gather(*(set_status(each) for each in made if "status" not in each))
    finally:
        await cluster.close()


def create_pages(namespace: Namespace, pages: JsonObject) -> None:
    """Create pages in the operator's name: of others, a task's own pod alone may."""
    who = (f"--as={OPERATOR}", "--as-group=system:masters")
    namespace.kubectl(*who, "create", "-f", "-", stdin=json.dumps(pages))


def page_of(log: JsonObject, run: JsonObject) -> JsonObject:
    """Return the log's page, as the pod of another run would have written it."""
    name, uid = run["metadata"]["name"], run["metadata"]["uid"]
    task = log["spec"]["task"]
    metadata = log["metadata"]
    [owner] = metadata["ownerReferences"]
    return {
        **{field: log[field] for field in ("apiVersion", "kind")},
        "metadata": {
            "name": f"{durable_log_name(job_name(name, uid, task, 1))}-0",
            "namespace": run["metadata"]["namespace"],
            "labels": {**metadata["labels"], labels.RUN: name},
            "ownerReferences": [{**owner, "name": name, "uid": uid}],
        },
        "spec": {**log["spec"], "run": name},
    }


def main() -> int:
    """Measure, print and write down."""
    replicas = int(
        kubectl(
            *("-n", OPERATOR_NAMESPACE, "get", "deployment", "podhatch"),
            *("-o", "jsonpath={.spec.replicas}"),
        )
    )
    with own_namespace() as namespace:
        run, log = park_one(namespace)
        try:
            operators(0)
            operators(1)
            few = idle_cost()
            operators(0)
            asyncio.run(copies(namespace, run, log))
            operators(1)
            many = idle_cost()
            assert not namespace.list("pods"), "a task that sleeps got a pod"
        finally:
            operators(replicas)
    return conclude("parked", rows_of(few, many))


def rows_of(few: Cost, many: Cost) -> list[Row]:
    """Return what the budgets are for, and what explains it."""
    return [
        Row("operator's memory, 1 parked task", few.mebibytes, "MiB"),
        Row("operator's memory, 1,000 parked tasks", many.mebibytes, "MiB"),
        Row("more memory for 1,000 parked tasks", many.mebibytes - few.mebibytes, "MiB"),
        Row("operator's CPU, 1 parked task", few.cpu, "ms a second"),
        Row("operator's CPU, 1,000 parked tasks", many.cpu, "ms a second"),
        Row("more CPU for 1,000 parked tasks", many.cpu - few.cpu, "ms a second"),
    ]


if __name__ == "__main__":
    sys.exit(main())
