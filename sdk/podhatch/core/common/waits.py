"""From when on conditions hold: what the conditions of a task and the waits of its code share.

A list of conditions holds once each group in it holds, and a group once one of its members does.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.condition import RUN_START, Condition, EventCondition, LeafCondition
from podhatch.api.event import WorkflowEvent
from podhatch.core.expressions.cel import Variables
from podhatch.core.expressions.evaluation import Questions

CLOCK_GRAIN = timedelta(seconds=1)
"""Kubernetes writes the time of a creation to the second; the event may be younger by so much."""


@dataclass(frozen=True)
class Match:
    """An event that satisfies a condition."""

    moment: datetime
    """From when on the condition holds."""
    event: WorkflowEvent


def first_match(
    wanted: EventCondition,
    events: Iterable[WorkflowEvent],
    since: datetime,
    run_created: datetime,
    questions: Questions,
) -> Match | None:
    """Return the first event that satisfies a condition; those after it are not looked at.

    Args:
        wanted: the condition.
        events: all events that may satisfy it.
        since: when the wait began.
        run_created: when the run was created, for a condition that counts from its start.
        questions: the questions of the plan.

    Raises:
        ExpressionError: the condition's expression has no value for an event before that.
    """
    counted = _counts_from(wanted, since, run_created)
    found = [
        Match(moment, event)
        for event in events
        if (moment := _moment(event, wanted, counted)) is not None
    ]
    for match in sorted(found, key=lambda each: (each.moment, each.event.metadata.name)):
        payload = {"input": match.event.spec.payload}
        if wanted.expression is None or Variables(payload, questions).satisfy(wanted.expression):
            return Match(max(match.moment, since), match.event)
    return None


def complete_at(
    conditions: Sequence[Condition], holds_from: Mapping[str, datetime | None], since: datetime
) -> datetime | None:
    """Return when the last group was met by its first condition; None if one is open.

    Args:
        conditions: the list.
        holds_from: from when on each condition holds, by its key; None while that is not known.
        since: when the wait began.
    """
    latest = since
    for condition in conditions:
        moments = [holds_from[leaf.data_key] for leaf in condition.group]
        known = [moment for moment in moments if moment is not None]
        if not known:
            return None
        latest = max(latest, min(known))
    return latest


def next_moment(moments: Iterable[datetime | None], now: datetime) -> datetime | None:
    """Return when the next condition holds by itself."""
    return min((each for each in moments if each and each > now), default=None)


def is_moment(text: str | None) -> bool:
    """Whether considerEventsSince is one of the calendar; the API server looks at digits only."""
    if text is None or text == RUN_START:
        return True
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def describe(conditions: Sequence[Condition]) -> str:
    """Say what a list of conditions waits for."""
    groups = [" or ".join(_name(leaf) for leaf in condition.group) for condition in conditions]
    return " and ".join(f"({group})" if " or " in group else group for group in groups)


def _name(leaf: LeafCondition) -> str:
    if leaf.sleep_seconds is not None:
        return f"{leaf.sleep_seconds:g}s to pass"
    if leaf.parent is not None:
        return f"{leaf.parent.expression} of {leaf.parent.name}"
    return event_words(leaf)


def event_words(leaf: LeafCondition) -> str:
    """Name the event that a condition waits for."""
    assert leaf.event is not None
    return f"event {leaf.event.key}{' from people' if leaf.event.from_people else ''}"


def _counts_from(wanted: EventCondition, since: datetime, run_created: datetime) -> datetime:
    if wanted.consider_events_since is None:
        return since
    if wanted.consider_events_since == RUN_START:
        return run_created
    return datetime.fromisoformat(wanted.consider_events_since)


def _moment(event: WorkflowEvent, wanted: EventCondition, since: datetime) -> datetime | None:
    """Return when the event happened; None if its key, scope, source or time do not fit."""
    spec, created = event.spec, event.metadata.creation_timestamp
    if spec.key != wanted.key or (wanted.scope is not None and spec.scope != wanted.scope):
        return None
    if wanted.from_people and not (spec.pushed_by and spec.pushed_by.is_person):
        return None
    moment = spec.seen_at or (created + CLOCK_GRAIN if created else since)
    return moment if moment >= since else None
