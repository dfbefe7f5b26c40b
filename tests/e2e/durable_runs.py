"""Runs of the durable tasks in flows/durable.py: what tests ask of them, and wait for."""

import asyncio
import json
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime
from subprocess import PIPE, Popen

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import Cluster

from tests.cluster.binaries import binary
from tests.e2e.shipped import event
from tests.kube import KUBECONFIG, Namespace, eventually, tasks


def entry_of(namespace: Namespace, run: str) -> JsonObject:
    """Return the status of a run's only task."""
    [entry] = tasks(namespace.get("wfr", run)).values()
    return entry


def parked(namespace: Namespace, run: str, seconds: float = 60) -> JsonObject:
    """Wait until the run's task waits without a pod, and return its entry."""

    def waiting() -> JsonObject | None:
        found = [*tasks(namespace.get("wfr", run)).values()]
        return found[0] if found and found[0]["state"] == "Waiting" else None

    return eventually(waiting, seconds, f"{run} to wait without a pod")


def pods_of(namespace: Namespace, run: str) -> list[str]:
    """Return the names of the Jobs and pods of a run."""
    found = namespace.list("jobs,pods", f"{labels.RUN}={run}")
    return [each["metadata"]["name"] for each in found]


def without_pods(namespace: Namespace, run: str) -> None:
    """Wait until nothing of the run's pods is left."""
    eventually(lambda: not pods_of(namespace, run), 30, f"the pod of {run} to go")


def output_of(namespace: Namespace, run: str, seconds: int = 90) -> JsonObject:
    """Wait until the run has succeeded, and return the output of its only task."""
    try:
        [entry] = tasks(namespace.wait(run, "Succeeded", seconds)).values()
    except AssertionError as error:
        known = namespace.kubectl("get", "dlog,wfe", "-o", "yaml")
        raise AssertionError(f"{error}\n{known}") from None
    output: JsonObject = json.loads(entry["output"])
    return output


def children_of(namespace: Namespace, run: str) -> list[str]:
    """Return the child runs of a run."""
    return [
        each["metadata"]["name"]
        for each in namespace.list("wfr")
        if each["spec"].get("parent", {}).get("run") == run
    ]


def push(namespace: Namespace, name: str, key: str, **payload: object) -> float:
    """Push an event as the SDK does. Return when the API server had it, by our own clock."""

    async def create() -> float:
        cluster = await Cluster.connect(kubeconfig=str(KUBECONFIG))
        try:
            made = event(name, key, payload=payload, seenAt=datetime.now(UTC).isoformat())
            made["metadata"]["namespace"] = namespace.name
            await cluster.create(made)
            return time.monotonic()
        finally:
            await cluster.close()

    return asyncio.run(create())


def by_own_clock(moment: str) -> float:
    """Return a moment by the clock of this process, as pods and the operator give it in UTC."""
    return datetime.fromisoformat(moment).timestamp() - time.time() + time.monotonic()


class JobsSeen(dict[str, float]):
    """Jobs, and when each was seen first by the clock of this process."""

    def times(self, count: int) -> list[float]:
        """Wait until so many Jobs were seen, and return when."""
        eventually(lambda: len(self) >= count, 60, f"{count} Jobs")
        assert len(self) == count, [*self]
        return [*self.values()]


@contextmanager
def jobs_seen(namespace: Namespace) -> Generator[JobsSeen]:
    """Watch the Jobs of a namespace."""
    words = ("get", "jobs", "--watch", "-o", "name")
    program = (str(binary("kubectl")), "--kubeconfig", str(KUBECONFIG), "-n", namespace.name)
    seen = JobsSeen()
    with Popen([*program, *words], stdout=PIPE, text=True) as process:

        def read() -> None:
            assert process.stdout is not None
            for line in process.stdout:
                seen.setdefault(line.strip(), time.monotonic())

        reader = threading.Thread(target=read)
        reader.start()
        try:
            yield seen
        finally:
            process.kill()
            reader.join()
