"""Decide what a cron needs: its CronJob, the runs of its ticks, and what to say of it.

The reconciler of crons shows it what there is, and carries out the plan.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from podhatch.api.cron import CronWorkflow, CronWorkflowStatus
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.refusal import ApiRefusal, Refusal
from podhatch.core.common.validity import checked_status
from podhatch.core.cron.cron_job import cron_job_manifest, cron_job_patch, is_suspended
from podhatch.core.cron.schedule import next_ticks
from podhatch.core.cron.tick import NAME_TAKEN, is_abandoned, is_live, plan_tick, taken_name
from podhatch.core.cron.tick_run import Cause, scheduled_at

NEXT_TICKS = 3
TICK_GRACE = timedelta(seconds=2)
"""A tick's Job comes that late; then lastTickAt and nextRunTimes move on in one write."""
_NO_REFUSALS: Mapping[str, ApiRefusal] = MappingProxyType({})


@dataclass(frozen=True)
class CronPlan:
    """The steps from what is to what should be, in order."""

    create: JsonObject | None = None
    """The CronJob."""
    patch: JsonObject | None = None
    """A merge patch of the CronJob."""
    runs: tuple[JsonObject, ...] = ()
    """Of new ticks. AlreadyExists is success."""
    cancel: tuple[str, ...] = ()
    """Runs whose tick was deleted while they were under way."""
    jobs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """The new statuses of Jobs, by name."""
    status: JsonObject | None = None
    """The cron's whole new status; None when the stored one is right."""
    requeue_at: datetime | None = None
    """When to plan again although nothing changed."""


@dataclass(frozen=True)
class _CronRefusal(Refusal):
    ticks: bool = True
    """The cron ticks all the same."""


def plan_cron(
    observed: ObservedCron, now: datetime, refused: Mapping[str, ApiRefusal] = _NO_REFUSALS
) -> CronPlan:
    """Return the next steps of a cron, also of one that is gone but for its ticks.

    Args:
        observed: all that is known of the cron.
        now: the time.
        refused: by kind, what the API server did not accept when the plan was carried out.
    """
    cause = _cause(observed)
    steps = {
        name: plan_tick(job, observed.runs.get(name), cause, now)
        for name, job in _live(observed.ticks).items()
    }
    plan = CronPlan(
        runs=tuple(step.create for step in steps.values() if step.create),
        jobs={name: step.status for name, step in steps.items() if step.status},
        requeue_at=_first(step.look_again_at for step in steps.values()),
    )
    if cause is None or cause.cron.metadata.deletion_timestamp:
        return plan
    cron = cause.cron
    after = {**observed.ticks}
    after |= {name: {**after[name], "status": status} for name, status in plan.jobs.items()}
    problem = _problem(cause, replace(observed, ticks=after), refused)
    status = _status(cron, observed, problem, now)
    stored = cron.status or CronWorkflowStatus()
    create, patch = _cron_job_steps(cron, observed.cron_job)
    next_tick = status.next_run_times[0] + TICK_GRACE if status.next_run_times else None
    return CronPlan(
        create=create,
        patch=patch,
        runs=plan.runs,
        cancel=_abandoned(observed, cron),
        jobs=plan.jobs,
        status=None if status == stored else status.to_wire(),
        requeue_at=_first([plan.requeue_at, next_tick]),
    )


def _cause(observed: ObservedCron) -> Cause | None:
    workflow = observed.workflow or {"spec": {}}
    defaults: dict[str, str] = workflow["spec"].get("defaultAdditionalMetadata", {})
    return Cause(CronWorkflow.model_validate(observed.cron), defaults) if observed.cron else None


def _live(ticks: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    return {name: job for name, job in ticks.items() if is_live(job)}


def _abandoned(observed: ObservedCron, cron: CronWorkflow) -> tuple[str, ...]:
    live = _live(observed.ticks)
    return tuple(
        name for name, run in observed.runs.items() if name not in live and is_abandoned(run, cron)
    )


def _cron_job_steps(
    cron: CronWorkflow, existing: JsonObject | None
) -> tuple[JsonObject | None, JsonObject | None]:
    """Return the CronJob to create, or the patch of the one that is there.

    A schedule that cannot be stops the ticks of the one before it.
    """
    if schedule_problem(cron.spec.schedule, cron.spec.time_zone):
        stop = existing is not None and not is_suspended(existing)
        return None, {"spec": {"suspend": True}} if stop else None
    wanted = cron_job_manifest(cron)
    if existing is None:
        return wanted, None
    return None, cron_job_patch(existing, wanted)


def _problem(
    cause: Cause, observed: ObservedCron, refused: Mapping[str, ApiRefusal]
) -> _CronRefusal | None:
    """Say what is wrong with the cron, the worst first."""
    cron = cause.cron
    if problem := schedule_problem(cron.spec.schedule, cron.spec.time_zone):
        return _CronRefusal(
            "ScheduleInvalid", f"{problem}; there are no ticks meanwhile", ticks=False
        )
    if refusal := refused.get("CronJob"):
        message = f"the CronJob of this cron was refused: {refusal.message}"
        return _CronRefusal("CronJobRefused", message, ticks=False)
    if cause.problem:
        return _CronRefusal("RunRefused", f"{cause.problem}; ticks wait meanwhile")
    if refusal := refused.get("WorkflowRun"):
        message = f"the run of a tick was refused, and is tried again: {refusal.message}"
        return _CronRefusal("RunRefused", message)
    if taken := _taken_name(observed.ticks):
        return _CronRefusal(NAME_TAKEN, f"the last tick: {taken}")
    if observed.workflow is None:
        message = (
            f"spec.workflow: there is no Workflow {cron.spec.workflow!r} in namespace "
            f"{cron.metadata.namespace!r}; ticks make runs, which wait until it appears"
        )
        return _CronRefusal("WorkflowNotFound", message)
    return None


def _taken_name(ticks: Mapping[str, JsonObject]) -> str | None:
    """Return why the last tick made no run, if somebody else has a run of its name."""
    last = max(ticks.values(), key=scheduled_at, default=None)
    return taken_name(last) if last else None


def _status(
    cron: CronWorkflow, observed: ObservedCron, problem: _CronRefusal | None, now: datetime
) -> CronWorkflowStatus:
    old = cron.status or CronWorkflowStatus()
    ticks = [(scheduled_at(job), name) for name, job in observed.ticks.items()]
    last_tick_at, last_run = max(ticks, default=(old.last_tick_at, old.last_run))
    if old.last_tick_at and last_tick_at and last_tick_at < old.last_tick_at:
        last_tick_at, last_run = old.last_tick_at, old.last_run
    spec = cron.spec
    stands_still = spec.suspend or (problem is not None and not problem.ticks)
    checked = checked_status(old, cron.metadata, problem, now)
    return CronWorkflowStatus(
        observed_generation=checked.observed_generation,
        conditions=checked.conditions,
        last_tick_at=last_tick_at,
        last_run=last_run,
        next_run_times=[]
        if stands_still
        else next_ticks(spec.schedule, spec.time_zone, now, NEXT_TICKS),
    )


def _first(moments: Iterable[datetime | None]) -> datetime | None:
    return min((moment for moment in moments if moment is not None), default=None)
