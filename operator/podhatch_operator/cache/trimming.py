"""What the cache leaves out of objects, because many finished runs would need much memory."""

import json
import zlib

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.api.run import is_over
from podhatch.cluster import DURABLE_LOG, JOB, POD, WORKFLOW_EVENT, WORKFLOW_RUN, Kind
from podhatch.core.durable.progress import calls_of, key_of, open_calls
from podhatch.core.pod.pods import has_job_ended

JOB_NAME = "batch.kubernetes.io/job-name"


def label(raw: JsonObject, name: str) -> str | None:
    """Return the value of an object's label."""
    value: str | None = raw["metadata"].get("labels", {}).get(name)
    return value


def ended_job(name: str) -> JsonObject:
    """Return what is known of a Job of which only the name was kept."""
    conditions = [{"type": "Complete", "status": "True"}]
    return {"metadata": {"name": name, "labels": {}}, "status": {"conditions": conditions}}


def job_facts(job: JsonObject) -> tuple[object, ...]:
    """Return what matters of a Job: its counters of pods change several times a run."""
    return (
        job.get("status", {}).get("conditions"),
        job.get("spec", {}).get("suspend"),
        job["metadata"].get("deletionTimestamp"),
    )


def pod_facts(pod: JsonObject) -> tuple[object, ...]:
    """Return what matters of a pod: the Job controller removes its finalizer last."""
    unread = ("finalizers", "managedFields", "resourceVersion")
    metadata = {name: part for name, part in pod["metadata"].items() if name not in unread}
    return metadata, pod.get("spec"), pod.get("status")


PACKED_FROM_BYTES = 4096
MAX_UNPACKED_BYTES = 2 * 1024 * 1024
"""Limit for all events that one run waits for; only the newest are shown."""
_NUMBER = ("node", "branch", "kind")
"""Of a call."""
_LARGE_FIELDS = {WORKFLOW_RUN.kind: "input", WORKFLOW_EVENT.kind: "payload"}


class Packed:
    """A large JSON value as compressed bytes: Python objects may take forty times its text."""

    __slots__ = ("_data", "size")

    def __init__(self, text: str) -> None:
        self.size = len(text)
        self._data = zlib.compress(text.encode(), 1)

    def value(self) -> JsonObject:
        """Return the value."""
        return json.loads(zlib.decompress(self._data))


def as_held(kind: Kind, raw: JsonObject) -> JsonObject:
    """Return what is held of an object: no managedFields, and its large value packed.

    A run that is over needs its input no more: a replay brings the whole run again.
    """
    raw = without_managed_fields(raw)
    if kind is DURABLE_LOG:
        return _trimmed_log(raw)
    field = _LARGE_FIELDS.get(kind.kind)
    value = raw["spec"].get(field) if field else None
    if not field or not value or isinstance(value, Packed):
        return raw
    if kind is WORKFLOW_RUN and is_over(raw):
        rest = {name: part for name, part in raw["spec"].items() if name != field}
        return {**raw, "spec": rest}
    text = json.dumps(value, separators=(",", ":"))
    if kind is WORKFLOW_EVENT and len(text) > MAX_INPUT_BYTES:
        why = f"spec.payload: {len(text)} bytes as JSON, and at most {MAX_INPUT_BYTES} are allowed"
        spec = {name: raw["spec"][name] for name in ("key", "ttlSeconds") if name in raw["spec"]}
        return {**raw, "spec": spec, UNREADABLE: why}
    if len(text) <= PACKED_FROM_BYTES:
        return raw
    return {**raw, "spec": {**raw["spec"], field: Packed(text)}}


def _trimmed_log(raw: JsonObject) -> JsonObject:
    """Return a log without what only the task's pod reads; of a call that is over, its number."""
    spec: JsonObject = raw["spec"]
    rest = {name: part for name, part in spec.items() if name != "values"}
    calls = calls_of(raw)
    if not calls or calls != rest["calls"]:  # some are not proper calls, as its status will say
        return {**raw, "spec": rest}
    waiting = {key_of(call) for call in open_calls(raw)}
    trimmed = [
        {name: part for name, part in call.items() if name in _NUMBER or key_of(call) in waiting}
        for call in calls
    ]
    return {**raw, "spec": {**rest, "calls": trimmed}}


def unpacked(kind: Kind, raw: JsonObject) -> JsonObject:
    """Return the object with its large value."""
    field = _LARGE_FIELDS[kind.kind]
    value = raw["spec"].get(field)
    if not isinstance(value, Packed):
        return raw
    return {**raw, "spec": {**raw["spec"], field: value.value()}}


def without_packed(kind: Kind, raw: JsonObject) -> JsonObject:
    """Return the object without its large value."""
    field = _LARGE_FIELDS[kind.kind]
    if not isinstance(raw["spec"].get(field), Packed):
        return raw
    return {**raw, "spec": {name: part for name, part in raw["spec"].items() if name != field}}


def newest_unpacked(events: list[JsonObject]) -> list[JsonObject]:
    """Return events with their payloads, the newest as far as there is room, the rest not at all.

    An event was shown when it came, and what it satisfied is in the run's status.
    """
    room, shown = MAX_UNPACKED_BYTES, list[JsonObject]()
    for event in sorted(events, key=_version, reverse=True):
        payload = event["spec"].get("payload")
        room -= payload.size if isinstance(payload, Packed) else 0
        if room < 0 and isinstance(payload, Packed):
            continue
        if UNREADABLE not in event:
            shown.append(unpacked(WORKFLOW_EVENT, event))
    return shown


def _version(raw: JsonObject) -> int:
    return int(raw["metadata"]["resourceVersion"])


def without_managed_fields(raw: JsonObject) -> JsonObject:
    """Return the object without managedFields, its longest part."""
    metadata = {name: part for name, part in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "metadata": metadata}


def is_active_job(kind: Kind, raw: JsonObject) -> bool:
    """Return whether this is a Job that may still have to be ended."""
    return kind is JOB and "deletionTimestamp" not in raw["metadata"] and not has_job_ended(raw)


def may_linger(kind: Kind, raw: JsonObject) -> bool:
    """Return whether containers beside the task's may keep this pod from ending."""
    if kind is not POD or len(raw["spec"].get("containers", ())) < 2:
        return False
    return raw.get("status", {}).get("phase") not in ("Succeeded", "Failed")
