"""What a task may wait for, or be skipped or cancelled by: sleeps, events, its parents' outputs.

The classes that users write, and their checks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, TypeAlias

from podhatch.api.limits import MAX_CONDITIONS
from podhatch.task.handle import TaskHandle
from podhatch.values.duration import Duration, seconds
from podhatch.values.parsing import unexpected

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject

RUN_START: Final = "RunStart"
"""`consider_events_since`: every event since the run was created counts."""


@dataclass(frozen=True)
class SleepCondition:
    """Holds so long after all parents have ended.

    Attributes:
        duration: A timedelta, or a text such as `1h30m`.
        readable_data_key: Name of the condition, unique in its task.
    """

    duration: Duration
    readable_data_key: str | None = None

    @property
    def data_key(self) -> str:
        """The condition's name: as given, or made of its duration."""
        return self.readable_data_key or f"sleep:{seconds(self.duration):g}s"


@dataclass(frozen=True)
class UserEventCondition:
    """Holds once an event with this key was pushed.

    Attributes:
        event_key: Key of the event.
        expression: CEL over the event's payload, which is called `input`; by default any will do.
        readable_data_key: Name of the condition, unique in its task; by default the event's key.
        scope: Only events of this scope count; by default those of any.
        consider_events_since: A time with its zone, or RUN_START: events from then on count. By
            default those that were pushed after all parents had ended.
        from_people: Only events count that a person pushed: neither a task nor another program with
            a service account.
    """

    event_key: str
    expression: str | None = None
    readable_data_key: str | None = None
    scope: str | None = None
    consider_events_since: datetime | Literal["RunStart"] | None = None
    from_people: bool = False

    @property
    def data_key(self) -> str:
        """The condition's name: as given, or the event's key."""
        return self.readable_data_key or self.event_key


@dataclass(frozen=True)
class ParentCondition:
    """Holds if the expression is true of a parent's output.

    Attributes:
        parent: One of the task's parents.
        expression: CEL over the parent's `output`, and the run's `input`.
        readable_data_key: Name of the condition, unique in its task.
    """

    parent: TaskHandle[Any]
    expression: str
    readable_data_key: str | None = None

    @property
    def data_key(self) -> str:
        """The condition's name: as given, or made of parent and expression."""
        return self.readable_data_key or f"parent:{self.parent.name}:{self.expression}"


Condition: TypeAlias = SleepCondition | UserEventCondition | ParentCondition


@dataclass(frozen=True)
class OrGroup:
    """Holds once one of its conditions does. Made by `or_()`."""

    conditions: tuple[Condition, ...]


Conditions: TypeAlias = Sequence[Condition | OrGroup]
"""All of these must hold."""


def or_(*conditions: Condition) -> OrGroup:
    """Return a group of alternatives, of which one must hold.

    Args:
        conditions: The alternatives.
    """
    return OrGroup(conditions)


def leaves(conditions: Conditions) -> Iterator[tuple[str, Condition]]:
    """Yield each single condition, with its place in the list: `[0]`, or `[1][2]` in a group."""
    for index, condition in enumerate(conditions):
        if isinstance(condition, OrGroup):
            for inner, leaf in enumerate(condition.conditions):
                yield f"[{index}][{inner}]", leaf
        else:
            yield f"[{index}]", condition


def conditions_of(conditions: Conditions) -> "list[JsonObject]":
    """Return the conditions of one list as they stand in the objects."""
    return [
        {"or": [_leaf(leaf) for leaf in condition.conditions]}
        if isinstance(condition, OrGroup)
        else _leaf(condition)
        for condition in conditions
    ]


def _leaf(condition: Condition) -> "JsonObject":
    kind: JsonObject
    if isinstance(condition, SleepCondition):
        kind = {"sleepSeconds": seconds(condition.duration)}
    elif isinstance(condition, ParentCondition):
        kind = {"parent": {"name": condition.parent.name, "expression": condition.expression}}
    else:
        since = condition.consider_events_since
        event = {
            "key": condition.event_key,
            "expression": condition.expression,
            "scope": condition.scope,
            "fromPeople": condition.from_people or None,
            "considerEventsSince": _text(since) if isinstance(since, datetime) else since,
        }
        kind = {"event": {name: value for name, value in event.items() if value is not None}}
    key = condition.readable_data_key
    return {"readableDataKey": key, **kind} if key is not None else kind


def _text(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds. Without the models, which need pydantic."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def check_conditions(
    subject: str, parents: Sequence[TaskHandle[Any]], lists: Mapping[str, Conditions]
) -> None:
    """Raise ValueError for what can never hold, and for names that are used twice.

    `lists` has the conditions of a task by the names of their options.
    """
    keys: dict[str, str] = {}
    for option, conditions in lists.items():
        _check_sizes(f"{subject}: {option}", conditions)
        for place, leaf in leaves(conditions):
            _check(f"{subject}: {option}{place}", leaf, parents)
            if leaf.data_key in keys:
                raise ValueError(
                    f"{subject}: {option}{place}.readable_data_key: {keys[leaf.data_key]} is "
                    f"called {leaf.data_key!r} too; give one of them another readable_data_key"
                )
            keys[leaf.data_key] = f"{option}{place}"


def _check_sizes(place: str, conditions: Conditions) -> None:
    if len(conditions) > MAX_CONDITIONS:
        raise ValueError(f"{place}: {len(conditions)} conditions, {MAX_CONDITIONS} are allowed")
    for index, group in enumerate(conditions):
        if isinstance(group, OrGroup) and not 1 <= len(group.conditions) <= MAX_CONDITIONS:
            raise ValueError(f"{place}[{index}]: a group has 1 to {MAX_CONDITIONS} conditions")


def _check(place: str, leaf: object, parents: Sequence[TaskHandle[Any]]) -> None:
    if isinstance(leaf, SleepCondition):
        seconds(leaf.duration, f"{place}.duration")
    elif isinstance(leaf, UserEventCondition):
        _check_event(place, leaf)
    elif not isinstance(leaf, ParentCondition):
        raise unexpected(place, "a condition", leaf)
    elif not any(leaf.parent is parent for parent in parents):
        raise ValueError(
            f"{place}.parent: {leaf.parent!r} is not among the task's parents; add it to parents="
        )
    elif not leaf.expression:
        raise ValueError(f"{place}.expression: it is empty")


def _check_event(place: str, event: UserEventCondition) -> None:
    if not event.event_key:
        raise ValueError(f"{place}.event_key: it is empty")
    if not isinstance(event.from_people, bool):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise unexpected(f"{place}.from_people", "True or False", event.from_people)
    if event.expression == "":
        raise ValueError(f"{place}.expression: it is empty; leave it out if any payload will do")
    since = event.consider_events_since
    place = f"{place}.consider_events_since"
    if not isinstance(since, datetime) and since not in (None, RUN_START):
        raise ValueError(f"{place}: {since!r} is neither a datetime nor RUN_START")
    if isinstance(since, datetime) and since.tzinfo is None:
        raise ValueError(f"{place}: {since} has no time zone")
