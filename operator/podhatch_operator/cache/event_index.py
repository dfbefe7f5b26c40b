"""Which events a run may wait for, as its workflow's conditions name them: most wait for none.

Asked by `observing`, and by `affected` for each event.
"""

from collections.abc import Iterable, Iterator

from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import WORKFLOW

from podhatch_operator.cache.cache import Cache, pinned_spec

_CONDITIONS = ("waitFor", "skipIf", "cancelIf")


def awaited_by(cache: Cache, namespace: str, run: JsonObject) -> frozenset[str]:
    """Return the keys of the events that a run may wait for."""
    if is_over(run):
        return frozenset()
    workflow: str = run["spec"]["workflow"]
    revisions = cache.revisions(namespace, workflow)
    pinned = revisions.get(run.get("status", {}).get("revision") or "")
    if pinned is not None:
        return _keys_in([pinned_spec(pinned)])
    now = cache.get(WORKFLOW, (namespace, workflow))
    specs = [pinned_spec(revision) for revision in revisions.values()]
    return _keys_in([*specs, *([now["spec"]] if now else [])])


def _keys_in(specs: Iterable[JsonObject]) -> frozenset[str]:
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
