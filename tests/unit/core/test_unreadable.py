"""Objects that were cut down on arrival: what their status says, and when they are deleted."""

from datetime import timedelta

import pytest
from podhatch.api.event import DEFAULT_EVENT_TTL_SECONDS
from podhatch.api.model import UNREADABLE, JsonObject, format_time
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.run.plan import plan_run
from podhatch.core.unreadable import TOO_LARGE, plan_unreadable

from tests.fakes.durable import over, page
from tests.fakes.objects import NOW, ago, event, run, task, workflow

WHY = "the object has 1400000 bytes"
DEFAULTS = Defaults("runner:test", run_ttl_seconds=60, job_ttl_seconds=10)


def cut(raw: JsonObject, status: JsonObject | None = None) -> JsonObject:
    return {**raw, "spec": {"workflow": UNREADABLE}, "status": status, UNREADABLE: WHY}


def conditions(status: JsonObject | None) -> list[tuple[str, str, str, str]]:
    assert status is not None
    names = ("type", "status", "reason", "message")
    return [tuple(each[name] for name in names) for each in status["conditions"]]


def test_an_event_says_once_that_it_is_too_large_and_expires() -> None:
    first = plan_unreadable(cut(event()), DEFAULTS, NOW)
    assert first.status == {"handledAt": format_time(NOW), "message": WHY}
    end = NOW + timedelta(seconds=DEFAULT_EVENT_TTL_SECONDS)
    told = cut(event(), first.status)
    assert plan_unreadable(told, DEFAULTS, NOW).status is None
    assert plan_unreadable(told, DEFAULTS, NOW) == Plan(requeue_at=end)
    assert plan_unreadable(told, DEFAULTS, end).delete == (Delete("WorkflowEvent", "go-1"),)


def test_a_run_fails_and_is_deleted_at_its_time() -> None:
    first = plan_unreadable(cut(run()), DEFAULTS, NOW)
    assert conditions(first.status) == [
        ("Accepted", "False", TOO_LARGE, WHY),
        ("Failed", "True", TOO_LARGE, WHY),
    ]
    assert first.status is not None
    assert (first.status["phase"], first.status["message"]) == ("Failed", WHY)
    over = cut(run(), first.status)
    assert plan_unreadable(over, DEFAULTS, NOW).status is None
    end = NOW + timedelta(seconds=60)
    assert plan_unreadable(over, DEFAULTS, NOW) == Plan(requeue_at=end)
    later = plan_unreadable(over, DEFAULTS, end)
    assert later.delete == (Delete("WorkflowRun", "flow-1"),)


def test_a_log_keeps_its_status_and_its_run_tells() -> None:
    assert plan_unreadable(cut(page(), {"waits": [over(1)]}), DEFAULTS, NOW) == Plan()


def test_a_workflow_is_invalid_until_it_changes() -> None:
    first = plan_unreadable(cut(workflow(task("a"))), DEFAULTS, NOW)
    assert conditions(first.status) == [("Valid", "False", TOO_LARGE, WHY)]
    assert first == Plan(status=first.status)
    assert plan_unreadable(cut(workflow(), first.status), DEFAULTS, NOW).status is None
    changed = cut(workflow(), first.status)
    changed["metadata"] = {**changed["metadata"], "generation": 2}
    again = plan_unreadable(changed, DEFAULTS, NOW).status
    assert again is not None
    assert again["observedGeneration"] == 2


@pytest.mark.parametrize("status", [None, {"phase": "Pending", "startedAt": ago(3)}])
def test_a_run_of_a_workflow_that_is_too_large_says_so(status: JsonObject | None) -> None:
    plan = plan_run(Observed(run(status), cut(workflow()), {}), DEFAULTS, NOW)
    (accepted,) = conditions(plan.status)
    assert accepted[:3] == ("Accepted", "False", "WorkflowInvalid")
    assert WHY in accepted[3]
