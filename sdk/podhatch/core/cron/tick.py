"""One tick of a cron: its Job, the run that it creates, and the Job's status that follows the run.

The run is created while the Job has no startTime, which is written afterwards. So a tick creates
exactly one run, wherever the operator ends, and none once its run was deleted.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.cron import CronWorkflow, CronWorkflowSpec
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.cron.tick_run import SCHEDULED_AT, Cause, run_manifest
from podhatch.core.pod.pods import has_job_ended, true_condition
from podhatch.core.workflow.pause import DROPPED_WHILE_PAUSED

NAME_TAKEN = "TickNameTaken"
CRON_GRACE = timedelta(seconds=10)
"""A Job and its CronWorkflow come by two watches."""


@dataclass(frozen=True)
class TickStep:
    """What a tick needs next; nothing while its run goes on."""

    create: JsonObject | None = None
    """The run."""
    status: JsonObject | None = None
    """Of the Job, whole."""
    look_again_at: datetime | None = None


def is_live(job: JsonObject) -> bool:
    """Return whether a Job stands for a tick: not on its way out, and not the Job controller's."""
    managed_by = job["spec"].get("managedBy")
    return "deletionTimestamp" not in job["metadata"] and managed_by == labels.MANAGED_BY_OPERATOR


def awaits_end(job: JsonObject | None, run: WorkflowRun) -> bool:
    """Return whether a Job is the tick that started a run, and does not say yet how that ended.

    Without the run, the Job could only say that it was deleted.
    """
    if job is None or not is_live(job) or has_job_ended(job):
        return False
    has_its_name = run.metadata.name == job["metadata"]["name"]
    return _is_of(run, job) and (has_its_name or run.spec.idempotency is not None)


def plan_tick(
    job: JsonObject, run: JsonObject | None, cause: Cause | None, now: datetime
) -> TickStep:
    """Return the next step of a tick whose Job is there.

    Args:
        job: that stands for the tick.
        run: of the Job's name, or with a key, if there is one.
        cause: None when the CronWorkflow is gone, or not seen yet.
        now: the time.
    """
    if has_job_ended(job):
        return TickStep()
    if run is not None:
        return _followed(job, WorkflowRun.model_validate(run), now)
    if "startTime" in job.get("status", {}):
        of = job["metadata"]["name"] if cause is None or cause.claim is None else "of this tick"
        message = f"WorkflowRun {of} was deleted before it ended"
        return TickStep(status=_failed(job, now, "RunDeleted", message, now))
    if cause is not None:
        return _first_step(job, cause, now)
    seen_at = _created(job) + CRON_GRACE
    if now < seen_at:
        return TickStep(look_again_at=seen_at)
    message = f"there is no CronWorkflow {_cron_of(job)} that says what to run"
    return TickStep(status=_failed(job, now, "CronNotFound", message, now))


def _first_step(job: JsonObject, cause: Cause, now: datetime) -> TickStep:
    """Make the run, unless that comes too late or is not wanted; wait while none can be made."""
    deadline = _start_deadline(job, cause.cron.spec)
    if deadline and deadline <= now:
        message = "no run could be started within spec.startingDeadlineSeconds"
        return TickStep(status=_failed(job, now, "StartDeadlineExceeded", message, now))
    if cause.drops_ticks:
        message = (
            f"Workflow {cause.cron.spec.workflow!r} is paused, and spec.pausePolicy.cronRuns is "
            "Drop: there is no run of this tick"
        )
        return TickStep(status=_failed(job, now, DROPPED_WHILE_PAUSED, message, now))
    if cause.problem:
        return TickStep(look_again_at=deadline)
    return TickStep(create=run_manifest(job, cause))


def _start_deadline(job: JsonObject, spec: CronWorkflowSpec) -> datetime | None:
    """Return until when a tick may wait for us. Its Job itself came in time."""
    seconds = spec.starting_deadline_seconds
    if seconds is None or SCHEDULED_AT not in job["metadata"].get("annotations", {}):
        return None
    return _created(job) + max(timedelta(seconds=seconds), CRON_GRACE)


