"""What an EventFilter is told about itself."""

from datetime import datetime, timedelta

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedFilter
from podhatch.core.event.filter import plan_filter

from tests.fakes.answers import answered
from tests.fakes.objects import NOW, task, workflow

TAKES = workflow(task("a"), onEvents=["paid"])
DEAF = workflow(task("a"))


def event_filter(expression: str = "input.n > payload.n", **fields: object) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "EventFilter",
        "metadata": {"name": "large", "namespace": "default", "generation": 1},
        "spec": {"workflow": "flow", "scope": "eu", "expression": expression},
        **fields,
    }


def checked(raw: JsonObject, flow: JsonObject | None, now: datetime = NOW) -> JsonObject | None:
    return answered(lambda known: plan_filter(ObservedFilter(raw, flow, answers=known), now)).status


def condition(event_filter: JsonObject, flow: JsonObject | None) -> JsonObject:
    status = checked(event_filter, flow)
    assert status is not None
    assert status["observedGeneration"] == event_filter["metadata"]["generation"]
    (only,) = status["conditions"]
    return only


@pytest.mark.parametrize(
    ("expression", "flow", "reason", "message"),
    [
        ("input.n >", TAKES, "ExpressionInvalid", "spec.expression: 'input.n >' is not CEL: "),
        ("output.n > 1", TAKES, "ExpressionInvalid", "spec.expression: 'output.n > 1' is not CEL"),
        ("true", None, "WorkflowNotFound", "spec.workflow: there is no Workflow 'flow' in "),
        ("true", DEAF, "NoEvents", "spec.workflow: no events start Workflow 'flow': give it on"),
    ],
)
def test_a_filter_that_no_event_can_pass_says_why(
    expression: str, flow: JsonObject | None, reason: str, message: str
) -> None:
    told = condition(event_filter(expression), flow)
    assert (told["type"], told["status"], told["reason"]) == ("Valid", "False", reason)
    assert told["message"].startswith(message)


def test_a_filter_that_is_right_is_told_so_once() -> None:
    told = condition(event_filter(), TAKES)
    assert (told["status"], told["reason"]) == ("True", "Checked")
    assert "message" not in told
    status = checked(event_filter(), TAKES)
    later = NOW + timedelta(minutes=1)
    assert checked(event_filter(status=status), TAKES, later) is None


def test_a_change_is_checked_anew() -> None:
    status = checked(event_filter(), TAKES)
    changed = event_filter("input.n ==", status=status)
    changed["metadata"]["generation"] = 2
    assert condition(changed, TAKES)["observedGeneration"] == 2
    assert condition(changed, TAKES)["status"] == "False"
