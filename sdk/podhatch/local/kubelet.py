"""Makes the pods of local Jobs: starts and stops executions, and stores how they go.

Executions report to it from threads of their own.
"""

# ruff: noqa: D102 - implementations have docstrings

import asyncio
import contextlib
import tempfile
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject, format_time
from podhatch.api.pod import ErrorReport, Report
from podhatch.cluster import LogLine
from podhatch.core.durable.progress import task_of, waits_over
from podhatch.local.clock import Clock
from podhatch.local.cluster import LocalCluster
from podhatch.local.execution import ExecutionEnd, Work, pod_name, work_of
from podhatch.runner.task_result import task_result


class Execution(Protocol):
    """One attempt, in a thread or in a child process: see `ThreadExecution`."""

    @property
    def is_waiting(self) -> bool: ...

    @property
    def deadline(self) -> datetime | None: ...

    @property
    def seconds_left(self) -> float | None: ...

    def start(self) -> None: ...

    def look_at_clock(self, now: datetime) -> None: ...

    def cancel(self) -> None: ...

    def leave(self) -> None: ...


TaskExecutor = Callable[[Work, "Kubelet"], Execution]
"""Makes the execution of an attempt, which has not started."""


@dataclass
class Waits:
    """At how many places an attempt waits for other runs."""

    kubelet: "Kubelet"
    count: int = 0


current_waits: ContextVar[Waits | None] = ContextVar("podhatch_local_waits", default=None)
"""Of the attempt that the asking code belongs to."""


class Kubelet:
    """Runs the Jobs of one cluster."""

    def __init__(
        self,
        cluster: LocalCluster,
        clock: Clock,
        executor: TaskExecutor,
        loop: asyncio.AbstractEventLoop,
        wake: asyncio.Event,
    ) -> None:
        """Serve in this loop; `wake` is set when the time of an attempt changes."""
        self._cluster = cluster
        self._clock = clock
        self._executor = executor
        self._loop = loop
        self._wake = wake
        self._running: dict[str, Execution] = {}
        self._stopping: list[Execution] = []
        self._folder = tempfile.TemporaryDirectory(
            prefix="podhatch-local-", ignore_cleanup_errors=True
        )

    async def close(self) -> None:
        """Stop what still runs, and forget it."""
        executions = [*self._stopping, *self._running.values()]
        self._running.clear()
        await asyncio.gather(*(asyncio.to_thread(each.leave) for each in executions))
        self._folder.cleanup()

    @property
    def is_busy(self) -> bool:
        """Whether code of the user's runs, and does not only wait."""
        return any(not each.is_waiting for each in self._running.values())

    @property
    def deadlines(self) -> list[datetime]:
        """When the attempts' times are over by the clock of the runs."""
        deadlines = (each.deadline for each in self._running.values())
        return [each for each in deadlines if each is not None]

    @property
    def seconds_left(self) -> float | None:
        """After how long the first attempt's time is over by the machine's clock."""
        left = (each.seconds_left for each in self._running.values())
        return min((each for each in left if each is not None), default=None)

    def look_at_clock(self) -> None:
        """End the attempts whose time is over."""
        for execution in [*self._running.values()]:
            execution.look_at_clock(self._clock.now())

    def run(self, job: JsonObject) -> None:
        """Start the pod of a Job that is new."""
        name: str = job["metadata"]["name"]
        if self._cluster.find("Pod", pod_name(name)) is not None:
            return
        self._cluster.put(_waiting_pod(job))
        data = self._cluster.find("ConfigMap", name)
        work = work_of(job, self._workflow_of(job), data, Path(self._folder.name))
        execution = self._executor(work, self)
        self._running[name] = execution
        execution.start()

    def _workflow_of(self, job: JsonObject) -> str:
        """Return the workflow's name as its author wrote it."""
        name: str = job["metadata"]["labels"][labels.WORKFLOW]
        stored = self._cluster.stored("Workflow")[name]
        return stored["spec"].get("name") or name

    def stop(self, job: str) -> None:
        """Stop the pod of a Job that was deleted."""
        self._cluster.remove("Pod", pod_name(job))
        if execution := self._running.pop(job, None):
            execution.cancel()
            self._stopping.append(execution)

    def end(self, name: str) -> None:
        """Stop a pod whose time is over, and keep it."""
        metadata = self._cluster.stored("Pod")[name]["metadata"]
        job: str = metadata["labels"]["batch.kubernetes.io/job-name"]
        if execution := self._running.pop(job, None):
            execution.cancel()
            self._stopping.append(execution)
            self._finish(job, _out_of_time(metadata["labels"]))

    def waits_over(self, run: str, task: str) -> int:
        """Return how many waits of a durable task are over. For the engine's thread alone."""
        pages = self._cluster.of_run("DurableLog", run).values()
        return waits_over(page for page in pages if task_of(page) == task)

    # Executions call these from their own threads.

    def now(self) -> datetime:
        """Return the time of the runs."""
        return self._clock.now()

    def wake(self) -> None:
        """The time of an attempt has changed."""
        with contextlib.suppress(RuntimeError):  # the loop has closed
            self._loop.call_soon_threadsafe(self._wake.set)

    def began(self, job: str) -> None:
        """The attempt has got what it needs to start."""
        self._loop.call_soon_threadsafe(self._begin, job)

    def wrote(self, job: str, line: str) -> None:
        """A line was added to the attempt's log."""
        self._cluster.logs[pod_name(job)].append(LogLine(self._clock.now(), line))

    def extended(self, job: str, report: Report) -> None:
        """The attempt has given itself more time."""
        self._loop.call_soon_threadsafe(self._report, job, report)

    def finished(self, job: str, end: ExecutionEnd) -> None:
        """The execution is over."""
        with contextlib.suppress(RuntimeError):  # the loop has closed: nobody waits any more
            self._loop.call_soon_threadsafe(self._finish, job, end)

    def _begin(self, job: str) -> None:
        if self._cluster.find("Pod", pod_name(job)) is not None:
            running = {"running": {"startedAt": format_time(self._clock.now())}}
            self._cluster.change("Pod", pod_name(job), status=_status("Running", running))

    def _report(self, job: str, report: Report) -> None:
        stored = self._cluster.find("Job", job)
        if stored is None:
            return
        if self._cluster.find("TaskResult", job) is None:
            [run] = stored["metadata"]["ownerReferences"]
            self._cluster.put(task_result(job, self._cluster.namespace, run["uid"], report))
        else:
            self._cluster.change("TaskResult", job, spec=report)

    def _finish(self, job: str, end: ExecutionEnd) -> None:
        self._running.pop(job, None)
        self._wake.set()
        if self._cluster.find("Job", job) is None:
            return
        now = self._clock.now()
        if end.report is not None:
            self._report(job, end.report)
        self._cluster.change("Pod", pod_name(job), status=_ended_pod(end, now))
        self._cluster.change("Job", job, status=_job_end(end, now))


