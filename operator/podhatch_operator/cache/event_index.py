"""Which events a run may wait for, as the conditions of its workflow name them."""

from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import WORKFLOW
from podhatch.core.workflow.revision import event_keys

from podhatch_operator.cache.cache import Cache, pinned_spec


def awaited_by(cache: Cache, namespace: str, run: JsonObject) -> frozenset[str]:
    """Return the keys of the events that a run may wait for."""
    if is_over(run):
        return frozenset()
    workflow: str = run["spec"]["workflow"]
    revisions = cache.revisions(namespace, workflow)
    pinned = revisions.get(run.get("status", {}).get("revision") or "")
    if pinned is not None:
        return event_keys(pinned_spec(pinned))
    now = cache.get(WORKFLOW, (namespace, workflow))
    specs = [pinned_spec(revision) for revision in revisions.values()]
    if now:
        specs.append(now["spec"])
    return frozenset[str]().union(*map(event_keys, specs))
