"""What is to be deleted: Jobs that were given up, and what is left of runs that ended long ago."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import AttemptRecord, TaskStatus
from podhatch.core.common.idempotency import holds_key_until
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Delete, Patch, Plan, first
from podhatch.core.cron.tick import awaits_end
from podhatch.core.pod.end import end_of_pod
from podhatch.core.pod.pods import container_state, outlives_task, read_time
from podhatch.core.run.acceptance import has_live_parent
from podhatch.core.run.attempts import Attempts, AttemptView
from podhatch.core.run.job import attempt_name
from podhatch.core.run.position import CONCURRENCY
from podhatch.core.run.run_requests import RUN_CANCELLED
from podhatch.core.run.task_status import REPLAYED, cancelled
from podhatch.core.workflow.revision import Revision

_GIVEN_UP = frozenset({RUN_CANCELLED, REPLAYED, CONCURRENCY, "ScheduleTimedOut"})
BESIDE_GRACE = timedelta(seconds=5)
"""What runs beside a task's container has so long to end after it."""
AWAITED_PAUSE = timedelta(hours=1)
"""A run that its parent keeps is looked at again after this time."""
AWAITED_TICK = timedelta(hours=1)
"""A run is kept no longer for a tick whose Job the API server lets say nothing."""
JOB_GRACE = timedelta(seconds=90)
"""A Job still active so long after its attempt ended has a pod that does not end by itself."""


def with_late_attempts(
    entries: Sequence[TaskStatus], attempts: Attempts, now: datetime
) -> list[TaskStatus]:
    """Return the entries of a run that is over, with the attempts that were made and not noted.

    The operator ended between making such a Job and writing the status. How the tasks ended stays.
    """
    noted = {entry.name: entry for entry in entries}
    for attempt in attempts.active:
        task, number = attempt.key
        old = noted.get(task)
        if old and number <= old.attempt:
            continue
        if old:
            noted[task] = old.model_copy(update={"attempt": number})
        else:
            made = TaskStatus(name=task, state="Queued", attempt=number, job=attempt.name)
            noted[task] = cancelled(made, RUN_CANCELLED, "the run was over", now)
    return list(noted.values())


def ended_attempts(
    run: WorkflowRun, entries: Mapping[str, TaskStatus], attempts: Attempts, now: datetime
) -> Plan:
    """Return what stops pods of attempts that are over: lingering pods, and given up Jobs."""
    lingering = lingering_pods(entries, attempts, now)
    given_up = given_up_jobs(run, entries, attempts, now)
    moments = (lingering.requeue_at, given_up.requeue_at)
    return Plan((*lingering.writes, *given_up.writes), requeue_at=first(moments))


def given_up_jobs(
    run: WorkflowRun, entries: Mapping[str, TaskStatus], attempts: Attempts, now: datetime
) -> Plan:
    """Return the active Jobs of attempts that are over: nothing else stops their pods.

    Only the entries of the stored status count, so that the reason is written down before the pod
    is stopped.
    """
    delete: list[Delete] = []
    waited_for: list[datetime] = []
    for attempt in attempts.active:
        entry = entries.get(attempt.task)
        ended_at = _end_of(attempt, entry) if entry else None
        is_late = ended_at is not None and now >= ended_at + JOB_GRACE
        if is_late or _is_given_up(run, entry, attempt):
            delete.append(Delete("Job", attempt.name))
        elif ended_at:
            waited_for.append(ended_at + JOB_GRACE)
    return Plan(tuple(delete), requeue_at=min(waited_for, default=None))


def _is_given_up(run: WorkflowRun, entry: TaskStatus | None, attempt: AttemptView) -> bool:
    # Until the replay is stored, the Job keeps its name from being used again.
    is_of_other_replay = attempt.replay != run.asked_replays and not run.replay_due
    if entry is None or attempt.number > entry.attempt:
        return is_of_other_replay
    if entry.job == attempt.name:
        return entry.state == "Cancelled" and entry.reason in _GIVEN_UP
    reasons = [record.reason for record in _records(attempt, entry)]
    if not reasons:
        return is_of_other_replay or (run.finished and not run.replay_due)
    # A queue that takes a pod back suspends the Job, which would run again beside its successor.
    return attempt.job["spec"].get("suspend", False) or not _GIVEN_UP.isdisjoint(reasons)