def _waiting_pod(job: JsonObject) -> JsonObject:
    """Return the pod of a Job, whose container has not started."""
    metadata: JsonObject = job["metadata"]
    name: str = metadata["name"]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(name),
            "labels": {**metadata["labels"], "batch.kubernetes.io/job-name": name},
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": name,
                    "uid": metadata["uid"],
                    "controller": True,
                }
            ],
        },
        "spec": job["spec"]["template"]["spec"],
        "status": {"phase": "Pending"},
    }


def _ended_pod(end: ExecutionEnd, now: datetime) -> JsonObject:
    """Return the status of a pod that has ended.

    Without a report it has no end time: the core would wait for a report that is still under way.
    """
    times = {"finishedAt": format_time(now)} if end.message else {}
    state = {"terminated": {"exitCode": end.exit_code, "message": end.message, **times}}
    return _status("Failed" if end.exit_code else "Succeeded", state)


def _job_end(end: ExecutionEnd, now: datetime) -> JsonObject:
    """Return the status of a Job whose pod has ended."""
    kind = "Failed" if end.exit_code else "Complete"
    condition = {"type": kind, "status": "True", "lastTransitionTime": format_time(now)}
    return {"conditions": [condition]}


def _out_of_time(names: JsonObject) -> ExecutionEnd:
    """Return the end of a container task that a mock stands in for, by the labels of its Job."""
    report = Report(
        run=names[labels.RUN],
        task=names[labels.TASK],
        attempt=int(names[labels.ATTEMPT]),
        outcome="TimedOut",
        error=ErrorReport(type="TimedOut", message="task exceeded its execution timeout"),
    )
    return ExecutionEnd(pod.EXIT_TIMED_OUT, report=report)


def _status(phase: str, state: JsonObject) -> JsonObject:
    return {"phase": phase, "containerStatuses": [{"name": "task", "state": state}]}
