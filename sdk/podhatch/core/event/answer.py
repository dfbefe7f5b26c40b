"""Which runs an event starts, workflow by workflow and filter by filter.

A filter is evaluated as it was when the event arrived; later changes of it have no effect. The
event's status holds the answers until the event is handled.
"""

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

from podhatch.api.event import AnsweredWorkflow, WorkflowEvent
from podhatch.api.idempotency import IdempotencyClaim
from podhatch.api.model import JsonObject
from podhatch.core.common.idempotency import claim, evaluated_key
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.event.key import takes_key
from podhatch.core.event.start import (
    Filter,
    Start,
    default_filters,
    filter_objects,
    version_of,
)
from podhatch.core.expressions.cel import ExpressionError, FilterVariables, Variables
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.pod.pods import read_time
from podhatch.core.workflow.revision import current_revision

MAX_NOTED = 1000
"""Names in the notes of an event. Workflows for which there is no room are asked each time."""


@dataclass(frozen=True)
class EventAnswer:
    """Does the event start this run?"""

    start: Start
    is_yes: bool
    problem: str | None = None
    """Why there is no answer, if so: it is asked for again."""
    claim: IdempotencyClaim | None = None
    """The key of the run, if its workflow gives it one."""


def first_version(event: WorkflowEvent) -> str | None:
    """Return the resourceVersion that the event had when it came."""
    seen = event.status.first_version if event.status else None
    return seen or event.metadata.resource_version or None


def answers_to(
    observed: ObservedEvent, event: WorkflowEvent, questions: Questions
) -> Iterator[EventAnswer]:
    """Yield the answers that are not in the event's status yet, those of one workflow together."""
    notes = {each.workflow: each for each in event.status.answered} if event.status else {}
    question = _Question(event, questions)
    for workflow in observed.workflows:
        if not takes_key(workflow, event.spec.key) or not _was_there(workflow, observed.event):
            continue
        plain = Start(event, current_revision(workflow))
        starts = [replace(plain, filter=each) for each in _filters(observed, workflow)]
        note = notes.get(plain.revision.workflow)
        asked = _open(plain, starts, note) if note else starts or [plain]
        yield from map(question.ask, asked)


def noted(
    old: Sequence[AnsweredWorkflow], answers: Sequence[EventAnswer], refused: Container[str]
) -> list[AnsweredWorkflow]:
    """Return what to remember: the answers until now and the new ones.

    Args:
        old: the notes until now.
        answers: those that are new, in the order in which they were given.
        refused: runs that could not be made.
    """
    notes = {each.workflow: each for each in old}
    for workflow, group in groupby(answers, lambda each: each.start.revision.workflow):
        notes[workflow] = _note(notes.get(workflow), workflow, list(group), refused)
    kept: list[AnsweredWorkflow] = []
    room = MAX_NOTED
    for note in notes.values():
        room -= 1 + len(note.filters) + len(note.pending)
        if room >= 0:
            kept.append(note)
    return kept


def _note(
    old: AnsweredWorkflow | None, workflow: str, answers: list[EventAnswer], refused: Container[str]
) -> AnsweredWorkflow:
    filters, pending = (set(old.filters), set(old.pending)) if old else (set[str](), set[str]())
    for answer in answers:
        start = answer.start
        is_settled = answer.problem is None and start.name not in refused
        if start.event_filter is None:
            (pending.discard if is_settled else pending.add)(start.name)
        elif is_settled:
            filters.add(start.event_filter)
    return AnsweredWorkflow(workflow=workflow, filters=sorted(filters), pending=sorted(pending))


def _filters(observed: ObservedEvent, workflow: JsonObject) -> list[Filter]:
    """Return the workflow's filters that may have been there when the event came."""
    there = [
        each
        for each in observed.filters.get(workflow["metadata"]["name"], ())
        if _was_there(each, observed.event)
    ]
    return [*default_filters(workflow), *filter_objects(there)]


def _open(plain: Start, starts: list[Start], note: AnsweredWorkflow) -> list[Start]:
    """Return what a workflow that has answered may still start: what was pending or is late."""
    if plain.name in note.pending:
        return [plain]
    status = plain.event.status
    if status and any(plain.name == each.identity for each in status.triggered_runs):
        return []
    version = version_of(first_version(plain.event))
    return [
        each
        for each in starts
        if each.name in note.pending or (each.filter and _is_late(each.filter, note, version))
    ]


def _is_late(asked: Filter, note: AnsweredWorkflow, version: int) -> bool:
    """Return whether a filter may not have answered yet as it was when the event came."""
    is_unchanged = 0 < asked.version < version
    return is_unchanged or (asked.event_filter or "") not in {"", *note.filters}


def _was_there(raw: JsonObject, event: JsonObject) -> bool:
    """Return whether an object is no younger than the event; both times are whole seconds."""
    if "deletionTimestamp" in raw["metadata"]:
        return False
    created = read_time(raw["metadata"].get("creationTimestamp"))
    happened = read_time(event["metadata"].get("creationTimestamp"))
    return created is None or happened is None or created <= happened


class _Question:
    """What filters are asked about an event. Those without a payload share what is made ready."""

    def __init__(self, event: WorkflowEvent, questions: Questions) -> None:
        self._scope = event.spec.scope
        self._input = event.spec.payload
        self._questions = questions
        variables = FilterVariables(
            input=event.spec.payload,
            additional_metadata=event.spec.additional_metadata,
            event_id=event.metadata.name,
            event_key=event.spec.key,
        )
        self._variables = Variables.of_filter(variables, questions)

    def ask(self, start: Start) -> EventAnswer:
        try:
            is_yes = start.filter is None or self._lets_in(start.filter)
        except ExpressionError as error:
            return EventAnswer(start, False, str(error))
        if is_yes and (problem := start.problem):
            return EventAnswer(start, False, problem)
        if not is_yes:
            return EventAnswer(start, False)
        try:
            return EventAnswer(start, True, claim=self._claim(start))
        except ExpressionError as error:
            return EventAnswer(start, False, str(error))

    def _claim(self, start: Start) -> IdempotencyClaim | None:
        rule, workflow = start.revision.spec.idempotency, start.revision.workflow
        if rule is None:
            return None
        try:
            key = evaluated_key(rule, self._input, start.metadata, self._questions)
        except ExpressionError as error:
            place = f"Workflow {workflow} spec.idempotency.keyExpression"
            raise ExpressionError(f"{place}: {error}") from None
        return claim(rule, key) if key else None  # no answer yet

    def _lets_in(self, asked: Filter) -> bool:
        rule = asked.rule
        if rule.scope != self._scope:
            return False
        variables = self._variables
        try:
            if rule.payload:
                variables = variables.plus(payload=rule.payload)
            return variables.satisfy(rule.expression)
        except ExpressionError as error:
            raise ExpressionError(f"{asked.place}: {error}") from None
