"""How a durable task waits without a pod: from the end of its pod until it is resumed."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.names import durable_log_name
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskStatus
from podhatch.core.common.observed import Observed
from podhatch.core.durable.progress import LOST_AFTER, awaits_anything, waiting_text, waits_over
from podhatch.core.pod.end import AttemptEnd
from podhatch.core.run.job import AttemptSpec
from podhatch.core.run.position import Waiting
from podhatch.core.run.retry import resume_backoff
from podhatch.core.run.task_status import bounded, kept

EVICTED: Final = "Evicted"
RESUME_BACKOFF: Final = "ResumeBackOff"
LOG_UNREADABLE: Final = "LogUnreadable"
NOTHING_AWAITED = "no wait in its log is open: it gets a new pod in a minute"


def log_pages(run: WorkflowRun, task: TaskSpec, observed: Observed) -> list[JsonObject]:
    """Return the pages of a task's log, in their order."""
    name = durable_log_name(AttemptSpec(run, task, 1).name)
    pages = {
        int(page): raw
        for each, raw in observed.durable_logs.items()
        if (page := each.removeprefix(f"{name}-")) != each and page.isdecimal() and len(page) < 4
    }
    return [pages[number] for number in sorted(pages)]


def log_problem(pages: Sequence[JsonObject]) -> str | None:
    """Say which page cannot be read, so that nobody can say when its waits are over; else None."""
    for page in pages:
        if why := page.get(UNREADABLE):
            return (
                f"DurableLog {page['metadata']['name']} cannot be read, so its waits do not end: "
                f"{why}; to go on, reset the task to an earlier call "
                "(hatchet.runs.reset_durable_task)"
            )
    return None


def park(
    current: TaskStatus,
    end: AttemptEnd,
    waits_at_start: int,
    pages: Sequence[JsonObject],
    now: datetime,
) -> TaskStatus:
    """Return the entry of a task whose pod gave up.

    A pod reads the log when it starts. If it reports fewer waits as over than were over when it was
    made, and still are, it would be resumed in vain again and again: a backoff comes first.
    """
    seen = end.waits_over or 0
    known = min(waits_at_start, waits_over(pages))  # a reset, or the task, may have taken some away
    evicted_at = end.finished_at or now
    waiting = kept(
        current,
        state="Waiting",
        reason=EVICTED,
        message=bounded(waiting_text(pages)),
        waits_over=seen,
        evicted_at=evicted_at,
        idle_resumes=0,
    )
    if seen >= known:
        return waiting
    idle = current.idle_resumes + 1
    message = (
        f"its pod reported {seen} waits as over, and {known} were when it was made: it is resumed "
        f"after a backoff, number {idle}"
    )
    changes = {
        "reason": RESUME_BACKOFF,
        "message": message,
        "idle_resumes": idle,
        "next_attempt_at": evicted_at + resume_backoff(idle),
    }
    return waiting.model_copy(update=changes)


def still_parked(old: TaskStatus, pages: Sequence[JsonObject], now: datetime) -> Waiting | None:
    """Return how a task goes on waiting; None if it is to be resumed.

    It is once more waits are over than its last pod has seen. A log without an open wait, as one
    whose pages were deleted, would keep it for ever, unless what the pod wrote is still to be seen.
    """
    if old.next_attempt_at and now < old.next_attempt_at:
        return Waiting(old, look_again_at=old.next_attempt_at)
    seen = old.waits_over or 0
    if waits_over(pages) > seen:
        return None
    evicted_at = old.evicted_at or now
    is_open = awaits_anything(pages)
    lost_at = evicted_at + LOST_AFTER
    if not is_open and now >= lost_at:
        return None
    status = kept(
        old,
        state="Waiting",
        reason=EVICTED,
        message=bounded(waiting_text(pages)) if is_open else NOTHING_AWAITED,
        waits_over=seen,
        evicted_at=old.evicted_at if is_open else evicted_at,
    )
    return Waiting(status, look_again_at=None if is_open else lost_at)