def _end_of(attempt: AttemptView, entry: TaskStatus) -> datetime | None:
    """Return when the attempt ended, as the status has it; None while it is under way."""
    if entry.job == attempt.name:
        return entry.finished_at
    return next((record.finished_at for record in _records(attempt, entry)), None)


def _records(attempt: AttemptView, entry: TaskStatus) -> Iterable[AttemptRecord]:
    return [record for record in entry.attempts if record.attempt == attempt.number]


def evicted_attempts(
    run: WorkflowRun,
    entries: Mapping[str, TaskStatus],
    attempts: Attempts,
    results: Mapping[str, JsonObject],
) -> tuple[Delete, ...]:
    """Return the Jobs and results of attempts that gave up their pods: a log has what they did.

    Their tasks wait without a pod, as the stored status says.
    """
    delete: list[Delete] = []
    for entry in entries.values():
        if entry.state != "Waiting":
            continue
        if attempt := attempts.get((entry.name, entry.attempt)):
            delete.append(Delete("Job", attempt.name))
        name = attempt_name(run.metadata.name, run.metadata.uid, entry.name, entry.attempt)
        if name in results:
            delete.append(Delete("TaskResult", name))
    return tuple(delete)


def lingering_pods(entries: Mapping[str, TaskStatus], attempts: Attempts, now: datetime) -> Plan:
    """Return the pods whose task has ended, as its entry says, and that another container keeps.

    The kubelet ends them and keeps their logs. A container that ends by itself is given a moment.
    """
    ends: list[Patch] = []
    moments: list[datetime] = []
    for attempt in attempts.active:
        entry = entries.get(attempt.task)
        if entry is None or entry.job != attempt.name or entry.finished_at is None:
            continue
        for pod in filter(outlives_task, attempt.pods):
            finished = read_time(container_state(pod)["terminated"].get("finishedAt"))
            moment = (finished or now) + BESIDE_GRACE
            if now < moment:
                moments.append(moment)
            elif end := end_of_pod(pod, moment):
                ends.append(end)
    return Plan(tuple(ends), requeue_at=min(moments, default=None))


def after_the_end(
    run: WorkflowRun,
    observed: Observed,
    revision: Revision | None,
    defaults: Defaults,
    now: datetime,
) -> Plan:
    """Return what of a finished run has lived long enough: first its Jobs, then all of it.

    A run is kept as long as it holds an idempotency key, its parent goes on, or the Job of the tick
    that started it does not say how it ended.
    """
    ended_at = run.status.finished_at if run.status else None
    if ended_at is None:
        return Plan()
    own = revision.spec.ttl_seconds_after_finished if revision else None
    run_ttl = defaults.run_ttl_seconds if own is None else own
    run_end = None
    if run_ttl is not None:
        run_end = max(ended_at + timedelta(seconds=run_ttl), holds_key_until(run) or ended_at)
        if has_live_parent(run, observed):  # a durable task may read its outputs again
            run_end = max(run_end, now + AWAITED_PAUSE)
        if awaits_end(observed.tick_job, run):
            run_end = max(run_end, ended_at + AWAITED_TICK)
        if now >= run_end:
            return Plan((Delete("WorkflowRun", run.metadata.name),))
    jobs = observed.jobs
    if defaults.job_ttl_seconds is None or not jobs:
        return Plan(requeue_at=run_end)
    jobs_end = ended_at + timedelta(seconds=defaults.job_ttl_seconds)
    if now >= jobs_end:
        return Plan(tuple(Delete("Job", name) for name in jobs), requeue_at=run_end)
    return Plan(requeue_at=min(jobs_end, run_end) if run_end else jobs_end)
