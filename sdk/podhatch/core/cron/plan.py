"""Decide what a cron needs: its CronJob, the runs of its ticks, and what to say of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhatch.api.cron import CronWorkflow, CronWorkflowStatus
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.idempotency import Idempotency, IdempotencyClaim
from podhatch.api.model import JsonObject
from podhatch.core.common.idempotency import Keyed, KeyGrants, claim, evaluated_key
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.plan import Create, Patch, Plan, ReplaceStatus, Write, first
from podhatch.core.common.refusal import ApiRefusal, Refusal
from podhatch.core.common.validity import checked_status
from podhatch.core.cron.cron_job import cron_job_manifest, cron_job_patch, is_suspended
from podhatch.core.cron.schedule import next_ticks
from podhatch.core.cron.tick import (
    NAME_TAKEN,
    is_abandoned,
    is_live,
    plan_tick,
    taken_name,
    without_run,
)
from podhatch.core.cron.tick_run import Cause, scheduled_at
from podhatch.core.expressions.cel import ExpressionError
from podhatch.core.expressions.evaluation import Questions

NEXT_TICKS = 3
TICK_GRACE = timedelta(seconds=2)
"""A tick's Job comes that late; then lastTickAt and nextRunTimes move on in one write."""


@dataclass(frozen=True)
class _CronRefusal(Refusal):
    ticks: bool = True
    """The cron ticks all the same."""


def plan_cron(observed: ObservedCron, now: datetime) -> Plan:
    """Return the next steps of a cron, also of one that is gone but for its ticks."""
    questions = Questions(observed.answers)
    cause = _cause(observed, questions)
    if questions.missing:
        return Plan(evaluate=questions.missing)
    runs_of_ticks = _by_tick(observed.runs)
    steps = {
        name: plan_tick(job, runs_of_ticks.get(name), cause, now)
        for name, job in _live(observed.ticks).items()
    }
    runs = {name: step.create for name, step in steps.items() if step.create}
    statuses = {name: step.status for name, step in steps.items() if step.status}
    if cause and cause.claim:
        grants = KeyGrants(observed.keyed_runs)
        keyed = _keyed_runs(observed, runs, cause.claim, grants)
        if grants.missing:
            return Plan(list_keys=grants.missing)
        for name, each in keyed.items():
            del runs[name]
            if each.manifest:
                runs[name] = each.manifest
            elif not each.exists:
                statuses[name] = without_run(observed.ticks[name], cause.claim.key, each.run, now)
    ticks = {name: {**observed.ticks[name], "status": status} for name, status in statuses.items()}
    plan = Plan(
        (
            *(Create(run) for name, run in runs.items() if name in observed.confirmed),
            *map(ReplaceStatus, ticks.values()),
        ),
        requeue_at=first(step.look_again_at for step in steps.values()),
        confirm=tuple(name for name in runs if name not in observed.confirmed),
    )
    if cause is None or cause.cron.metadata.deletion_timestamp:
        return plan
    cron = cause.cron
    problem = _problem(cause, replace(observed, ticks={**observed.ticks, **ticks}))
    status = _status(cause, observed, problem, now)
    stored = cron.status or CronWorkflowStatus()
    next_tick = status.next_run_times[0] + TICK_GRACE if status.next_run_times else None
    abandoned = _abandoned(observed, cron)
    cancel = [_cancellation(run) for name, run in abandoned.items() if name in observed.confirmed]
    return replace(
        plan,
        writes=(*_cron_job_steps(cron, observed.cron_job), *cancel, *plan.writes),
        status=None if status == stored else status.to_wire(),
        requeue_at=first([plan.requeue_at, next_tick]),
        confirm=(*plan.confirm, *(name for name in abandoned if name not in observed.confirmed)),
    )


def _cause(observed: ObservedCron, questions: Questions) -> Cause | None:
    if observed.cron is None:
        return None
    cause = Cause(CronWorkflow.model_validate(observed.cron), observed.workflow)
    raw: JsonObject | None = (observed.workflow or {"spec": {}})["spec"].get("idempotency")
    if raw is None or cause.problem:
        return cause
    rule = Idempotency.model_validate(raw)
    try:
        key = evaluated_key(rule, cause.cron.spec.input, cause.metadata, questions)
    except ExpressionError as error:
        place = f"Workflow {cause.cron.spec.workflow!r} spec.idempotency.keyExpression"
        return replace(cause, key_problem=f"{place}: {error}")
    return replace(cause, claim=claim(rule, key) if key else None)


