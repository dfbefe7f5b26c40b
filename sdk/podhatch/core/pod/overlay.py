"""Laying a task's pod settings over its workflow's, and both over the pod we make.

Maps are joined. Lists whose entries have names are joined by name; of other lists, the upper one
counts.
"""

from collections.abc import Sequence
from typing import Any, cast

from podhatch.api.model import JsonObject
from podhatch.api.pod_settings import PodSettings


def merged_settings(workflow: PodSettings | None, task: PodSettings | None) -> PodSettings:
    """Return the settings that count for a task."""
    lower = workflow.to_wire() if workflow else {}
    upper = task.to_wire() if task else {}
    return PodSettings.model_validate(overlaid(lower, upper))


def overlaid(lower: JsonObject, upper: JsonObject) -> JsonObject:
    """Return `lower` with `upper` laid over it; neither is changed."""
    return lower | {name: _laid_over(lower.get(name), value) for name, value in upper.items()}


def _laid_over(lower: Any, upper: Any) -> Any:
    if isinstance(lower, dict) and isinstance(upper, dict):
        return overlaid(cast("JsonObject", lower), cast("JsonObject", upper))
    below, above = _named(lower), _named(upper)
    return _by_name(below, above) if below and above else upper


def _named(value: Any) -> list[JsonObject]:
    """Return the list, if it is one of entries with names, of which no two are the same."""
    if not isinstance(value, list):
        return []
    items = cast("list[Any]", value)
    objects = [cast("JsonObject", item) for item in items if isinstance(item, dict)]
    names = {item.get("name") for item in objects} - {None}
    return objects if len(names) == len(items) else []


def _by_name(lower: Sequence[JsonObject], upper: Sequence[JsonObject]) -> list[JsonObject]:
    above = {item["name"]: item for item in upper}
    joined = [overlaid(item, above.pop(item["name"], {})) for item in lower]
    return [*joined, *above.values()]
