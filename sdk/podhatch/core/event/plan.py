"""Which runs an event starts: one for each filter that lets it in.

A workflow without any filter takes every event of its onEvents; one with filters only those of
their scopes, as the Hatchet engine does.
"""

from datetime import datetime, timedelta

from podhatch.api.event import (
    DEFAULT_EVENT_TTL_SECONDS,
    MAX_EVENT_TTL_SECONDS,
    TriggeredRun,
    WorkflowEvent,
    WorkflowEventStatus,
)
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.plan import Create, Delete, Plan, first
from podhatch.core.event.answer import EventAnswer, answers_to, first_version, noted
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.pod.pods import read_time

GRACE = timedelta(seconds=5)
"""Workflows and filters come by watches of their own, and may come later than the event."""
MAY_PASS = 403
"""A run that is refused with this code may be made later: a quota may be free again."""
MAX_TRIGGERED = 1000
MAX_MESSAGE = 2000


def plan_event(observed: ObservedEvent, now: datetime) -> Plan:
    """Return the runs to make for an event, what to say of them, and when the event is deleted.

    A run that is noted in the status is not made again, whatever became of it since.
    """
    later = expired(observed.event, now)
    event = WorkflowEvent.model_validate(observed.event)
    old = event.status or WorkflowEventStatus()
    if old.handled_at is not None:
        return later
    questions = Questions(observed.answers)
    answers = list(answers_to(observed, event, questions))
    if questions.missing:
        return Plan(evaluate=questions.missing)
    made = {each.run for each in old.triggered_runs}
    new = {
        answer.start.name: answer.start
        for answer in answers
        if answer.is_yes and answer.start.name not in made
    }
    over = (event.metadata.creation_timestamp or now) + GRACE
    may_pass = any(refusal.code == MAY_PASS for refusal in observed.refusals.values())
    is_handled = now >= over and not may_pass
    just_made = [
        TriggeredRun(run=name, workflow=start.revision.workflow)
        for name, start in new.items()
        if name not in observed.refusals
    ]
    notes = [] if is_handled else noted(old.answered, answers, observed.refusals)
    status = WorkflowEventStatus(
        handled_at=now if is_handled else None,
        triggered_runs=[*old.triggered_runs, *just_made][:MAX_TRIGGERED],
        answered=notes,
        first_version=first_version(event) if notes else None,
        message=_message(answers, observed),
    )
    known = {each.workflow for each in old.answered}
    plain = (each.revision.workflow for each in new.values() if not each.filter)
    return Plan(
        (*(Create(start.manifest) for start in new.values()), *later.writes),
        status=None if status == old or later.writes else status.to_wire(),
        requeue_at=first([None if is_handled else over, later.requeue_at]),
        confirm=tuple(workflow for workflow in plain if workflow not in known),
    )


def _message(answers: list[EventAnswer], observed: ObservedEvent) -> str | None:
    problems = dict.fromkeys(answer.problem for answer in answers if answer.problem)
    refusals = [
        f"the run {name} was refused: {refusal.message}"
        for name, refusal in observed.refusals.items()
    ]
    return "; ".join([*problems, *refusals])[:MAX_MESSAGE] or None


def expired(event: JsonObject, now: datetime) -> Plan:
    """Return whether an event has outlived its time, or when it will have.

    Nothing else of the event is read: one that cannot be understood is deleted too.
    """
    created = read_time(event["metadata"].get("creationTimestamp")) or now
    seconds: int = event.get("spec", {}).get("ttlSeconds", DEFAULT_EVENT_TTL_SECONDS)
    end = created + timedelta(seconds=min(seconds, MAX_EVENT_TTL_SECONDS))
    if now >= end:
        return Plan((Delete("WorkflowEvent", event["metadata"]["name"]),))
    return Plan(requeue_at=end)
