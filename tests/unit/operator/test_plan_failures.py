"""An exception while planning ends in the object's status and in one line of the log."""

import logging

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError
from podhatch_operator.controllers import cron as cron_reconciler
from podhatch_operator.controllers import event as event_reconciler
from podhatch_operator.controllers import filter as filter_reconciler
from podhatch_operator.controllers import run as run_reconciler
from podhatch_operator.controllers import workflow as workflow_reconciler
from podhatch_operator.keys import Key
from podhatch_operator.ops.logs import MAX_MESSAGE, MAX_TRACEBACK, JsonFormatter
from podhatch_operator.queue.workers import PlanFailed

from tests.unit.operator.objects import NAMESPACE, metadata, run, workflow
from tests.unit.operator.operator import Operator

SPECS: dict[str, JsonObject] = {
    "WorkflowEvent": {"key": "paid", "ttlSeconds": 60},
    "EventFilter": {"workflow": "flow", "expression": "true"},
    "CronWorkflow": {"workflow": "flow", "schedule": "* * * * *"},
}
PLANS = {
    "WorkflowRun": (run_reconciler, "plan_admitted"),
    "Workflow": (workflow_reconciler, "plan_workflow"),
    "WorkflowEvent": (event_reconciler, "plan_event"),
    "EventFilter": (filter_reconciler, "plan_filter"),
    "CronWorkflow": (cron_reconciler, "plan_cron"),
}


def an_object(kind: str) -> JsonObject:
    if kind == "Workflow":
        return workflow()
    if kind == "WorkflowRun":
        return run()
    return {
        "apiVersion": labels.API_VERSION,
        "kind": kind,
        "metadata": metadata("one", 1),
        "spec": SPECS[kind],
    }


def fail(*_: object, **__: object) -> None:
    raise KeyError("nodeSelectorTerms" + "x" * 100_000)


async def planned(operator: Operator, kind: str) -> JsonObject:
    """Reconcile an object of the kind, and return its status."""
    await operator.user_creates(an_object(kind))
    (raw,) = operator.cluster.objects(kind)
    key = Key(kind, NAMESPACE, raw["metadata"]["name"])
    with pytest.raises(PlanFailed, match="KeyError: 'nodeSelectorTerms") as failure:
        await operator.reconciler.reconcile(key)
    assert len(str(failure.value)) < 1000
    (raw,) = operator.cluster.objects(kind)
    return raw["status"]


@pytest.mark.parametrize("kind", PLANS)
async def test_an_exception_while_planning_is_a_condition_of_the_object(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = Operator()
    monkeypatch.setattr(*PLANS[kind], fail)
    status = await planned(operator, kind)
    if kind == "WorkflowEvent":
        assert "KeyError" in status["message"]
        return
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "PlanFailed")
    assert "KeyError" in condition["message"]


async def test_an_object_goes_on_once_it_can_be_planned(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator()
    with monkeypatch.context() as patched:
        patched.setattr(run_reconciler, "plan_admitted", fail)
        assert (await planned(operator, "WorkflowRun"))["phase"] == "Pending"
    await operator.user_creates(workflow())
    await operator.work()
    operator.timers.pass_time(1)  # it is no urgent status
    await operator.work()
    status = operator.status()
    assert status["phase"] == "Running"
    assert [each["status"] for each in status["conditions"]] == ["True"]
    assert "cannot plan" not in status["message"]


async def test_an_event_that_cannot_be_planned_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    operator = Operator()
    monkeypatch.setattr(event_reconciler, "plan_event", fail)
    await planned(operator, "WorkflowEvent")
    operator.timers.pass_time(61)
    with pytest.raises(PlanFailed):
        await operator.reconciler.reconcile(Key("WorkflowEvent", NAMESPACE, "one"))
    assert operator.cluster.objects("WorkflowEvent") == []


async def test_a_status_that_is_refused_is_logged_with_the_failure(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator()
    monkeypatch.setattr(run_reconciler, "plan_admitted", fail)
    operator.cluster.refusals["update WorkflowRun"] = ApiError(422, "Invalid", "too long")
    await operator.user_creates(run())
    with pytest.raises(PlanFailed, match="its status was refused: ApiError: too long"):
        await operator.reconciler.reconcile(Key("WorkflowRun", NAMESPACE, "run"))


async def test_the_failure_of_an_object_that_is_gone_has_no_status(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    operator = Operator()
    monkeypatch.setattr(cron_reconciler, "plan_cron", fail)
    with pytest.raises(PlanFailed):
        await operator.reconciler.reconcile(Key("CronWorkflow", NAMESPACE, "gone"))
    assert operator.cluster.order == []


async def test_a_pod_that_kubernetes_refuses_in_a_dry_run_makes_its_workflow_invalid() -> None:
    operator = Operator()
    message = 'Job.batch "dry-run-only" is invalid: spec.template: Required value'
    operator.cluster.refusals["dry-run Job"] = ApiError(422, "Invalid", message)
    await operator.user_creates(workflow())
    await operator.work()
    (raw,) = operator.cluster.objects("Workflow")
    (condition,) = raw["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "PodInvalid")
    assert condition["message"].startswith("spec.tasks[only]: ")
    assert operator.cluster.order == ["dry-run Job", "update Workflow"]


def test_a_line_of_the_log_is_bounded() -> None:
    try:
        raise ValueError("x" * 200_000)
    except ValueError as error:
        record = logging.LogRecord(
            "n", logging.ERROR, "f", 1, "y" * 200_000, None, (type(error), error, None)
        )
    assert len(JsonFormatter().format(record)) < MAX_MESSAGE + MAX_TRACEBACK + 500
