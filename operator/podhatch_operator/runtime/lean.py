"""What the cache leaves out of objects, since memory is what many finished runs would cost."""

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES

JOB_NAME = "batch.kubernetes.io/job-name"
_KEPT_METADATA = (
    "name",
    "namespace",
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "ownerReferences",
)
_KEPT_LABELS = (labels.RUN, labels.REVISION, JOB_NAME)


def label(raw: JsonObject, name: str) -> str | None:
    """Return the value of an object's label."""
    value: str | None = raw["metadata"].get("labels", {}).get(name)
    return value


def is_finished(run: JsonObject) -> bool:
    """Return whether nothing will happen in this run any more."""
    return run.get("status", {}).get("phase") in TERMINAL_PHASES


def without_managed_fields(raw: JsonObject) -> JsonObject:
    """Return the object without its longest part, which nobody reads."""
    metadata = {name: part for name, part in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "metadata": metadata}


def slim(raw: JsonObject) -> JsonObject:
    """Return what is still asked of the child of a finished run: who it is, and if it has ended."""
    metadata = {name: raw["metadata"][name] for name in _KEPT_METADATA if name in raw["metadata"]}
    known = raw["metadata"].get("labels", {})
    metadata["labels"] = {name: known[name] for name in _KEPT_LABELS if name in known}
    conditions = raw.get("status", {}).get("conditions")
    return {"metadata": metadata, **({"status": {"conditions": conditions}} if conditions else {})}
