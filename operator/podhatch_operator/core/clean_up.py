"""What is to be deleted: Jobs that were given up, and what is left of runs that ended long ago.

Called by plan_run for what belongs to a run, and by the reconciler for revisions and events.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.event import DEFAULT_EVENT_TTL_SECONDS, MAX_EVENT_TTL_SECONDS
from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRunStatus

from podhatch_operator.core.decision import Child
from podhatch_operator.core.desire import RUN_CANCELLED
from podhatch_operator.core.entry import REPLAYED
from podhatch_operator.core.observed import Defaults
from podhatch_operator.core.pods import attempt_number, read_time, true_condition
from podhatch_operator.core.revision import Revision, current_revision, is_intact

_GIVEN_UP = frozenset({RUN_CANCELLED, REPLAYED, "ScheduleTimedOut"})


@dataclass(frozen=True)
class CleanUp:
    """What to delete now, and when to look again."""

    delete: tuple[Child, ...] = ()
    look_again_at: datetime | None = None


def given_up_jobs(
    status: WorkflowRunStatus | None, jobs: Mapping[str, JsonObject]
) -> tuple[Child, ...]:
    """Return the active Jobs of attempts that we ended: nothing else stops their pods.

    Only the stored status counts, so that the reason is written down before the pod is stopped.
    """
    entries = {entry.name: entry for entry in status.tasks} if status else {}
    return tuple(
        Child("Job", name)
        for name, job in jobs.items()
        if _is_active(job)
        and _is_given_up(entries.get(job["metadata"]["labels"][labels.TASK]), name, job)
    )


def _is_given_up(entry: TaskStatus | None, name: str, job: JsonObject) -> bool:
    if entry is None:
        return False
    if entry.job == name:
        return entry.state == "Cancelled" and entry.reason in _GIVEN_UP
    number = attempt_number(job)
    # A queue that takes a pod back suspends the Job, which would run again beside its successor.
    waits = job["spec"].get("suspend", False)
    return any(
        record.attempt == number and (waits or record.reason in _GIVEN_UP)
        for record in entry.attempts
    )


def _is_active(job: JsonObject) -> bool:
    if job["metadata"].get("deletionTimestamp"):
        return False
    return not (true_condition(job, "Failed") or true_condition(job, "Complete"))


def after_the_end(
    run_name: str,
    status: WorkflowRunStatus,
    jobs: Collection[str],
    revision: Revision | None,
    defaults: Defaults,
    now: datetime,
) -> CleanUp:
    """Return what of a finished run has lived long enough: first its Jobs, then all of it."""
    if status.finished_at is None:
        return CleanUp()
    own = revision.spec.ttl_seconds_after_finished if revision else None
    run_ttl = defaults.run_ttl_seconds if own is None else own
    run_end = None if run_ttl is None else status.finished_at + timedelta(seconds=run_ttl)
    if run_end and now >= run_end:
        return CleanUp((Child("WorkflowRun", run_name),))
    if defaults.job_ttl_seconds is None or not jobs:
        return CleanUp(look_again_at=run_end)
    jobs_end = status.finished_at + timedelta(seconds=defaults.job_ttl_seconds)
    if now >= jobs_end:
        return CleanUp(tuple(Child("Job", name) for name in jobs), run_end)
    return CleanUp(look_again_at=min(jobs_end, run_end) if run_end else jobs_end)


def unused_revisions(
    workflow: JsonObject | None,
    revisions: Mapping[str, JsonObject],
    in_use: Collection[str],
) -> tuple[Child, ...]:
    """Return the revisions no run has pinned, and the shipped sources that only they refer to.

    What has another content than its name says is not ours to delete.

    Args:
        workflow: as it is now; None when it was deleted.
        revisions: all of the workflow.
        in_use: those that runs have pinned.
    """
    current = current_revision(workflow).name if workflow else None
    revisions = {name: each for name, each in revisions.items() if is_intact(each)}
    unused = [name for name in revisions if name not in in_use and name != current]
    specs = [revisions[name]["data"]["spec"] for name in revisions if name not in unused]
    if workflow:
        specs.append(workflow["spec"])
    kept = set(_sources(specs))
    sources = set(_sources(revisions[name]["data"]["spec"] for name in unused)) - kept
    return tuple(
        [Child("ControllerRevision", name) for name in unused]
        + [Child("ConfigMap", name) for name in sorted(sources)]
    )


def _sources(specs: Iterable[JsonObject]) -> Iterable[str]:
    return [spec["source"]["configMap"] for spec in specs if "source" in spec]


def expired(event: JsonObject, now: datetime) -> CleanUp:
    """Return whether an event has outlived its time, or when it will have.

    Nothing else of the event is read: one that cannot be understood is deleted too.
    """
    created = read_time(event["metadata"].get("creationTimestamp")) or now
    seconds: int = event.get("spec", {}).get("ttlSeconds", DEFAULT_EVENT_TTL_SECONDS)
    end = created + timedelta(seconds=min(seconds, MAX_EVENT_TTL_SECONDS))
    if now >= end:
        return CleanUp((Child("WorkflowEvent", event["metadata"]["name"]),))
    return CleanUp(look_again_at=end)
