"""Conditions and pod settings in the words of the wire, from those of users. Used by the manifest.

The wire models check what is made here, so that errors name the field within its task.
"""

from collections.abc import Sequence
from datetime import datetime

from podhatch.api.model import JsonObject, format_time
from podhatch.definitions.options.conditions import (
    Condition,
    OrGroup,
    SleepCondition,
    UserEventCondition,
)
from podhatch.definitions.options.pod import Pod
from podhatch.values.duration import seconds


def conditions_of(conditions: Sequence[Condition | OrGroup]) -> list[JsonObject]:
    """Return the conditions of one list as they stand in the Workflow."""
    return [
        {"or": [_leaf(leaf) for leaf in condition.conditions]}
        if isinstance(condition, OrGroup)
        else _leaf(condition)
        for condition in conditions
    ]


def pod_settings(pod: Pod | None) -> JsonObject | None:
    """Return the pod's settings as they stand in the Workflow."""
    if pod is None:
        return None
    fields: JsonObject = {**vars(pod)}
    resources = {"requests": fields.pop("requests"), "limits": fields.pop("limits")}
    if any(resources.values()):
        fields["resources"] = resources
    fields["env"] = [
        {"name": name, "value": value}
        if isinstance(value, str)
        else {"name": name, "valueFrom": value}
        for name, value in pod.env.items()
    ]
    fields["image_pull_secrets"] = [{"name": name} for name in pod.image_pull_secrets]
    return fields


def _leaf(condition: Condition) -> JsonObject:
    return {"readableDataKey": condition.readable_data_key, **_kind(condition)}


def _kind(condition: Condition) -> JsonObject:
    if isinstance(condition, SleepCondition):
        return {"sleepSeconds": seconds(condition.duration)}
    if isinstance(condition, UserEventCondition):
        return {"event": _event(condition)}
    return {"parent": {"name": condition.parent.name, "expression": condition.expression}}


def _event(condition: UserEventCondition) -> JsonObject:
    since = condition.consider_events_since
    return {
        "key": condition.event_key,
        "expression": condition.expression,
        "scope": condition.scope,
        "fromPeople": condition.from_people,
        "considerEventsSince": format_time(since) if isinstance(since, datetime) else since,
    }
