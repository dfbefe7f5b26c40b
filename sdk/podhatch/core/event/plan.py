"""Which runs an event starts: one for each filter that lets it in.

A workflow without any filter takes every event of its onEvents; one with filters only those of
their scopes, as the Hatchet engine does.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from podhatch.api.event import (
    DEFAULT_EVENT_TTL_SECONDS,
    MAX_EVENT_TTL_SECONDS,
    KeyCollision,
    TriggeredRun,
    WorkflowEvent,
    WorkflowEventStatus,
)
from podhatch.api.model import JsonObject
from podhatch.core.common.idempotency import Keyed, KeyGrants
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.plan import Create, Delete, Plan, first
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.answer import EventAnswer, answers_to, first_version, noted
from podhatch.core.event.start import Start
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.pod.pods import read_time

GRACE = timedelta(seconds=5)
"""Workflows and filters come by watches of their own, and may come later than the event."""
MAY_PASS = 403
"""A run that is refused with this code may be made later: a quota may be free again."""
NAME_TAKEN = 409
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
    made = {each.identity for each in old.triggered_runs}
    new = {
        answer.start.name: answer
        for answer in answers
        if answer.is_yes and answer.start.name not in made
    }
    grants = KeyGrants(observed.keyed_runs)
    keyed = {
        name: grants.grant(answer.start.manifest, answer.claim)
        for name, answer in new.items()
        if answer.claim
    }
    if grants.missing:
        return Plan(list_keys=grants.missing)
    manifests = {
        name: keyed[name].manifest if name in keyed else answer.start.manifest
        for name, answer in new.items()
    }
    refused = {
        name
        for name, manifest in manifests.items()
        if manifest and manifest["metadata"]["name"] in observed.refusals
    }
    over = (event.metadata.creation_timestamp or now) + GRACE
    may_pass = bool(passing(observed.refusals, filter(None, manifests.values())))
    is_handled = now >= over and not may_pass
    notes = [] if is_handled else noted(old.answered, answers, refused)
    held = {name for name, each in keyed.items() if not each.manifest and not each.exists}
    triggered = {each.run: each for each in old.triggered_runs}
    for name, answer in new.items():
        if name not in refused | held:
            run = _triggered(answer.start, keyed.get(name))
            triggered.setdefault(run.run, run)
    status = WorkflowEventStatus(
        handled_at=now if is_handled else None,
        triggered_runs=list(triggered.values())[:MAX_TRIGGERED],
        collisions=[
            *old.collisions,
            *(_collision(new[name], keyed[name]) for name in keyed if name in held),
        ][:MAX_TRIGGERED],
        answered=notes,
        first_version=first_version(event) if notes else None,
        message=_message(answers, observed),
    )
    known = {each.workflow for each in old.answered}
    starts = [each.start for each in new.values()]
    plain = (each.revision.workflow for each in starts if not each.filter)
    return Plan(
        (*(Create(manifest) for manifest in manifests.values() if manifest), *later.writes),
        status=None if status == old or later.writes else status.to_wire(),
        requeue_at=first([None if is_handled else over, later.requeue_at]),
        confirm=tuple(workflow for workflow in plain if workflow not in known),
    )


def passing(
    refusals: Mapping[str, ApiRefusal], manifests: Iterable[JsonObject]
) -> dict[str, ApiRefusal]:
    """Return the refusals of runs that may be created later.

    A quota may be free again; another creator may just have taken the name that comes with a key.
    """
    keyed = {each["metadata"]["name"] for each in manifests if "idempotency" in each["spec"]}
    return {
        name: refusal
        for name, refusal in refusals.items()
        if refusal.code == MAY_PASS or (refusal.code == NAME_TAKEN and name in keyed)
    }


def _triggered(start: Start, keyed: Keyed | None) -> TriggeredRun:
    workflow = start.revision.workflow
    if keyed is None:
        return TriggeredRun(run=start.name, workflow=workflow)
    return TriggeredRun(run=keyed.run, workflow=workflow, start=start.name)


def _collision(answer: EventAnswer, keyed: Keyed) -> KeyCollision:
    assert answer.claim
    workflow = answer.start.revision.workflow
    return KeyCollision(workflow=workflow, key=answer.claim.key, held_by=keyed.run)


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
