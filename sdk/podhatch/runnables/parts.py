"""Conditions and pod settings, from what users write to the wire models. Used by the manifest."""

from collections.abc import Sequence
from datetime import datetime

from podhatch.api.condition import Condition as WireCondition
from podhatch.api.condition import EventCondition, LeafCondition, ParentOutputCondition
from podhatch.api.model import JsonObject, format_time
from podhatch.api.pod_settings import NamedObject, PodSettings, Resources
from podhatch.runnables.conditions import (
    Condition,
    OrGroup,
    ParentCondition,
    SleepCondition,
    UserEventCondition,
)
from podhatch.runnables.duration import seconds
from podhatch.runnables.pod import Pod


def conditions_of(conditions: Sequence[Condition | OrGroup]) -> list[WireCondition]:
    """Return the conditions of one list as they stand in the Workflow."""
    return [
        WireCondition(any_of=[LeafCondition(**_leaf(leaf)) for leaf in condition.conditions])
        if isinstance(condition, OrGroup)
        else WireCondition(**_leaf(condition))
        for condition in conditions
    ]


def pod_settings(pod: Pod | None) -> PodSettings | None:
    """Return the pod's settings as they stand in the Workflow."""
    if pod is None:
        return None
    fields: JsonObject = {**vars(pod)}
    requests, limits = fields.pop("requests"), fields.pop("limits")
    if requests or limits:
        fields["resources"] = Resources(requests=dict(requests), limits=dict(limits))
    fields["env"] = [
        {"name": name, "value": value}
        if isinstance(value, str)
        else {"name": name, "valueFrom": value}
        for name, value in pod.env.items()
    ]
    fields["image_pull_secrets"] = [NamedObject(name=name) for name in pod.image_pull_secrets]
    return PodSettings.model_validate(fields)


def _leaf(condition: Condition) -> JsonObject:
    return {"readable_data_key": condition.readable_data_key, **_kind(condition)}


def _kind(condition: Condition) -> JsonObject:
    match condition:
        case SleepCondition():
            return {"sleep_seconds": seconds(condition.duration)}
        case UserEventCondition():
            return {"event": _event(condition)}
        case ParentCondition():
            parent = ParentOutputCondition(
                name=condition.parent.name, expression=condition.expression
            )
            return {"parent": parent}


def _event(condition: UserEventCondition) -> EventCondition:
    since = condition.consider_events_since
    return EventCondition(
        key=condition.event_key,
        expression=condition.expression,
        scope=condition.scope,
        consider_events_since=format_time(since) if isinstance(since, datetime) else since,
    )
