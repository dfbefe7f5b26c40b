"""The one decision of the operator: from a run and all the cluster holds of it, what to do next.

A run that may start is planned in phases, each of which needs what the one before has found for all
tasks: judge where they stand, place the attempts of those that are ready, build them, and summarise
it all in the status. What holds back runs, and tasks that are ready, is asked in `admission.py`;
what uses a pod that is there already is part of building.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.api.task_status import TaskStatus
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Create, Plan, first
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.durable.progress import waits_over
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.run.acceptance import (
    depth_of,
    first_revision,
    latest_start,
    start_refusal,
    workflow_awaited_until,
)
from podhatch.core.run.admission import (
    Claims,
    RunAdmission,
    admit_run,
    admit_tasks,
    not_released,
    without_ended,
)
from podhatch.core.run.attempts import Attempts
from podhatch.core.run.clean_up import (
    after_the_end,
    ended_attempts,
    evicted_attempts,
    with_late_attempts,
)
from podhatch.core.run.eviction import log_pages
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.run.judging import judge
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.parking import park_or_resume
from podhatch.core.run.pause import before_replay, has_begun, is_under_way, pause_refusal
from podhatch.core.run.position import (
    CONCURRENCY,
    Ended,
    Position,
    Ready,
    Running,
    Settled,
    Standing,
    TaskContext,
    Waiting,
    as_stored,
    lose_output,
    output_text,
    start,
)
from podhatch.core.run.rates import ask_rate_limits
from podhatch.core.run.run_requests import is_cancelled, with_cancellation
from podhatch.core.run.status import (
    accepted_status,
    cancelled_status,
    granted_status,
    postponed_status,
    rejected_status,
    room_for_tasks,
    with_outputs,
)
from podhatch.core.run.task_status import resumes_with_next
from podhatch.core.run.transition import event_manifest, transitions
from podhatch.core.workflow.revision import Revision, revision_manifest

MANY_TASKS = 100
"""The first status of a run with so many tasks is stored at once: until then, each plan has to
judge and to dump all of them."""


def plan_run(
    observed: Observed, defaults: Defaults, now: datetime, memo: PlanMemo | None = None
) -> Plan:
    """Return what to do for a run: children to make, its new status, and when to look again.

    Args:
        observed: the run and all that belongs to it.
        defaults: what the chart decides.
        now: the time.
        memo: what earlier plans of this run found out. It saves time and changes nothing else.
    """
    questions = Questions(observed.answers)
    planning = _Planning(observed, defaults, now, questions, memo or PlanMemo())
    plan = planning.plan()
    return Plan(evaluate=questions.missing) if questions.missing else plan


MAX_ROUNDS = 4


def plan_admitted(
    observed: Observed, defaults: Defaults, now: datetime, memo: PlanMemo | None = None
) -> Plan:
    """Plan a run, and note what it claims, so that no other plan is granted the same slots.

    A run that asks for slots for the first time is planned again, knowing where it stands.
    """
    metadata = observed.run["metadata"]
    place = metadata["namespace"], metadata["name"]
    rounds = 0
    while True:
        plan = plan_run(observed, defaults, now, memo)
        rounds += 1
        if plan.evaluate or not observed.admission.put(place, plan.claims) or rounds > MAX_ROUNDS:
            return plan


@dataclass(frozen=True)
class _Planning:
    observed: Observed
    defaults: Defaults
    now: datetime
    questions: Questions
    memo: PlanMemo

    def plan(self) -> Plan:
        """Return what follows: for a run that is over, is cancelled, cannot start, or goes on."""
        observed, now = self.observed, self.now
        run = self.memo.read_run(observed.run)
        if run.metadata.deletion_timestamp:
            return Plan(claims=not_released(run, ()))
        attempts = self.memo.attempts(run, observed)
        if run.finished and not run.replay_due:
            return self._finished(run, attempts)
        if is_cancelled(run):
            return self._cancelled(run, attempts)
        name = _pinned_name(run, attempts)
        if name is None and (refusal := start_refusal(run, observed, self.defaults, now)):
            return self._rejected(run, refusal)
        if until := workflow_awaited_until(run, observed, now):
            return Plan(requeue_at=until)
        if not has_begun(run, name, attempts) and (refusal := pause_refusal(run, observed, now)):
            if not is_under_way(run, attempts):
                return self._postponed(run, refusal, attempts)
            run = before_replay(run, attempts)
        revision = self._revision(run, name)
        if isinstance(revision, RunRefusal):
            return self._rejected(run, revision)
        context = TaskContext(run, revision, observed, attempts, self.defaults, now, self.questions)
        admission = admit_run(context)
        if admission.refusal or admission.is_new:
            return self._not_admitted(run, admission, attempts)
        return self._under_way(context, admission.claims)

    def _revision(self, run: WorkflowRun, name: str | None) -> Revision | RunRefusal:
        """Return the workflow as this run has started with it, or starts with it now."""
        if name is None:
            return first_revision(run, self.observed, self.defaults, self.questions)
        return self.memo.find_revision(name, self.observed) or RunRefusal(
            "RevisionLost",
            f"the ControllerRevision {name} that pins the workflow of this run was deleted",
            end="Failed",
        )

    def _finished(self, run: WorkflowRun, attempts: Attempts) -> Plan:
        assert run.status is not None
        observed, now = self.observed, self.now
        entries = with_late_attempts(run.status.tasks, attempts, now)
        if entries != run.status.tasks:  # stored before a Job goes, or its number is used again
            status = run.status.model_copy(update={"tasks": entries})
            return Plan(status=self._wire(status), urgent=True)
        stops = ended_attempts(run, self.memo.entries, attempts, now)
        name = run.status.revision
        revision = self.memo.find_revision(name, observed) if name else None
        later = after_the_end(run, observed, revision, self.defaults, now)
        return Plan(
            (*stops.writes, *(() if stops.delete else later.writes)),
            requeue_at=first([stops.requeue_at, later.requeue_at]),
        )

    def _cancelled(self, run: WorkflowRun, attempts: Attempts) -> Plan:
        old = run.status.tasks if run.status else ()
        entries = with_cancellation(old, attempts, self.now)
        return self._conclude(run, cancelled_status(run, entries, self.now), Plan())

    def _rejected(self, run: WorkflowRun, refusal: RunRefusal) -> Plan:
        status = rejected_status(run, refusal, self.now)
        return self._conclude(run, status, Plan(requeue_at=_look_again_at(run, refusal)))

    def _postponed(
        self, run: WorkflowRun, refusal: RunRefusal, attempts: Attempts, claims: Claims = ()
    ) -> Plan:
        """Return the plan of a run, or of its replay, that waits or has waited too long."""
        plan = ended_attempts(run, self.memo.entries, attempts, self.now)
        plan = replace(plan, requeue_at=first([_look_again_at(run, refusal), plan.requeue_at]))
        return self._conclude(run, postponed_status(run, refusal, claims, self.now), plan)

    def _not_admitted(self, run: WorkflowRun, admission: RunAdmission, attempts: Attempts) -> Plan:
        """The run waits for its slots, or is cancelled for another; or its status tells first."""
        why = admission.refusal
        if why is None:
            return self._conclude(run, granted_status(run, admission.claims), Plan(urgent=True))
        if why.end is None:
            return self._postponed(run, why, attempts, admission.claims)
        if why.end == "Failed":
            return self._rejected(run, why)
        old = run.status.tasks if run.status else ()
        entries = with_cancellation(old, attempts, self.now, CONCURRENCY, why.message)
        status = cancelled_status(run, entries, self.now, CONCURRENCY, why.message)
        return self._conclude(run, status, Plan())

    def _under_way(self, context: TaskContext, run_claims: Claims) -> Plan:
        run, revision = context.run, context.revision
        stored = self.memo.entries
        standing = judge(context, self.memo)
        standing, run_claims = park_or_resume(standing, run_claims, context)
        standing, task_claims = admit_tasks(standing, context)
        asked = ask_rate_limits(standing, context)
        old_node = run.status.node if run.status else None
        node = place(revision, old_node, asked.standing.positions)
        built = build(asked.standing, stored, node, context)
        plan = summarise(built, stored, context)
        plan = replace(plan, writes=(*plan.writes, *asked.limits))
        workflow = self.observed.workflow
        if workflow is not None and not self.memo.pinned_revision(revision.name, self.observed):
            pin = Create(revision_manifest(revision, workflow))
            plan = replace(plan, writes=(pin, *plan.writes))
        changed = [each for each in built.moving if each.status is not stored.get(each.status.name)]
        new = {
            entry.name: entry
            for entry in with_outputs(changed, self.memo.sizes, room_for_tasks(revision))
            if entry != stored.get(entry.name)  # its words were cut when it was stored
        }
        entries = [new.get(name) or stored[name] for name in revision.names]
        claims = (*run_claims, *without_ended(task_claims, built.moving))
        status = accepted_status(run, revision.name, entries, claims, asked.claims, node, self.now)
        return self._conclude(run, status, plan)

    def _conclude(self, run: WorkflowRun, status: WorkflowRunStatus, plan: Plan) -> Plan:
        """Add the status to a plan, if it is a new one, and the events that announce it."""
        old = run.status
        status = status.model_copy(update={"depth": depth_of(run, self.observed)})
        released = not_released(run, status.concurrency)
        tasks = {each.task for each in released}
        others = (each for each in status.concurrency if each.task not in tasks)
        plan = replace(plan, claims=(*others, *released))
        if status == old:
            return plan
        events, event_time = transitions(old, status), format_time(self.now)
        return replace(
            plan,
            status=self._wire(status),
            urgent=plan.urgent
            or status.finished_at is not None
            or bool(released)
            or any(item.type == "Warning" for item in events)
            or (len(status.tasks) >= MANY_TASKS and not self.memo.entries),
            events=tuple(event_manifest(run, item, event_time) for item in events),
        )

    def _wire(self, status: WorkflowRunStatus) -> JsonObject:
        wire = status.model_copy(update={"tasks": []}).to_wire()
        return wire | ({"tasks": self.memo.wires(status.tasks)} if status.tasks else {})


def _look_again_at(run: WorkflowRun, refusal: RunRefusal) -> datetime | None:
    """Return when a run may start after all, or is too late."""
    return None if refusal.end else first([refusal.look_again_at, latest_start(run)])


def place(revision: Revision, stored: str | None, positions: Mapping[str, Position]) -> str | None:
    """Return the node on which new attempts are to run: in a sticky run, where it has begun.

    The stored node stays while the last attempt of some task has begun there, also of one that
    waits without a pod.
    """
    if not revision.spec.sticky:
        return None
    begun: list[tuple[datetime, str]] = []
    assigned: list[str] = []
    for status in (position.status for position in positions.values()):
        if status.node and (since := status.started_at or status.evicted_at):
            begun.append((since, status.node))
        elif status.node:
            assigned.append(status.node)
    if any(node == stored for _, node in begun):
        return stored
    return min(begun)[1] if begun else min(assigned, default=None)


@dataclass(frozen=True)
class Built:
    """The attempts that are made for tasks that were ready."""

    moving: Sequence[Settled]
    """Where the tasks that move stand with them."""
    manifests: Sequence[JsonObject]


def build(
    standing: Standing, stored: Mapping[str, TaskStatus], node: str | None, context: TaskContext
) -> Built:
    """Return the attempts of all tasks that are ready."""
    positions = standing.positions
    moving: list[Settled] = []
    manifests: list[JsonObject] = []
    for name in standing.moving:
        position = positions[name]
        if isinstance(position, Ready):
            started, made = _build_attempt(name, position, positions, node, context)
            position = as_stored(started, stored.get(name))
            manifests += made
        moving.append(position)
    return Built(moving, manifests)


def _build_attempt(
    name: str,
    ready: Ready,
    positions: Mapping[str, Position],
    node: str | None,
    context: TaskContext,
) -> tuple[Settled, list[JsonObject]]:
    revision = context.revision
    task = revision.by_name[name]
    try:
        outputs = {name: output_text(positions[name], context.observed) for name in task.parents}
    except KeyError as error:
        return lose_output(ready.status, str(error.args[0]), context.now), []
    resumes = resumes_with_next(ready.status)
    waits = waits_over(log_pages(context.run, task, context.observed)) if task.durable else None
    attempt = AttemptSpec(context.run, task, ready.number, resumes, waits)
    errors = _errors(positions) if task is revision.failure_task else {}
    around = AttemptInput(outputs, errors, node)
    manifests = attempt_manifests(attempt, revision, context.defaults, around)
    return start(task, ready, attempt.name), manifests


def summarise(built: Built, stored: Mapping[str, TaskStatus], context: TaskContext) -> Plan:
    """Return all that follows from where the tasks stand, but for the status."""
    running = [each for each in built.moving if isinstance(each, Running)]
    stops = ended_attempts(context.run, stored, context.attempts, context.now)
    moments = [each.look_again_at for each in built.moving]
    return Plan(
        writes=(
            *map(Create, built.manifests),
            *(each.extension for each in running if each.extension),
            *(each.end for each in running if each.end),
            *stops.writes,
            *evicted_attempts(context.run, stored, context.attempts, context.observed.results),
        ),
        urgent=any(each.urgent for each in built.moving if isinstance(each, Waiting)),
        look_up=tuple(
            each.look_up
            for each in built.moving
            if isinstance(each, Running | Ended) and each.look_up
        ),
        requeue_at=first([*moments, stops.requeue_at]),
    )


def _pinned_name(run: WorkflowRun, attempts: Attempts) -> str | None:
    """Return the revision that the run has started with, by its status or else any attempt.

    The operator may end after creating an attempt and before writing the status.
    """
    if run.status and run.status.revision:
        return run.status.revision
    return min((each.revision for each in attempts.values() if each.revision), default=None)


def _errors(positions: Mapping[str, Position]) -> dict[str, str]:
    """Return the errors of all tasks that failed, for the failure task."""
    statuses = (position.status for position in positions.values())
    return {status.name: _error_text(status) for status in statuses if status.state == "Failed"}


def _error_text(entry: TaskStatus) -> str:
    error = entry.error
    if error is None:
        return entry.message or entry.state
    text = f"{error.type}: {error.message}"
    return f"{text}\n{error.traceback}" if error.traceback else text
