"""When a run that is scheduled may start, and when it is too late. Called before it is accepted.

The time counts until the run starts; a replay, which is a wish to run now, does not wait for it.
"""

from datetime import UTC, datetime, timedelta

from podhatch.api.run import MAX_DELAY_SECONDS, WorkflowRun, WorkflowRunStatus
from podhatch.core.common.refusal import RunRefusal

SCHEDULED = "Scheduled"
PROMPT = timedelta(seconds=1)
"""What an operator that is not down may take: no run is late by less."""
LONGEST_WAIT = timedelta(hours=1)
"""The clock may be set while we wait."""


def schedule_problem(run: WorkflowRun, now: datetime) -> RunRefusal | None:
    """Say that a run may not start yet, or not any more."""
    start = run.spec.start_at
    if start is None or run.spec.replay:
        return None
    if now < start:
        return RunRefusal(
            SCHEDULED, f"starts at {_words(start)}", look_again_at=min(start, now + LONGEST_WAIT)
        )
    latest = latest_start(run)
    if latest is None or now < latest:
        return None
    return RunRefusal(
        "StartDeadlineExceeded",
        f"spec.startAt was {_words(start)}, and the run could not start within "
        f"{run.spec.starting_deadline_seconds} s of it: create another run, or replay this one",
        end="Cancelled",
    )


def latest_start(run: WorkflowRun) -> datetime | None:
    """Return when it is too late for a scheduled run to start; None if it never is."""
    start, seconds = run.spec.start_at, run.spec.starting_deadline_seconds
    if start is None or seconds is None or run.spec.replay:
        return None
    return start + max(timedelta(seconds=seconds), PROMPT)


def start_moment(run: WorkflowRun, first_task: datetime) -> datetime:
    """Return when the run has started, given when its first task was made.

    Jobs are dated to the second; one that seems to be made in the second before `startAt` was made
    at that time.
    """
    start = run.spec.start_at
    if start and first_task <= start < first_task + PROMPT:
        return start
    return first_task


def start_delay(run: WorkflowRun, started_at: datetime) -> float | None:
    """Return how many seconds late a scheduled run has started; it is noted once."""
    old = run.status or WorkflowRunStatus.model_validate({})
    if old.started_at or run.spec.replay:
        return old.start_delay_seconds
    if run.spec.start_at is None:
        return None
    delay = (started_at - run.spec.start_at).total_seconds()
    return round(min(max(delay, 0.0), MAX_DELAY_SECONDS), 3)


def _words(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