def _followed(job: JsonObject, run: WorkflowRun, now: datetime) -> TickStep:
    """Write into the Job what the run has come to."""
    name = run.metadata.name
    started = run.metadata.creation_timestamp or now
    if not _is_of(run, job):
        message = f"WorkflowRun {name} exists and is not of this tick, which made no run: delete it"
        return TickStep(status=_failed(job, now, NAME_TAKEN, message, now))
    if run.status is None or not run.finished:
        if "startTime" in job.get("status", {}):
            return TickStep()
        since = {"startTime": _text(started)}
        return TickStep(status={**job.get("status", {}), **since, "active": 1})
    ended, phase = run.status.finished_at or now, run.status.phase
    if phase == "Succeeded":
        message = f"WorkflowRun {name} succeeded"
        return TickStep(status=_complete(job, started, "RunSucceeded", message, ended))
    because = f": {run.status.message}" if run.status.message else ""
    message = f"WorkflowRun {name} is {phase}{because}"
    return TickStep(status=_failed(job, started, f"Run{phase}", message, ended))


def _is_of(run: WorkflowRun, job: JsonObject) -> bool:
    """Whether we made the run for this tick.

    Others may know a tick's name before its time, and nobody the uid of its Job.
    """
    tick = run.spec.trigger.cron if run.spec.trigger else None
    metadata = job["metadata"]
    made_for = tick and (tick.cron, tick.job, tick.job_uid)
    return made_for == (_cron_of(job), metadata["name"], metadata["uid"])


def taken_name(job: JsonObject) -> str | None:
    """Return the message of a tick that made no run because its run's name was taken."""
    failed = true_condition(job, "Failed")
    return failed.get("message") if failed and failed.get("reason") == NAME_TAKEN else None


def is_abandoned(run: JsonObject, cron: CronWorkflow) -> bool:
    """Return whether a run whose Job is gone is to be cancelled: another tick took its place.

    Not when it goes on for another reason: it was replayed, is a copy under another name, or is of
    an earlier cron of this name.
    """
    parsed = WorkflowRun.model_validate(run)
    tick = parsed.spec.trigger.cron if parsed.spec.trigger else None
    name = parsed.metadata.name if parsed.spec.idempotency is None else tick and tick.job
    created, since = parsed.metadata.creation_timestamp, cron.metadata.creation_timestamp
    is_of_earlier = created is not None and since is not None and created < since
    is_ours = tick is not None and (tick.cron, tick.job) == (cron.metadata.name, name)
    wanted = parsed.spec.desired_state == "Running" and parsed.spec.replay is None
    return is_ours and not is_of_earlier and wanted and not parsed.finished


def _created(job: JsonObject) -> datetime:
    return datetime.fromisoformat(job["metadata"]["creationTimestamp"])


def _cron_of(job: JsonObject) -> str:
    name: str = job["metadata"].get("labels", {}).get(labels.CRON, "")
    return name


def _complete(
    job: JsonObject, started: datetime, reason: str, message: str, ended: datetime
) -> JsonObject:
    status = _ended(job, started, ("SuccessCriteriaMet", "Complete"), reason, message, ended)
    return {**status, "completionTime": _text(max(started, ended)), "succeeded": 1}


def _failed(
    job: JsonObject, started: datetime, reason: str, message: str, ended: datetime
) -> JsonObject:
    status = _ended(job, started, ("FailureTarget", "Failed"), reason, message, ended)
    return {**status, "failed": 1}


def _ended(
    job: JsonObject,
    started: datetime,
    types: tuple[str, str],
    reason: str,
    message: str,
    ended: datetime,
) -> JsonObject:
    """Return the Job's status at its end. The API server wants both conditions, and no pods."""
    old = {name: part for name, part in job.get("status", {}).items() if name != "active"}
    conditions = [
        {
            "type": each,
            "status": "True",
            "reason": reason,
            "message": message,
            "lastProbeTime": _text(ended),
            "lastTransitionTime": _text(ended),
        }
        for each in types
    ]
    return {"startTime": _text(started), **old, "conditions": conditions}


def without_run(job: JsonObject, key: str, held_by: str, now: datetime) -> JsonObject:
    """Return the status of a tick whose run would have a key that another run holds."""
    message = f"no run was started: WorkflowRun {held_by} holds the idempotency key {key!r}"
    return _complete(job, now, "IdempotencyCollision", message, now)


def _text(moment: datetime) -> str:
    """Return a time to the second, as Jobs hold it."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
