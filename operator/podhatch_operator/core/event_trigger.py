"""Which runs an event starts: one for each filter that lets it in. Called by the event reconciler.

A run's name is made of event, workflow and filter, so that making it twice is refused. A workflow
without any filter takes every event of its onEvents; one with filters only those of their scopes,
as the Hatchet engine does.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api import labels
from podhatch.api.event import TriggeredRun, WorkflowEvent, WorkflowEventStatus
from podhatch.api.event_filter import EventFilter, FilterRule
from podhatch.api.model import JsonObject
from podhatch.api.names import new_run_name, short_hash

from podhatch_operator.core.event_key import takes_key
from podhatch_operator.core.expr import FILTER, ExpressionError, Facts
from podhatch_operator.core.observed import ObservedEvent
from podhatch_operator.core.pods import read_time
from podhatch_operator.core.revision import Revision, current_revision

GRACE = timedelta(seconds=5)
"""Workflows and filters come by watches of their own, and may come later than the event."""
MAY_PASS = 403
"""A run that is refused with this code may be made later: a quota may be free again."""
MAX_TRIGGERED = 1000
MAX_MESSAGE = 2000
EVENT_ID = "hatchet__event_id"
EVENT_KEY = "hatchet__event_key"


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


@dataclass(frozen=True)
class _Filter:
    """One of a workflow's filters."""

    identity: str
    """The same as long as the filter is the same."""
    place: str
    """What users call it."""
    rule: FilterRule


@dataclass(frozen=True)
class _Start:
    """A run that the event starts."""

    revision: Revision
    filter: _Filter | None

    def name(self, event: WorkflowEvent) -> str:
        identity = self.filter.identity if self.filter else ""
        subject = f"{event.metadata.uid}/{self.revision.workflow}/{identity}"
        return new_run_name(self.revision.workflow, short_hash(subject, 12))

    def manifest(self, event: WorkflowEvent) -> JsonObject:
        trigger: JsonObject = {"id": event.metadata.name, "key": event.spec.key}
        if self.filter:
            trigger["filterPayload"] = self.filter.rule.payload
        spec: JsonObject = {
            "workflow": self.revision.workflow,
            "input": event.spec.payload,
            "additionalMetadata": {
                **self.revision.spec.default_additional_metadata,
                **event.spec.additional_metadata,
                EVENT_ID: event.metadata.name,
                EVENT_KEY: event.spec.key,
            },
            "trigger": {"event": trigger},
        }
        if event.spec.priority:
            spec["priority"] = event.spec.priority
        return {
            "apiVersion": labels.API_VERSION,
            "kind": "WorkflowRun",
            "metadata": {"name": self.name(event), "namespace": event.metadata.namespace},
            "spec": spec,
        }


def plan_event(observed: ObservedEvent, now: datetime) -> EventPlan:
    """Return the runs to make for an event, and what to say of them.

    A run that is noted in the status is not made again, whatever became of it since.
    """
    event = WorkflowEvent.model_validate(observed.event)
    old = event.status or WorkflowEventStatus.model_validate({})
    if old.handled_at is not None:
        return EventPlan()
    problems: list[str] = []
    starts = {start.name(event): start for start in _starts(observed, event, problems)}
    noted = {each.run for each in old.triggered_runs}
    new = {name: start for name, start in starts.items() if name not in noted}
    problems += [
        f"the run {name} was refused: {refusal.message}"
        for name, refusal in observed.refusals.items()
    ]
    made = [
        TriggeredRun(run=name, workflow=start.revision.workflow)
        for name, start in new.items()
        if name not in observed.refusals
    ]
    over = (event.metadata.creation_timestamp or now) + GRACE
    may_pass = any(refusal.code == MAY_PASS for refusal in observed.refusals.values())
    status = WorkflowEventStatus(
        handled_at=now if now >= over and not may_pass else None,
        triggered_runs=[*old.triggered_runs, *made][:MAX_TRIGGERED],
        message="; ".join(problems)[:MAX_MESSAGE] or None,
    )
    return EventPlan(
        create=tuple(start.manifest(event) for start in new.values()),
        unfiltered=tuple(each.revision.workflow for each in new.values() if not each.filter),
        status=None if status == old else status.to_wire(),
        look_again_at=None if status.handled_at else over,
    )


def _starts(observed: ObservedEvent, event: WorkflowEvent, problems: list[str]) -> Iterator[_Start]:
    """Yield the runs that the event starts, and note what could not be asked."""
    question = _Question(event)
    for workflow in observed.workflows:
        if not takes_key(workflow, event.spec.key) or not _was_there(workflow, observed.event):
            continue
        revision = current_revision(workflow)
        there = [
            each
            for each in observed.filters.get(revision.workflow, ())
            if _was_there(each, observed.event)
        ]
        filters = [*_default_filters(revision), *_filter_objects(there)]
        if not filters:
            yield _Start(revision, None)
        for each in filters:
            try:
                if question.lets_in(each.rule):
                    yield _Start(revision, each)
            except ExpressionError as error:
                problems.append(f"{each.place}: {error}")


def _was_there(raw: JsonObject, event: JsonObject) -> bool:
    """Return whether an object is no younger than the event; both times are whole seconds."""
    if "deletionTimestamp" in raw["metadata"]:
        return False
    created = read_time(raw["metadata"].get("creationTimestamp"))
    happened = read_time(event["metadata"].get("creationTimestamp"))
    return created is None or happened is None or created <= happened


def _default_filters(revision: Revision) -> Iterator[_Filter]:
    seen: Counter[str] = Counter()
    for index, rule in enumerate(revision.spec.default_filters):
        content = rule.model_dump_json()
        seen[content] += 1
        place = f"Workflow {revision.workflow} spec.defaultFilters[{index}].expression"
        yield _Filter(f"default/{content}/{seen[content]}", place, rule)


def _filter_objects(filters: Iterable[JsonObject]) -> Iterator[_Filter]:
    for raw in sorted(filters, key=lambda each: str(each["metadata"]["name"])):
        parsed = EventFilter.model_validate(raw)
        place = f"EventFilter {parsed.metadata.name} spec.expression"
        yield _Filter(f"filter/{parsed.metadata.uid}", place, parsed.spec)


class _Question:
    """What filters are asked about an event. Those without a payload share what is made ready."""

    def __init__(self, event: WorkflowEvent) -> None:
        self._scope = event.spec.scope
        values: JsonObject = {
            "input": event.spec.payload,
            "additional_metadata": event.spec.additional_metadata,
            "event_id": event.metadata.name,
            "event_key": event.spec.key,
        }
        self._event = Facts(values, FILTER)
        self._plain = self._event.plus(payload={})

    def lets_in(self, rule: FilterRule) -> bool:
        if rule.scope != self._scope:
            return False
        facts = self._event.plus(payload=rule.payload) if rule.payload else self._plain
        return facts.holds(rule.expression)
