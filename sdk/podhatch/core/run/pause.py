"""What a paused workflow means for a run: one that has started goes on, any other waits.

A replay is a start too. While it waits, the tasks in the status stay as they ended; if the run is
under way when the replay is asked for, it goes on to its end first.
"""

from datetime import datetime, timedelta

from podhatch.api.run import ACCEPTED, WorkflowRun
from podhatch.api.task_status import TERMINAL_STATES
from podhatch.core.common.condition import find_condition
from podhatch.core.common.observed import Observed
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.run.acceptance import LONGEST_WAIT, in_words, is_behind
from podhatch.core.run.attempts import Attempts
from podhatch.core.workflow.pause import (
    DROPPED_WHILE_PAUSED,
    QUEUE_TTL_EXCEEDED,
    WORKFLOW_PAUSED,
    pause_of,
)


def pause_refusal(run: WorkflowRun, observed: Observed, now: datetime) -> RunRefusal | None:
    """Say that a run may not start while its workflow is paused, or not any more."""
    policy = pause_of(observed.workflow)
    if policy is None or is_behind(run, observed.workflow):
        return None
    name = run.spec.workflow
    if policy.scheduled_runs == "Drop" and _is_scheduled(run) and not _is_queued(run):
        return RunRefusal(
            DROPPED_WHILE_PAUSED,
            f"Workflow {name!r} is paused, and spec.pausePolicy.scheduledRuns is Drop: create "
            "another run, or replay this one",
            end="Cancelled",
        )
    until = _queued_since(run, now) + timedelta(seconds=policy.queue_ttl_seconds)
    if now >= until:
        return RunRefusal(
            QUEUE_TTL_EXCEEDED,
            f"Workflow {name!r} is paused, and the run waited {policy.queue_ttl_seconds} s "
            "(spec.pausePolicy.queueTtlSeconds): create another run, or replay this one",
            end="Cancelled",
        )
    return RunRefusal(
        WORKFLOW_PAUSED,
        f"Workflow {name!r} is paused; the run starts when the workflow is unpaused, and is "
        f"cancelled at {in_words(until)}",
        look_again_at=min(until, now + LONGEST_WAIT),
    )


def _is_scheduled(run: WorkflowRun) -> bool:
    return run.spec.start_at is not None and run.spec.replay is None


def _is_queued(run: WorkflowRun) -> bool:
    """Whether the run waits already: a policy that has changed since then does not drop it."""
    accepted = find_condition(run.status.conditions, ACCEPTED) if run.status else None
    return accepted is not None and accepted.reason == WORKFLOW_PAUSED


def _queued_since(run: WorkflowRun, now: datetime) -> datetime:
    """Return since when a run could have started; a replay, since it began to wait."""
    if run.spec.replay:
        accepted = find_condition(run.status.conditions, ACCEPTED) if run.status else None
        waits = accepted is not None and accepted.status == "False" and not run.finished
        return accepted.last_transition_time if accepted and waits else now
    created = run.metadata.creation_timestamp or now
    return max(created, run.spec.start_at or created)


def has_begun(run: WorkflowRun, revision: str | None, attempts: Attempts) -> bool:
    """Return whether the run has started; of one with a replay due, whether the replay has."""
    if run.replay_due:
        return _begun_replays(run, attempts) == run.asked_replays
    return revision is not None


def is_under_way(run: WorkflowRun, attempts: Attempts) -> bool:
    """Return whether a run with a replay due has started, or an earlier replay, and not ended."""
    status = run.status
    if _begun_replays(run, attempts) > (status.replays if status else 0):
        return True
    if status is None or status.revision is None:
        return not run.finished and bool(attempts)
    return any(task.state not in TERMINAL_STATES for task in status.tasks)


def before_replay(run: WorkflowRun, attempts: Attempts) -> WorkflowRun:
    """Return the run as if no replay was asked for that has not begun."""
    count = _begun_replays(run, attempts)
    replay = run.spec.replay.model_copy(update={"count": count}) if run.spec.replay else None
    spec = run.spec.model_copy(update={"replay": replay if count else None})
    return run.model_copy(update={"spec": spec})


def _begun_replays(run: WorkflowRun, attempts: Attempts) -> int:
    """Return the last replay that has begun.

    The operator may end after creating an attempt and before writing the status.
    """
    stored = run.status.replays if run.status else 0
    return min(max([stored, *(each.replay for each in attempts.values())]), run.asked_replays)
