"""What becomes of an object that was cut down on arrival: of it, only key and version are known.

Its status says why. It is deleted at the time at which one of its kind is by default.
"""

from dataclasses import replace
from datetime import datetime

from podhatch.api.model import UNREADABLE, JsonObject, format_time
from podhatch.api.run import ACCEPTED, FAILED, TERMINAL_PHASES, WorkflowRun
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Plan
from podhatch.core.common.validity import VALID
from podhatch.core.event.plan import expired
from podhatch.core.run.clean_up import after_the_end

TOO_LARGE = "ObjectTooLarge"


def plan_unreadable(raw: JsonObject, defaults: Defaults, now: datetime) -> Plan:
    """Return what such an object says, and when it is deleted."""
    kind: str = raw["kind"]
    message: str = raw[UNREADABLE]
    old: JsonObject = raw.get("status") or {}
    if kind == "WorkflowEvent":
        new: JsonObject = {"handledAt": format_time(now), "message": message}
        is_told = old.get("message") == message
        return replace(expired(raw, now), status=None if is_told else new)
    if kind == "DurableLog":  # its status is what it must not lose: the run of its task tells
        return Plan()
    if kind == "WorkflowRun":
        if old.get("phase") in TERMINAL_PHASES:
            return _end_of_run(raw, defaults, now)
        ends = ((ACCEPTED, "False"), (FAILED, "True"))
        new = _status(raw, ends, message, now)
        new |= {"phase": FAILED, "message": message, "finishedAt": format_time(now)}
        return Plan(status=new, requeue_at=now)
    new = _status(raw, ((VALID, "False"),), message, now)
    old_conditions = [(each["reason"], each["message"]) for each in old.get("conditions", ())]
    is_told = old_conditions == [(TOO_LARGE, message)]
    same = is_told and old.get("observedGeneration") == new["observedGeneration"]
    return Plan(status=None if same else new)


def _end_of_run(raw: JsonObject, defaults: Defaults, now: datetime) -> Plan:
    known = {"metadata": {"name": raw["metadata"]["name"]}, "status": raw["status"]}
    run = WorkflowRun.model_validate({**known, "spec": {"workflow": "unknown"}})
    return after_the_end(run, Observed(raw), None, defaults, now)


def _status(
    raw: JsonObject, conditions: tuple[tuple[str, str], ...], message: str, now: datetime
) -> JsonObject:
    generation = raw["metadata"].get("generation", 0)
    return {
        "observedGeneration": generation,
        "conditions": [
            {
                "type": type_,
                "status": status,
                "reason": TOO_LARGE,
                "message": message,
                "lastTransitionTime": format_time(now),
                "observedGeneration": generation,
            }
            for type_, status in conditions
        ],
    }
