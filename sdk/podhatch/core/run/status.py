"""The run as a whole, from its tasks: phase, progress, conditions, times. Called by plan_run."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.api import run as api
from podhatch.api.run import TERMINAL_STATES, Phase, TaskStatus, WorkflowRun, WorkflowRunStatus
from podhatch.core.common.condition import with_condition
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.run.acceptance import start_delay, start_moment

MAX_RUN_MESSAGE = 2000


def accepted_status(
    run: WorkflowRun, revision: str, tasks: Sequence[TaskStatus], now: datetime
) -> WorkflowRunStatus:
    """Return the status of a run that is under way or over."""
    old = run.status or WorkflowRunStatus.model_validate({})
    phase = run_phase(tasks)
    generation = run.metadata.generation
    conditions = with_condition(
        [each for each in old.conditions if each.type not in api.TERMINAL_PHASES],
        type=api.ACCEPTED,
        status=True,
        reason="Accepted",
        message="",
        now=now,
        generation=generation,
    )
    message = _message(phase, tasks)
    if phase in api.TERMINAL_PHASES:
        conditions = with_condition(
            conditions,
            type=phase,
            status=True,
            reason=f"Tasks{phase}",
            message=message or "",
            now=now,
            generation=generation,
        )
    ended = sum(task.state in TERMINAL_STATES for task in tasks)
    started_at = old.started_at or start_moment(run, _first_moment(tasks) or now)
    return WorkflowRunStatus(
        observed_generation=generation,
        phase=phase,
        message=message,
        progress=f"{ended}/{len(tasks)}",
        revision=revision,
        replays=run.asked_replays,
        started_at=started_at,
        start_delay_seconds=start_delay(run, started_at),
        finished_at=_last_moment(tasks, now) if phase in api.TERMINAL_PHASES else None,
        conditions=conditions,
        tasks=list(tasks),
    )


def cancelled_status(
    run: WorkflowRun, tasks: Sequence[TaskStatus], now: datetime
) -> WorkflowRunStatus:
    """Return the status of a run that its user cancelled, whether or not it had started."""
    old = run.status or WorkflowRunStatus.model_validate({})
    message = "the run was cancelled"
    changes = {
        "observed_generation": run.metadata.generation,
        "phase": "Cancelled",
        "message": message,
        "finished_at": now,
        "tasks": list(tasks),
        "progress": f"{len(tasks)}/{len(tasks)}" if tasks else None,
        "conditions": with_condition(
            old.conditions,
            type=api.CANCELLED,
            status=True,
            reason="RunCancelled",
            message=message,
            now=now,
            generation=run.metadata.generation,
        ),
    }
    return old.model_copy(update=changes)


def rejected_status(run: WorkflowRun, rejection: RunRefusal, now: datetime) -> WorkflowRunStatus:
    """Return the status of a run that cannot start: for good, or until what it needs is there."""
    old = run.status or WorkflowRunStatus.model_validate({})
    generation = run.metadata.generation
    conditions = [each for each in old.conditions if each.type not in api.TERMINAL_PHASES]
    ended = ((rejection.end, True),) if rejection.end else ()
    for type_, status in ((api.ACCEPTED, False), *ended):
        conditions = with_condition(
            conditions,
            type=type_,
            status=status,
            reason=rejection.reason,
            message=rejection.message,
            now=now,
            generation=generation,
        )
    return WorkflowRunStatus(
        observed_generation=generation,
        phase=rejection.end or "Pending",
        message=rejection.message[:MAX_RUN_MESSAGE],
        replays=run.asked_replays if rejection.end else old.replays,
        finished_at=now if rejection.end else None,
        conditions=conditions,
    )


def run_phase(tasks: Sequence[TaskStatus]) -> Phase:
    """Return the phase: Running until every task ended, then the worst of their ends."""
    states = {task.state for task in tasks}
    if states - TERMINAL_STATES:
        return "Running"
    if "Failed" in states:
        return "Failed"
    return "Cancelled" if "Cancelled" in states else "Succeeded"


def _message(phase: Phase, tasks: Sequence[TaskStatus]) -> str | None:
    """Say which task decided the phase, or what a waiting task waits for."""
    if phase == "Succeeded":
        return None
    telling = {"Failed": "Failed", "Cancelled": "Cancelled"}.get(phase, "Queued")
    for task in tasks:
        if task.state == telling and task.message:
            return f"task {task.name}: {task.message}"[:MAX_RUN_MESSAGE]
    return None


def _first_moment(tasks: Sequence[TaskStatus]) -> datetime | None:
    moments = [task.queued_at or task.started_at for task in tasks]
    return min((moment for moment in moments if moment), default=None)


def _last_moment(tasks: Sequence[TaskStatus], now: datetime) -> datetime:
    return max((task.finished_at for task in tasks if task.finished_at), default=now)
