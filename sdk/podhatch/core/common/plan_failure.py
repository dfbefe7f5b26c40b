"""What a user sees of an object whose plan raised: a status made of the raw object alone.

The plan may have failed because the object cannot be parsed, so nothing here parses or trusts it.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from pydantic import ValidationError

from podhatch.api.model import JsonObject, format_time
from podhatch.api.run import ACCEPTED, TERMINAL_PHASES
from podhatch.core.common.validity import VALID

PLAN_FAILED = "PlanFailed"
MAX_SUMMARY = 400


def failure_summary(error: BaseException) -> str:
    """Return the error in one bounded line: its type, and its first words."""
    if isinstance(error, ValidationError):
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        text = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
    else:
        text = f"{type(error).__name__}: {_text(error)}"
    return " ".join(text[: 4 * MAX_SUMMARY].split())[:MAX_SUMMARY]


def failure_status(raw: JsonObject, error: BaseException, now: datetime) -> JsonObject | None:
    """Return the status that says why the object cannot be planned.

    None: the stored status says it already, or the run has ended and keeps how it ended.
    """
    kind, old = raw["kind"], _map(raw.get("status"))
    message = (
        f"the operator cannot plan this {kind} and tries again: {failure_summary(error)}; "
        "change what it names, or look into the operator's log"
    )
    if kind == "WorkflowRun":
        if old.get("phase") in TERMINAL_PHASES:
            return None
        new = {**old, "phase": old.get("phase") or "Pending", "message": message}
        new |= _with_condition(raw, old, ACCEPTED, message, now)
    elif kind == "WorkflowEvent":
        new = {**old, "message": message}
    else:
        new = {**old, **_with_condition(raw, old, VALID, message, now)}
    return None if new == old else new


def _with_condition(
    raw: JsonObject, old: JsonObject, type: str, message: str, now: datetime
) -> JsonObject:
    """Return generation and conditions, this one False; its time moves only with its status."""
    stored: Any = old.get("conditions")
    conditions = [_map(each) for each in _list(stored)]
    before = next((each for each in conditions if each.get("type") == type), _map(None))
    same = before.get("status") == "False" and "lastTransitionTime" in before
    generation = raw["metadata"].get("generation", 0)
    new = {
        "type": type,
        "status": "False",
        "reason": PLAN_FAILED,
        "message": message,
        "lastTransitionTime": before["lastTransitionTime"] if same else format_time(now),
        "observedGeneration": generation,
    }
    others = [each for each in conditions if each and each.get("type") != type]
    return {"observedGeneration": generation, "conditions": [*others, new]}


def _map(value: Any) -> JsonObject:
    return dict(cast("Mapping[str, Any]", value)) if isinstance(value, dict) else {}


def _list(value: Any) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else ()


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:
        return "it cannot be shown"
