"""Which runs an event starts: one for each filter that lets it in. Called by the event reconciler.

A workflow without any filter takes every event of its onEvents; one with filters only those of
their scopes, as the Hatchet engine does.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.event import TriggeredRun, WorkflowEvent, WorkflowEventStatus
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.event.answer import Answer, answers_to, first_version, noted
from podhatch.core.expressions.evaluation import Evaluation, Questions

GRACE = timedelta(seconds=5)
"""Workflows and filters come by watches of their own, and may come later than the event."""
MAY_PASS = 403
"""A run that is refused with this code may be made later: a quota may be free again."""
MAX_TRIGGERED = 1000
MAX_MESSAGE = 2000


@dataclass(frozen=True)
class EventPlan:
    """What follows from an event."""

    create: tuple[JsonObject, ...] = ()
    """The runs that are not noted in its status yet. AlreadyExists is success."""
    unfiltered: tuple[str, ...] = ()
    """Workflows whose run is among them because no filter of theirs is known."""
    status: JsonObject | None = None
    """The whole new status once the runs are there; None when the stored one is right."""
    look_again_at: datetime | None = None
    evaluate: tuple[Evaluation, ...] = ()
    """What has to be evaluated before anything can be decided; then nothing else is planned."""


def plan_event(observed: ObservedEvent, now: datetime) -> EventPlan:
    """Return the runs to make for an event, and what to say of them.

    A run that is noted in the status is not made again, whatever became of it since.
    """
    event = WorkflowEvent.model_validate(observed.event)
    old = event.status or WorkflowEventStatus()
    if old.handled_at is not None:
        return EventPlan()
    questions = Questions(observed.answers)
    answers = list(answers_to(observed, event, questions))
    if questions.missing:
        return EventPlan(evaluate=questions.missing)
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
    return EventPlan(
        create=tuple(start.manifest for start in new.values()),
        unfiltered=tuple(workflow for workflow in plain if workflow not in known),
        status=None if status == old else status.to_wire(),
        look_again_at=None if is_handled else over,
    )


def _message(answers: list[Answer], observed: ObservedEvent) -> str | None:
    problems = dict.fromkeys(answer.problem for answer in answers if answer.problem)
    refusals = [
        f"the run {name} was refused: {refusal.message}"
        for name, refusal in observed.refusals.items()
    ]
    return "; ".join([*problems, *refusals])[:MAX_MESSAGE] or None
