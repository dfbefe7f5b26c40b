"""Where a task of a run stands: a union, and what follows from it.

`Waiting` becomes `Ready`, an attempt makes it `Running`, and how that ends makes it `Ended` or, if
it is tried again, `Waiting` once more.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from typing import ClassVar, Final, TypeVar

from podhatch.api.event import WorkflowEvent
from podhatch.api.pod import SKIPPED_OUTPUT
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskStatus
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Patch
from podhatch.core.common.text import output_problem
from podhatch.core.expressions.evaluation import Questions, json_text
from podhatch.core.run.attempts import Attempts
from podhatch.core.run.task_status import cancelled, failed, with_attempt
from podhatch.core.workflow.revision import Revision

REFUSED: Final = "Refused"
CONCURRENCY: Final = "Concurrency"
RATE_LIMIT: Final = "RateLimit"
PARENT_OUTPUT_LOST: Final = "ParentOutputLost"


@dataclass(frozen=True, slots=True)
class Waiting:
    """No attempt is made now: parents, conditions, backoff, a refusal or a limit are in the way."""

    status: TaskStatus
    on_conditions: bool = False
    """Events or expressions decide how long."""
    urgent: bool = False
    """Nothing may follow before the status is stored: the attempt that ended must not be lost."""
    look_again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ready:
    """The next attempt may be made. Nothing of it is in the status before it is."""

    status: TaskStatus
    number: int
    queued_at: datetime
    look_again_at: ClassVar[None] = None


@dataclass(frozen=True, slots=True)
class Running:
    """An attempt has been made and has not ended, whether or not its container runs yet."""

    status: TaskStatus
    extension: Patch | None = None
    """Moves the deadline of the Job with the time limit that the attempt has moved."""
    end: Patch | None = None
    """Ends the pod, whose time is over."""
    look_up: str | None = None
    """Uid of the Job or pod whose Events may say why the attempt does not start."""
    look_again_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """The task is over."""

    status: TaskStatus
    output: str | None = None
    """The whole output as JSON text, when the last attempt just ended."""
    output_in_result: bool = False
    look_up: str | None = None
    """As for a running task: the Events may say why the last attempt never started."""
    look_again_at: ClassVar[None] = None


Settled = Waiting | Running | Ended
Position = Settled | Ready
P = TypeVar("P", bound=Position)


@dataclass(frozen=True)
class Standing:
    """Where all tasks stand."""

    positions: Mapping[str, Position]
    moving: Sequence[str]
    """The tasks whose position says more than their stored entry, parents before children."""


@dataclass(frozen=True)
class TaskContext:
    """The run around a task, at one moment."""

    run: WorkflowRun
    revision: Revision
    observed: Observed
    attempts: Attempts
    defaults: Defaults
    now: datetime
    questions: Questions

    @cached_property
    def events(self) -> tuple[WorkflowEvent, ...]:
        """The events that some task of the workflow waits for."""
        return tuple(
            WorkflowEvent.model_validate(event)
            for event in self.observed.events
            if event["spec"]["key"] in self.revision.event_keys
        )


def as_stored(position: P, stored: TaskStatus | None) -> P:
    """Give a position whose entry is as it was the stored entry: it need not be written again."""
    if position.status is stored or position.status != stored:
        return position
    return replace(position, status=stored)


def output_text(position: Position, observed: Observed) -> str | None:
    """Return an ended task's whole output as JSON text; None when it returned nothing.

    Raises:
        KeyError: the TaskResult that holds it is gone, or another has taken its name.
    """
    status = position.status
    if status.state == "Skipped":
        return json_text(SKIPPED_OUTPUT)
    if isinstance(position, Ended) and position.output is not None:
        return position.output
    if status.output_ref is None:
        return status.output
    text: str | None = observed.results[status.output_ref]["spec"].get("output")
    if text is None or output_problem(text):
        raise KeyError(status.output_ref)
    return text


def output_value(position: Position, observed: Observed) -> object:
    """Return an ended task's output; None also for one that a status holds, and is not JSON.

    Raises:
        KeyError: as for `output_text`.
    """
    try:
        return json.loads(output_text(position, observed) or "null")
    except (ValueError, RecursionError):
        return None


def lose_output(old: TaskStatus, result: str, now: datetime) -> Ended:
    """Return the end of a task whose parent's output is gone."""
    return Ended(failed(old, PARENT_OUTPUT_LOST, lost_output(result), now))


def lost_output(result: str) -> str:
    """Say that a parent's output is gone."""
    return f"the TaskResult {result} that holds a parent's output was deleted"


def start(task: TaskSpec, ready: Ready, job: str) -> Running:
    """Return where a task stands once its next attempt has been made as this Job."""
    status = with_attempt(ready.status, ready.number, job=job, queued_at=ready.queued_at)
    return Running(status, look_again_at=schedule_deadline(task, ready.queued_at))


def wait_in_queue(
    task: TaskSpec, queued: TaskStatus, now: datetime, *, urgent: bool = False
) -> Waiting | Ended:
    """Have a task wait whose next attempt is held back; but not for ever."""
    deadline = schedule_deadline(task, queued.queued_at or now)
    if now >= deadline:
        return Ended(schedule_timed_out(task, queued, queued.message or "", now))
    return Waiting(queued, urgent=urgent, look_again_at=deadline)


def schedule_deadline(task: TaskSpec, queued_at: datetime) -> datetime:
    """Return until when the task must have begun."""
    return queued_at + timedelta(seconds=task.schedule_timeout_seconds)


def schedule_timed_out(task: TaskSpec, current: TaskStatus, why: str, now: datetime) -> TaskStatus:
    """Return the end of a task that did not begin in time."""
    limit = f"{task.schedule_timeout_seconds:g}s"
    message = f"did not start within its schedule timeout of {limit}: {why}"
    return cancelled(current, "ScheduleTimedOut", message, now)
