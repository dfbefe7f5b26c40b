"""Which runs an event starts: one for each filter that lets it in.

A workflow without any filter takes every event of its onEvents; one with filters only those of
their scopes, as the Hatchet engine does.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
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
from podhatch.core.common.idempotency import KeyGrants
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.plan import Create, Delete, Plan, first
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.answer import EventAnswer, answers_to, first_version, noted
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
    starts = _Starts(new, grants)
    if grants.missing:
        return Plan(list_keys=grants.missing)
    manifests = starts.manifests
    refused = starts.refused(observed.refusals)
    over = (event.metadata.creation_timestamp or now) + GRACE
    is_handled = now >= over and not passing(observed.refusals, manifests)
    notes = [] if is_handled else noted(old.answered, answers, refused)
    triggered = {each.run: each for each in (*old.triggered_runs, *starts.triggered(refused))}
    status = WorkflowEventStatus(
        handled_at=now if is_handled else None,
        triggered_runs=list(triggered.values())[:MAX_TRIGGERED],
        collisions=[*old.collisions, *starts.collisions(refused)][:MAX_TRIGGERED],
        answered=notes,
        first_version=first_version(event) if notes else None,
        message=_message(answers, observed),
    )
    known = {each.workflow for each in old.answered}
    plain = (each.start.revision.workflow for each in new.values() if not each.start.filter)
    return Plan(
        (*map(Create, manifests), *later.writes),
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


class _Starts:
    """What an event starts now, and what becomes of it, by the name that it has without a key."""

    def __init__(self, answers: Mapping[str, EventAnswer], grants: KeyGrants) -> None:
        self._answers = answers
        self._keyed = {
            name: grants.grant(each.start.manifest, each.claim)
            for name, each in answers.items()
            if each.claim
        }

    @property
    def manifests(self) -> list[JsonObject]:
        """The runs to create."""
        found = (
            self._keyed[name].manifest if name in self._keyed else each.start.manifest
            for name, each in self._answers.items()
        )
        return [manifest for manifest in found if manifest]

    def refused(self, refusals: Collection[str]) -> set[str]:
        """Return what was refused, given the names of the runs that were."""
        return {name for name in self._answers if self._run(name) in refusals}

    def triggered(self, refused: Collection[str]) -> Iterator[TriggeredRun]:
        """Yield the runs that are created now, or were before the status could be written."""
        for name, answer in self._answers.items():
            if name not in refused and name not in self._held:
                run, workflow = self._run(name), answer.start.revision.workflow
                start = name if name in self._keyed else None
                yield TriggeredRun(run=run, workflow=workflow, start=start)

    def collisions(self, refused: Collection[str]) -> Iterator[KeyCollision]:
        """Yield what is not started because another run holds its key."""
        for name in self._held:
            if name in refused:  # the run of this plan that would hold the key was refused
                continue
            answer = self._answers[name]
            assert answer.claim
            workflow, key = answer.start.revision.workflow, answer.claim.key
            yield KeyCollision(workflow=workflow, key=key, held_by=self._run(name))

    @property
    def _held(self) -> list[str]:
        return [name for name, each in self._keyed.items() if not (each.manifest or each.exists)]

    def _run(self, name: str) -> str:
        return self._keyed[name].run if name in self._keyed else name


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
