"""What the cache leaves out of objects, since memory is what many finished runs would cost."""

from podhatch.api.model import JsonObject
from podhatch.api.run import TERMINAL_PHASES
from podhatch.cluster import JOB, POD, Kind

JOB_NAME = "batch.kubernetes.io/job-name"


def label(raw: JsonObject, name: str) -> str | None:
    """Return the value of an object's label."""
    value: str | None = raw["metadata"].get("labels", {}).get(name)
    return value


def is_finished(run: JsonObject) -> bool:
    """Return whether the run has ended, as its status says."""
    return run.get("status", {}).get("phase") in TERMINAL_PHASES


def is_over(run: JsonObject) -> bool:
    """Return whether nothing will happen in this run any more: finished, no replay wanted."""
    spec = run["spec"]
    wanted: int = spec.get("replay", {}).get("count", 0)
    replay_due = wanted > run["status"].get("replays", 0) if is_finished(run) else False
    return is_finished(run) and (not replay_due or spec.get("desiredState") == "Cancelled")


def ended_job(name: str) -> JsonObject:
    """Return what is known of a Job of which only the name was kept."""
    conditions = [{"type": "Complete", "status": "True"}]
    return {"metadata": {"name": name, "labels": {}}, "status": {"conditions": conditions}}


def job_tells_more(old: JsonObject, new: JsonObject) -> bool:
    """Return whether a Job's change matters: its counters of pods change several times a run."""
    return _job_facts(old) != _job_facts(new)


def _job_facts(job: JsonObject) -> tuple[object, ...]:
    return (
        job.get("status", {}).get("conditions"),
        job.get("spec", {}).get("suspend"),
        job["metadata"].get("deletionTimestamp"),
    )


def without_managed_fields(raw: JsonObject) -> JsonObject:
    """Return the object without its longest part, which nobody reads."""
    metadata = {name: part for name, part in raw["metadata"].items() if name != "managedFields"}
    return {**raw, "metadata": metadata}


def is_active_job(kind: Kind, raw: JsonObject) -> bool:
    """Return whether this is a Job that may still have to be ended."""
    if kind is not JOB or "deletionTimestamp" in raw["metadata"]:
        return False
    conditions: list[JsonObject] = raw.get("status", {}).get("conditions", [])
    return not any(
        item["type"] in ("Complete", "Failed") and item["status"] == "True" for item in conditions
    )


def may_linger(kind: Kind, raw: JsonObject) -> bool:
    """Return whether this is a pod that containers beside the task's may keep from ending."""
    if kind is not POD or len(raw["spec"].get("containers", ())) < 2:
        return False
    return raw.get("status", {}).get("phase") not in ("Succeeded", "Failed")