def _keyed_runs(
    observed: ObservedCron,
    runs: Mapping[str, JsonObject],
    of: IdempotencyClaim,
    grants: KeyGrants,
) -> dict[str, Keyed]:
    """Return what becomes of the runs of confirmed ticks that are to have a key, by the ticks."""
    confirmed = runs.keys() & set(observed.confirmed)
    return {
        name: grants.grant(runs[name], of) for name in sorted(confirmed, key=_due(observed.ticks))
    }


def _by_tick(runs: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Return the runs by the ticks whose names they have, or which gave them a key."""
    found = {name: run for name, run in runs.items() if not _has_key(run)}
    keyed = (run for run in runs.values() if _has_key(run))
    return found | {run["spec"]["trigger"]["cron"]["job"]: run for run in keyed}


def _has_key(run: JsonObject) -> bool:
    """Return whether a tick started the run with a key."""
    spec: JsonObject = run["spec"]
    return "idempotency" in spec and "cron" in spec.get("trigger", {})


def _due(ticks: Mapping[str, JsonObject]) -> Callable[[str], tuple[datetime, str]]:
    return lambda name: (scheduled_at(ticks[name]), name)


def _live(ticks: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    return {name: job for name, job in ticks.items() if is_live(job)}


def _abandoned(observed: ObservedCron, cron: CronWorkflow) -> dict[str, JsonObject]:
    """Return the runs whose tick was deleted while they were under way."""
    live = _live(observed.ticks)
    return {
        name: run
        for name, run in _by_tick(observed.runs).items()
        if name not in live and is_abandoned(run, cron)
    }


def _cancellation(run: JsonObject) -> Patch:
    metadata = run["metadata"]
    version = {"resourceVersion": metadata["resourceVersion"]}
    body = {"metadata": version, "spec": {"desiredState": "Cancelled"}}
    return Patch("WorkflowRun", metadata["name"], body)


def _cron_job_steps(cron: CronWorkflow, existing: JsonObject | None) -> list[Write]:
    """Return the creation of the CronJob, or the patch of the one that is there.

    A schedule that cannot be stops the ticks of the one before it.
    """
    name = cron.metadata.name
    if schedule_problem(cron.spec.schedule, cron.spec.time_zone):
        stop = existing is not None and not is_suspended(existing)
        return [Patch("CronJob", name, {"spec": {"suspend": True}})] if stop else []
    wanted = cron_job_manifest(cron)
    if existing is None:
        spec = {part: value for part, value in wanted["spec"].items() if value is not None}
        return [Create({**wanted, "spec": spec})]
    patch = cron_job_patch(existing, wanted)
    return [Patch("CronJob", name, patch)] if patch else []


def _problem(cause: Cause, observed: ObservedCron) -> _CronRefusal | None:
    """Say what is wrong with the cron, the worst first."""
    cron = cause.cron
    if problem := schedule_problem(cron.spec.schedule, cron.spec.time_zone):
        return _CronRefusal(
            "ScheduleInvalid", f"{problem}; there are no ticks meanwhile", ticks=False
        )
    if refusal := observed.refusals.get(cron.metadata.name):
        message = f"the CronJob of this cron was refused: {refusal.message}"
        return _CronRefusal("CronJobRefused", message, ticks=False)
    if cause.problem:
        return _CronRefusal("RunRefused", f"{cause.problem}; ticks wait meanwhile")
    if refusal := _refused_run(observed):
        message = f"the run of a tick was refused, and is tried again: {refusal.message}"
        return _CronRefusal("RunRefused", message)
    last = max(observed.ticks.values(), key=scheduled_at, default=None)
    if taken := taken_name(last) if last else None:
        return _CronRefusal(NAME_TAKEN, f"the last tick: {taken}")
    if observed.workflow is None:
        message = (
            f"spec.workflow: there is no Workflow {cron.spec.workflow!r} in namespace "
            f"{cron.metadata.namespace!r}; ticks make runs, which wait until it appears"
        )
        return _CronRefusal("WorkflowNotFound", message)
    return None


def _refused_run(observed: ObservedCron) -> ApiRefusal | None:
    """Return why the run of a tick was refused. A taken name is reported on the tick itself."""
    found = (
        each
        for name, each in observed.refusals.items()
        if name in observed.ticks or name not in observed.runs
    )
    return next((each for each in found if each.code != 409), None)


def _status(
    cause: Cause, observed: ObservedCron, problem: _CronRefusal | None, now: datetime
) -> CronWorkflowStatus:
    cron = cause.cron
    old = cron.status or CronWorkflowStatus()
    last_tick_at, last_run = old.last_tick_at, old.last_run
    if last := max(observed.ticks, key=_due(observed.ticks), default=None):
        last_tick_at, last_run = scheduled_at(observed.ticks[last]), last
        if cause.claim:
            run = _by_tick(observed.runs).get(last)
            last_run = run["metadata"]["name"] if run else None
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
