"""Kubernetes Events for what changed between the stored status and the new one.

Their names are made of run, subject and reason, so that posting one twice is refused.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import short_hash
from podhatch.api.run import ACCEPTED, WorkflowRun, WorkflowRunStatus
from podhatch.api.task_status import TERMINAL_STATES, TaskStatus
from podhatch.core.common.condition import find_condition
from podhatch.core.common.text import cut
from podhatch.core.pod.diagnosis import PROBLEM_REASONS
from podhatch.core.run.acceptance import SCHEDULED
from podhatch.core.run.position import CONCURRENCY
from podhatch.core.workflow.pause import WORKFLOW_PAUSED

CONTROLLER = f"{labels.GROUP}/operator"
MAX_NOTE = 1000
"""Bytes; the API server takes 1024."""


@dataclass(frozen=True)
class Transition:
    """Something a user of `kubectl describe` wants to read."""

    type: Literal["Normal", "Warning"]
    reason: str
    note: str
    task: str = ""
    attempt: int = 0


def transitions(old: WorkflowRunStatus | None, new: WorkflowRunStatus) -> list[Transition]:
    """Return what happened between two statuses of a run, tasks first."""
    before = {task.name: task for task in old.tasks} if old else {}
    found = [
        transition
        for task in new.tasks
        if task is not (stored := before.get(task.name))
        for transition in _of_task(stored, task)
    ]
    if len(new.tasks) == 1 and new.phase in TERMINAL_STATES:
        # The run's own event says it all.
        found = []
    return [*found, *_of_run(old, new)]


def _of_run(old: WorkflowRunStatus | None, new: WorkflowRunStatus) -> Iterator[Transition]:
    if _standing(new) == (_standing(old) if old else (None, "")):
        return
    if new.phase == "Pending":
        _, reason = _standing(new)
        if any(each.held for each in new.concurrency):  # it starts at once
            return
        kind = "Normal" if reason in (SCHEDULED, WORKFLOW_PAUSED, CONCURRENCY) else "Warning"
        yield Transition(kind, reason or "Pending", new.message or "")
    elif new.phase == "Running":
        yield Transition("Normal", "Started", f"Started with revision {new.revision}")
    elif new.phase == "Succeeded":
        yield Transition("Normal", "Succeeded", f"All tasks succeeded ({new.progress})")
    elif new.phase:
        yield Transition("Warning", new.phase, new.message or "")


def _standing(status: WorkflowRunStatus) -> tuple[str | None, str]:
    """Return the phase, and why a run has not started."""
    accepted = find_condition(status.conditions, ACCEPTED)
    why = accepted.reason if accepted and status.phase == "Pending" else ""
    return status.phase, why


def _of_task(old: TaskStatus | None, new: TaskStatus) -> Iterator[Transition]:
    state_before = old.state if old else None
    if new.state in TERMINAL_STATES and new.state != state_before:
        kind = "Normal" if new.state == "Succeeded" else "Warning"
        note = f"Task {new.name}: {new.message or new.state.lower()}"
        yield Transition(kind, f"Task{new.state}", note, new.name, new.attempt)
    reason_before = old.reason if old else None
    waits = new.state in ("Queued", "Waiting")
    if waits and new.reason in PROBLEM_REASONS and new.reason != reason_before:
        note = f"Task {new.name}: {new.message}"
        yield Transition("Warning", new.reason, note, new.name, new.attempt)


def event_manifest(run: WorkflowRun, transition: Transition, event_time: str) -> JsonObject:
    """Return the Event for a transition of this run."""
    metadata = run.metadata
    subject = f"{metadata.uid}/{transition.reason}/{transition.task}/{transition.attempt}"
    return {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "metadata": {
            "name": f"{metadata.name}.{short_hash(subject, 12)}",
            "namespace": metadata.namespace,
        },
        "eventTime": event_time,
        "type": transition.type,
        "reason": transition.reason,
        "note": cut(transition.note, MAX_NOTE),
        "action": "Reconcile",
        "reportingController": CONTROLLER,
        "reportingInstance": "podhatch-operator",
        "regarding": {
            "apiVersion": run.api_version,
            "kind": run.kind,
            "name": metadata.name,
            "namespace": metadata.namespace,
            "uid": metadata.uid,
        },
    }
