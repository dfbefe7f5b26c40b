"""What a task's pod may do in the cluster: its account, and the most that the chart allows."""

import json
from dataclasses import replace

import pytest
from podhatch.api.run import WorkflowRun
from podhatch.api.task import ClusterAccess, TaskSpec
from podhatch.core.common.observed import Observed
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision
from podhatch.core.workflow.validate import check_workflow

from tests.fakes.objects import DEFAULTS, NOW, container_task, run, task, workflow


@pytest.mark.parametrize(
    ("access", "maximum", "account"),
    [
        ("none", "spawn", None),
        ("report", "spawn", "podhatch-report"),
        ("spawn", "spawn", "podhatch-spawn"),
        ("spawn", "report", "podhatch-report"),
        ("spawn", "none", None),
        ("report", "none", None),
        ("none", "none", None),
        (True, "spawn", "podhatch-spawn"),  # as workflows of an earlier version have it
        (False, "spawn", None),
    ],
)
def test_a_pod_has_the_account_of_its_access_and_no_token_without(
    access: str | bool, maximum: ClusterAccess, account: str | None
) -> None:
    attempt = AttemptSpec(
        WorkflowRun.model_validate(run()),
        TaskSpec.model_validate(task("a", clusterAccess=access)),
        1,
    )
    defaults = replace(DEFAULTS, max_cluster_access=maximum)
    revision = current_revision(workflow(task("a")))
    made = attempt_manifests(attempt, revision, defaults, AttemptInput())[-1]
    pod_spec = made["spec"]["template"]["spec"]
    (container,) = pod_spec["containers"]
    assert pod_spec.get("serviceAccountName") == account
    assert pod_spec["automountServiceAccountToken"] is (account is not None)
    assert ("PODHATCH_RESULT" in {each["name"] for each in container["env"]}) == (
        account is not None
    )


def test_a_task_that_asks_for_more_access_than_allowed_keeps_its_workflow_from_running() -> None:
    flow = workflow(
        task("a", clusterAccess="report"),
        task("b", clusterAccess="spawn"),
        onFailureTask=task("c", clusterAccess="spawn"),
    )
    status = check_workflow(flow, NOW, max_access="report").status
    assert status is not None
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "WorkflowInvalid")
    assert "task b: clusterAccess: spawn is more than report" in condition["message"]
    assert "task c: clusterAccess: spawn is more than report" in condition["message"]
    assert "taskDefaults.maxClusterAccess" in condition["message"]
    defaults = replace(DEFAULTS, max_cluster_access="report")
    refused = plan_run(Observed(run(), flow), defaults, NOW)
    assert not refused.create
    assert refused.status is not None
    assert "task b: clusterAccess" in json.dumps(refused.status)


def test_a_container_task_has_no_access_that_could_be_too_much() -> None:
    flow = workflow(container_task("a", clusterAccess="spawn"))
    status = check_workflow(flow, NOW, max_access="none").status
    assert status is not None
    assert status["conditions"][0]["status"] == "True"


def test_a_pod_under_the_users_account_has_none_of_ours() -> None:
    raw = task("a", clusterAccess="spawn", pod={"serviceAccountName": "mine"})
    attempt = AttemptSpec(WorkflowRun.model_validate(run()), TaskSpec.model_validate(raw), 1)
    made = attempt_manifests(attempt, current_revision(workflow(raw)), DEFAULTS, AttemptInput())
    pod_spec = made[-1]["spec"]["template"]["spec"]
    assert pod_spec["serviceAccountName"] == "mine"
    assert pod_spec["automountServiceAccountToken"] is True
