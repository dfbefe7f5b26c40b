"""Judges where the tasks of a run stand, from where they stood and what is observed of attempts.

Tasks are judged one by one, parents before children: only those of which something has changed.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TERMINAL_STATES, TaskStatus, WaitReason
from podhatch.core.common.plan import job_deadline
from podhatch.core.pod.diagnosis import LOOK_UP_AGAIN, diagnose, lookup_due
from podhatch.core.pod.end import AttemptEnd, end_of_pod, execution_deadline, overdue_at
from podhatch.core.pod.pods import container_state, had_a_pod, has_started, node_name, read_time
from podhatch.core.pod.template import extension_limit
from podhatch.core.run.attempts import AttemptView
from podhatch.core.run.conditions import ConditionInput, evaluate_conditions
from podhatch.core.run.eviction import (
    LOG_UNREADABLE,
    log_pages,
    log_problem,
    park,
    still_parked,
)
from podhatch.core.run.job import AttemptSpec, attempt_name, backstop_seconds
from podhatch.core.run.memo import PlanMemo
from podhatch.core.run.outcome import read_outcome
from podhatch.core.run.position import (
    CONCURRENCY,
    RATE_LIMIT,
    REFUSED,
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
    output_value,
    schedule_deadline,
    schedule_timed_out,
    wait_in_queue,
)
from podhatch.core.run.retry import next_attempt
from podhatch.core.run.run_requests import with_replay
from podhatch.core.run.task_status import (
    bounded,
    cancelled,
    failed,
    kept,
    over,
    pending,
    queued,
    skipped,
    to_be_tried_again,
    with_attempt,
)

_HELD_BACK = (REFUSED, CONCURRENCY, RATE_LIMIT)
"""Why a task is not tried although its conditions let it."""
UNSEEN_POD_PAUSE = timedelta(seconds=5)
"""When to look again for a pod that the Job controller knows of and we do not see."""


def judge(context: TaskContext, memo: PlanMemo) -> Standing:
    """Return where every task stands."""
    run, revision, stored = context.run, context.revision, memo.entries
    entries, basis = stored, (revision, run.asked_replays, context.defaults)
    if run.replay_due:
        entries = with_replay(run, stored, revision.order, context.attempts, context.now)
    known, changed = memo.begin_judging(None if run.replay_due else basis, context.now)
    if not known:
        changed = revision.places.keys()
    order, children = revision.order, revision.children
    due = bytearray(len(order))
    for name in changed:
        if (place := revision.places.get(name)) is not None:
            due[place] = 1
    place = due.find(1)
    while place >= 0:  # in their order, so that parents come before their children
        task = order[place]
        name = task.name
        judged = _judge_task(task, entries.get(name) or pending(name), known, context)
        before = stored.get(name)
        position = as_stored(judged, before)
        if memo.note(name, before, position):
            for child in children[name]:
                due[child] = 1
        place = due.find(1, place + 1)
    moving = sorted(memo.end_judging(context.now), key=revision.places.__getitem__)
    task = revision.failure_task
    if task is None:
        return Standing(known, moving)
    old = entries.get(task.name) or pending(task.name)
    judged = _judge_failure_task(task, old, known.values(), context)
    position = as_stored(judged, stored.get(task.name))
    return Standing({**known, task.name: position}, [*moving, task.name])


def _judge_failure_task(
    task: TaskSpec, old: TaskStatus, others: Iterable[Position], context: TaskContext
) -> Position:
    """Return where the failure task stands: it waits until some other task has failed."""
    states = {position.status.state for position in others}
    if old.job is None and "Failed" not in states:
        if states <= TERMINAL_STATES:
            return Ended(skipped(kept(old), "NothingFailed", "no task failed", context.now))
        return Waiting(kept(old, state="Pending", reason="WaitingForFailure"))
    return _judge_task(task, old, {}, context)


def _judge_task(
    task: TaskSpec, old: TaskStatus, judged: Mapping[str, Position], context: TaskContext
) -> Position:
    """Return where the task stands now. Its parents are among those that have been judged."""
    if old.state in TERMINAL_STATES:
        return Ended(old)
    number = max(old.attempt, 1) if old.job else _next_number(task, old, context)
    attempt = context.attempts.get((task.name, number))
    if old.job or attempt:
        if attempt and old.job and attempt.name != old.job:
            attempt = None
        return _Made(task, old, number, attempt, context).position()
    waits = _NotMade(task, old, number, context)
    if old.state == "Waiting":
        return waits.resume()
    if old.next_attempt_at is not None or old.reason in _HELD_BACK:
        return waits.try_now(old)
    return waits.enter({name: judged[name] for name in task.parents})


def _next_number(task: TaskSpec, old: TaskStatus, context: TaskContext) -> int:
    """Return the number of the attempt after those that are noted.

    A number that was used and never noted is left out: its Job was made for another replay of the
    run, or is gone and has left a result.
    """
    run, number = context.run, old.attempt + 1
    while True:
        attempt = context.attempts.get((task.name, number))
        if attempt and attempt.replay == run.asked_replays:
            return number
        name = attempt_name(run.metadata.name, run.metadata.uid, task.name, number)
        if not attempt and name not in context.observed.results:
            return number
        number += 1


@dataclass(slots=True)
class _NotMade:
    """A task whose next attempt has not been made: may it be?"""

    task: TaskSpec
    old: TaskStatus
    number: int
    context: TaskContext

    def enter(self, parents: Mapping[str, Position]) -> Position:
        """The task has not been tried: do its parents and conditions let it?"""
        task, old = self.task, self.old
        statuses = [position.status for position in parents.values()]
        open_ = [each.name for each in statuses if each.state not in TERMINAL_STATES]
        if open_:
            message = f"waits for {', '.join(open_)}"
            return Waiting(self._pending("WaitingForParents", message, old.met))
        ends = [status.finished_at for status in statuses if status.finished_at]
        created = self.context.run.metadata.creation_timestamp
        since = max(ends, default=created or self.context.now)
        lost = next((e for e in statuses if e.state in ("Failed", "Cancelled")), None)
        if lost is not None:
            reason = "ParentFailed" if lost.state == "Failed" else "ParentCancelled"
            return Ended(cancelled(old, reason, f"task {lost.name} did not succeed", since))
        if statuses and all(status.state == "Skipped" for status in statuses):
            return Ended(skipped(old, "ParentsSkipped", "all its parents were skipped", since))
        if task.wait_for or task.skip_if or task.cancel_if:
            return self._evaluate(parents, since)
        return self.try_now(old)

    def _evaluate(self, parents: Mapping[str, Position], since: datetime) -> Position:
        old, context = self.old, self.context
        run, now = context.run, context.now
        try:
            outputs = {name: output_value(each, context.observed) for name, each in parents.items()}
        except KeyError as error:
            return lose_output(old, str(error.args[0]), now)
        result = evaluate_conditions(
            self.task,
            ConditionInput(
                since=since,
                run_created=run.metadata.creation_timestamp or since,
                now=now,
                input=run.spec.input,
                outputs=outputs,
                events=context.events,
                questions=context.questions,
                met=old.met,
            ),
        )
        match result.decision:
            case "Run":
                return self.try_now(old.model_copy(update={"met": result.met}))
            case "Skip":
                return Ended(skipped(old, "SkipIf", result.message, now))
            case "Cancel":
                return Ended(cancelled(old, "CancelIf", result.message, now))
            case "Fail":
                return Ended(failed(old, result.reason, result.message, now))
            case _:
                status = self._pending("WaitingForConditions", result.message, result.met)
                return Waiting(status, on_conditions=True, look_again_at=result.look_again_at)

    def _pending(
        self, reason: WaitReason, message: str, met: list[str] | None = None
    ) -> TaskStatus:
        met = self.old.met if met is None else met
        return kept(self.old, state="Pending", reason=reason, message=bounded(message), met=met)

    def resume(self) -> Position:
        """The task waits without a pod: it gets one once more waits are over than it has seen."""
        old, context = self.old, self.context
        pages = log_pages(context.run, self.task, context.observed)
        if problem := log_problem(pages):
            return Ended(failed(old, LOG_UNREADABLE, problem, context.now))
        return still_parked(old, pages, context.now) or self.try_now(old)

    def try_now(self, old: TaskStatus) -> Position:
        """The attempt may be made, once its backoff is over and the API server accepts it."""
        now, context = self.context.now, self.context
        if old.next_attempt_at and now < old.next_attempt_at:
            return Waiting(old, look_again_at=old.next_attempt_at)
        name = AttemptSpec(context.run, self.task, self.number).name
        if refusal := context.observed.refusals.get(name):
            message = bounded(f"the API server refused the attempt: {refusal.message}")
            waiting = queued(old, REFUSED, message, old.queued_at or now)
            if refusal.code in (403, 500):  # a quota or a webhook may be free again later
                return wait_in_queue(self.task, waiting, now)
            return Ended(failed(waiting, REFUSED, message, now))
        queued_at = old.queued_at if old.reason in _HELD_BACK and old.queued_at else now
        return Ready(old, self.number, queued_at)


@dataclass(slots=True)
class _Made:
    """An attempt that was made: has it ended, and does it run?"""

    task: TaskSpec
    old: TaskStatus
    number: int
    attempt: AttemptView | None
    """None where its Job is gone, or another has taken its number."""
    context: TaskContext

    def position(self) -> Settled:
        task, old, attempt, now = self.task, self.old, self.attempt, self.context.now
        job, pod, result = (
            (attempt.job, attempt.pod, attempt.result) if attempt else (None, None, None)
        )
        created = read_time(job["metadata"]["creationTimestamp"]) if job else None
        current = with_attempt(
            old,
            self.number,
            job=attempt.name if attempt else old.job,
            node=node_name(pod),
            queued_at=(old.queued_at if old.job else None) or created or now,
        )
        has_run = old.job is not None and (old.state == "Running" or old.started_at is not None)
        started = has_run or result is not None or (pod is not None and has_started(pod))
        end = read_outcome(task, result=result, pod=pod, job=job, now=now, started=started)
        if isinstance(end, AttemptEnd):
            return self._end(current, end)
        until = end.until if end else None
        if not started:
            return self._not_started(current, until)
        running = container_state(pod).get("running") if pod else None
        started_at = read_time(running.get("startedAt")) if running else old.started_at
        status = current.model_copy(update={"state": "Running", "started_at": started_at})
        position = Running(status, look_again_at=until)
        return self._within_time(position, attempt) if attempt else position

    def _within_time(self, position: Running, attempt: AttemptView) -> Running:
        """Have the kubelet end the pod of a container task once its time is over.

        The Job's deadline moves with the time limit that an attempt has moved, within limits.
        """
        task, now, pod = self.task, self.context.now, attempt.pod
        deadline = execution_deadline(task, pod) if pod else None
        if pod and deadline and not position.look_again_at:
            if now < deadline:
                position = replace(position, look_again_at=deadline)
            else:
                end, overdue = end_of_pod(pod, deadline), overdue_at(deadline, pod)
                position = replace(position, end=end, look_again_at=overdue)
        asked: float = attempt.result["spec"].get("extendedSeconds", 0.0) if attempt.result else 0.0
        if not asked:
            return position
        limit = extension_limit(task, self.context.defaults)
        seconds = backstop_seconds(task, min(asked, limit))
        if attempt.job["spec"].get("activeDeadlineSeconds", 0) < seconds:
            position = replace(position, extension=job_deadline(attempt.name, seconds))
        if asked <= limit:
            return position
        message = (
            f"extended its execution timeout by {asked:g}s, and at most {limit:g}s are allowed "
            "(maxExtensionSeconds of the task, or of the chart): it is stopped then"
        )
        changes = {"reason": "ExtensionCut", "message": message}
        return replace(position, status=position.status.model_copy(update=changes))

    def _not_started(self, current: TaskStatus, until: datetime | None) -> Running | Ended:
        attempt, now = self.attempt, self.context.now
        job, pod = (attempt.job, attempt.pod) if attempt else (None, None)
        uid: str = (pod or job or {"metadata": {}})["metadata"].get("uid", "")
        notes = self.context.observed.notes.get(uid, ())
        diagnosis = diagnose(pod, job, current.job or "", notes)
        explained = {"reason": diagnosis.reason, "message": bounded(diagnosis.message)}
        waiting = current.model_copy(update=explained)
        known = uid if notes else None  # the warnings are forgotten in a moment: look again
        if until is not None:
            return Running(waiting, look_up=known, look_again_at=until)
        due = lookup_due(pod, job, now)
        look_up = uid if due and now >= due else known
        deadline = schedule_deadline(self.task, current.queued_at or now)
        if now < deadline:
            again = now + LOOK_UP_AGAIN if look_up else due
            soon = min(deadline, again) if again else deadline
            return Running(waiting, look_up=look_up, look_again_at=soon)
        if pod is None and job is not None and had_a_pod(job):
            pauses = (now - deadline) // UNSEEN_POD_PAUSE + 1
            again = deadline + pauses * UNSEEN_POD_PAUSE
            return Running(waiting, look_up=known, look_again_at=again)
        timed_out = schedule_timed_out(self.task, current, diagnosis.message, now)
        return Ended(timed_out, look_up=look_up)

    def _end(self, current: TaskStatus, end: AttemptEnd) -> Waiting | Ended:
        """The attempt is over: so is the task, unless it is tried again, or waits without a pod."""
        task, attempt, context = self.task, self.attempt, self.context
        if end.waits_over is not None:
            pages = log_pages(context.run, task, context.observed)
            waits_at_start = attempt.waits_over if attempt else 0
            status = park(current, end, waits_at_start, pages, context.now)
            return Waiting(status, urgent=True)
        seed = f"{context.run.metadata.uid}/{task.name}/{current.attempt}"
        retry = next_attempt(task, current, end, seed, context.now)
        if retry is not None:
            status = to_be_tried_again(current, end, retry, context.now)
            return Waiting(status, urgent=True, look_again_at=retry.at)
        return Ended(over(current, end, context.now), end.output, end.output_in_result)
