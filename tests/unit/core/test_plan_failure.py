"""What an object says when its plan raised."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.core.common.plan_failure import MAX_SUMMARY, failure_status, failure_summary
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.workflow.validate import needs_dry_run
from pydantic import ValidationError

from tests.fakes.objects import NOW, event, run, task, workflow

ERROR = KeyError("nodeSelectorTerms")


def status_of(raw: JsonObject, error: Exception = ERROR) -> JsonObject:
    status = failure_status(raw, error, NOW)
    assert status is not None
    return status


def test_a_run_that_cannot_be_planned_says_why() -> None:
    raw = run()
    status = status_of(raw)
    assert status["phase"] == "Pending"
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("Accepted", "False")
    assert condition["reason"] == "PlanFailed"
    assert "KeyError: 'nodeSelectorTerms'" in condition["message"]
    assert status["message"] == condition["message"]
    assert WorkflowRunStatus.model_validate(status).phase == "Pending"


def test_a_run_under_way_keeps_its_tasks_and_its_phase() -> None:
    old = {
        "phase": "Running",
        "revision": "flow-1",
        "tasks": [{"name": "a", "state": "Running"}],
        "conditions": [{"type": "Accepted", "status": "True"}, {"type": "Other", "status": "True"}],
    }
    status = status_of(run(old))
    assert {**status, "message": None, "conditions": None} == {
        **old,
        "message": None,
        "conditions": None,
        "observedGeneration": 1,
    }
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [
        ("Other", "True"),
        ("Accepted", "False"),
    ]


def test_a_run_that_has_ended_keeps_its_end() -> None:
    assert failure_status(run({"phase": "Succeeded"}), ERROR, NOW) is None


@pytest.mark.parametrize("kind", ["Workflow", "CronWorkflow", "EventFilter"])
def test_an_object_that_cannot_be_planned_is_not_valid(kind: str) -> None:
    raw = workflow(task("a")) | {"kind": kind}
    status = status_of(raw)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("Valid", "False")
    assert condition["observedGeneration"] == status["observedGeneration"] == 1


def test_an_event_that_cannot_be_planned_says_why() -> None:
    assert "KeyError" in status_of(event())["message"]


@pytest.mark.parametrize("raw", [run(), workflow(task("a")), event()])
def test_what_the_status_says_already_is_not_said_again(raw: JsonObject) -> None:
    told = {**raw, "status": status_of(raw)}
    assert failure_status(told, ERROR, NOW + timedelta(seconds=60)) is None


def test_a_workflow_whose_plan_failed_is_tried_by_a_dry_run_later() -> None:
    raw = workflow(task("a"))
    assert needs_dry_run({**raw, "status": status_of(raw)}, IN_PROCESS)


UNTRUSTED: list[Any] = [None, [], "x", {"conditions": "x"}, {"conditions": [1, {}]}]


@pytest.mark.parametrize("status", UNTRUSTED)
def test_no_stored_status_is_trusted(status: Any) -> None:
    (condition,) = status_of({**workflow(), "status": status})["conditions"]
    assert condition["status"] == "False"


class UnprintableError(Exception):
    def __str__(self) -> str:
        raise RecursionError


def test_the_summary_of_an_error_is_one_bounded_line() -> None:
    assert failure_summary(ValueError("a\n" * 100_000)).startswith("ValueError: a a a")
    assert len(failure_summary(ValueError("x" * 100_000))) == MAX_SUMMARY
    assert failure_summary(UnprintableError()) == "UnprintableError: it cannot be shown"


def test_the_summary_of_an_object_that_cannot_be_parsed_names_the_field() -> None:
    with pytest.raises(ValidationError) as caught:
        WorkflowRun.model_validate({"spec": {"workflow": "x" * 9999}})
    assert failure_summary(caught.value).startswith("spec.workflow: ")
