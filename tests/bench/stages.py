"""Where the time of a one-task run goes: the moments of its path, as seen from this process.

What the cluster does is timed when its news arrive here by watches, what happens in the pod by the
pod's own clock, which is this machine's. Called by the latency benchmark, apart from its timings.
"""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import aclosing, suppress
from datetime import datetime
from statistics import median
from typing import Any

from podhatch import Workflow
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, POD, TASK_RESULT, WORKFLOW_RUN, Cluster, Kind

from tests.bench.objects import LIMIT_SECONDS, is_complete, is_succeeded

KINDS = (WORKFLOW_RUN, JOB, POD, TASK_RESULT)
CALLED = "run() is called"
Moments = dict[str, float]
"""Seconds since 1970 by what happened, in order."""


class Observer:
    """Notes when news of a namespace arrive."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace
        self._news: list[tuple[float, Kind, JsonObject]] = []
        self._arrived = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Observer":
        for kind in KINDS:
            _, version = await self._cluster.list(kind, self._namespace)
            self._tasks.append(asyncio.create_task(self._follow(kind, version)))
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    async def _follow(self, kind: Kind, version: str) -> None:
        stream = self._cluster.watch(kind, self._namespace, resource_version=version)
        async with aclosing(stream):
            async for event in stream:
                self._news.append((time.time(), kind, event.object))
                self._arrived.set()

    async def first(
        self, run: str, kind: Kind, is_it: Callable[[JsonObject], object]
    ) -> tuple[float, JsonObject]:
        """Return when an object of the run was first seen to be so, and the object."""
        async with asyncio.timeout(LIMIT_SECONDS):
            while True:
                for moment, seen, raw in self._news:
                    if seen is kind and _run_of(kind, raw) == run and is_it(raw):
                        return moment, raw
                self._arrived.clear()
                await self._arrived.wait()


def _run_of(kind: Kind, raw: JsonObject) -> str | None:
    metadata = raw["metadata"]
    return metadata["name"] if kind is WORKFLOW_RUN else metadata.get("labels", {}).get(labels.RUN)


async def observe(workflow: Workflow[Any], observer: Observer) -> Moments:
    """Run the workflow of one task, wait also for its Job's end, and return the moments."""
    called = time.time()
    reference = await workflow.aio_run_no_wait()
    created = time.time()
    output: dict[str, float] = (await reference.aio_result())["only"]
    returned = time.time()
    run = reference.workflow_run_id
    job, _ = await observer.first(run, JOB, lambda _: True)
    pod, _ = await observer.first(run, POD, lambda _: True)
    bound, _ = await observer.first(run, POD, lambda raw: raw["spec"].get("nodeName"))
    told, result = await observer.first(run, TASK_RESULT, lambda _: True)
    ended, _ = await observer.first(run, WORKFLOW_RUN, is_succeeded)
    await observer.first(run, JOB, is_complete)
    return {
        CALLED: called,
        "the WorkflowRun is created": created,
        "its Job is seen": job,
        "its pod is seen": pod,
        "the pod has a node": bound,
        "the container's process is made": output["process"],
        "the user's file is imported": output["first line"],
        "the user's function is called": _seconds(result["spec"]["startedAt"]),
        "the function has returned": _seconds(result["spec"]["finishedAt"]),
        "the TaskResult is seen": told,
        "the run is seen to be Succeeded": ended,
        "run() returns": returned,
    }


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


def breakdown(runs: Sequence[Moments]) -> str:
    """Return a table of the moments: after how many ms, and after how many since the one before."""
    lines = [f"Where a one-task run's time goes, ms (median of {len(runs)} runs):"]
    before = CALLED
    for name in runs[0]:
        since_start = median(run[name] - run[CALLED] for run in runs) * 1000
        step = median(run[name] - run[before] for run in runs) * 1000
        lines.append(f"  {since_start:6.0f}  {round(step):+6d}  {name}")
        before = name
    return "\n".join(lines)
