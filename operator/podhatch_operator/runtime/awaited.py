"""Which events a workflow's conditions name. Asked by the cache: most runs wait for none."""

from collections.abc import Iterable, Iterator

from podhatch.api.model import JsonObject

_CONDITIONS = ("waitFor", "skipIf", "cancelIf")


def awaited_keys(specs: Iterable[JsonObject]) -> frozenset[str]:
    """Return the keys of the events that tasks of these workflows wait for."""
    return frozenset(
        key
        for spec in specs
        for task in spec.get("tasks", ())
        for field in _CONDITIONS
        for condition in task.get(field, ())
        for key in _keys(condition)
    )


def _keys(condition: JsonObject) -> Iterator[str]:
    for leaf in (condition, *condition.get("or", ())):
        if "event" in leaf:
            yield leaf["event"]["key"]
