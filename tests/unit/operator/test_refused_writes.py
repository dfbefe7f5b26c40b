"""What the reconciler does when the API server refuses or fails a request."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    ClusterUnreachable,
    Kind,
    NamespaceTerminating,
)
from podhatch.core.common.plan import job_deadline, pod_deadline
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.workflow.revision import current_revision
from podhatch_operator.controllers.debouncer import HOLD_SECONDS
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import RetryLater

from tests.unit.operator.manifests import python, run, started, workflow
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import RUN, Operator


async def test_a_job_that_is_already_there_is_taken_for_done(operator: Operator) -> None:
    await started(operator)
    unaware = operator.unaware_of_jobs()
    await unaware.work()
    assert len(operator.jobs()) == 1
    observed = RunController.observe(unaware.cache, NAMESPACE, "run")
    assert observed is not None
    assert list(observed.jobs) == operator.jobs()


@pytest.mark.parametrize("kind", [JOB, CONTROLLER_REVISION], ids=lambda kind: kind.kind)
async def test_an_object_of_ours_that_lost_its_labels_is_labelled_again(
    operator: Operator, kind: Kind
) -> None:
    await started(operator)
    (stored,) = operator.cluster.objects(kind.kind)
    name, names = stored["metadata"]["name"], stored["metadata"]["labels"]
    body: JsonObject = {"metadata": {"labels": dict.fromkeys(names)}}
    stripped = await operator.cluster.merge_patch(kind, NAMESPACE, name, body)
    operator.intake.deleted(kind, stripped)  # as the watch of our labels tells it
    await operator.reconciler.reconcile(RUN)
    (stored,) = operator.cluster.objects(kind.kind)
    assert stored["metadata"]["labels"] == names
    observed = RunController.observe(operator.cache, NAMESPACE, "run")
    assert observed is not None
    assert name in (observed.jobs if kind is JOB else observed.revisions)


async def test_a_job_of_a_stranger_is_an_error(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    await operator.cluster.delete(JOB, NAMESPACE, job["metadata"]["name"])
    job["metadata"]["ownerReferences"][0]["uid"] = "somebody-else"
    await operator.cluster.create_as_user(job)
    with pytest.raises(RetryLater, match="does not belong to WorkflowRun run"):
        await operator.unaware_of_jobs().reconciler.reconcile(RUN)
    assert operator.status()["tasks"][0]["state"] == "Failed"
    assert "does not belong to WorkflowRun run" in operator.status()["tasks"][0]["message"]


async def test_a_quota_is_told_to_the_user_and_tried_again(operator: Operator) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create Job"] = ApiError(403, "Forbidden", "exceeded quota: jobs")
    with pytest.raises(RetryLater, match="exceeded quota") as refusal:
        await operator.reconciler.reconcile(RUN)
    assert refusal.value.within == pytest.approx(300, abs=1)
    assert "exceeded quota" in operator.status()["tasks"][0]["message"]
    operator.cluster.refusals.clear()
    await operator.reconciler.reconcile(RUN)
    assert len(operator.jobs()) == 1


async def test_an_invalid_job_fails_its_task_and_no_other(operator: Operator) -> None:
    await operator.user_creates(workflow(python("a"), python("b")), run())
    operator.cluster.refusals["create Job"] = ApiError(422, "Invalid", "spec.template is wrong")
    with pytest.raises(RetryLater):
        await operator.reconciler.reconcile(RUN)
    assert {task["state"] for task in operator.status()["tasks"]} == {"Failed"}


@pytest.mark.parametrize("refused", ["a", ""], ids=["the task", "both"])
async def test_the_failure_task_of_a_refused_task_is_created_with_that_status(
    operator: Operator, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    def admit(manifest: JsonObject) -> None:
        if manifest["kind"] == "Job" and f"-{refused}" in manifest["metadata"]["name"]:
            raise ApiError(422, "Invalid", "spec.template is wrong")

    flow = workflow()
    flow["spec"]["onFailureTask"] = {"name": "mend", "python": "module:mend"}
    await operator.user_creates(flow, run())
    monkeypatch.setattr(operator.cluster, "admit", admit)
    with pytest.raises(RetryLater):
        await operator.reconciler.reconcile(RUN)
    [_, mend] = operator.status()["tasks"]
    assert operator.jobs() == ([mend["job"]] if refused else [])
    assert mend["state"] == ("Queued" if refused else "Failed")


async def test_no_job_is_created_without_its_revision(operator: Operator) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create ControllerRevision"] = ApiError(403, "Forbidden", "ending")
    with pytest.raises(RetryLater, match="ending"):
        await operator.reconciler.reconcile(RUN)
    assert operator.jobs() == []
    assert "ending" in operator.status()["tasks"][0]["message"]


async def test_a_revision_that_a_stranger_has_made_is_taken_only_if_it_is_the_same(
    operator: Operator,
) -> None:
    await operator.user_creates(workflow(), run())
    name = current_revision(workflow()).name
    names = {"app.kubernetes.io/managed-by": "podhatch", "podhatch.dev/workflow": "flow"}
    forged: JsonObject = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": names},
        "data": {"spec": workflow(python("steal"))["spec"]},
    }
    await operator.cluster.create_as_user(forged)
    with pytest.raises(RetryLater, match="exists that holds another workflow: delete it"):
        await operator.reconciler.reconcile(RUN)
    assert operator.jobs() == []
    await operator.cluster.delete(CONTROLLER_REVISION, NAMESPACE, name)
    await operator.cluster.create_as_user({**forged, "data": {"spec": workflow()["spec"]}})
    second = {**run(), "metadata": {"name": "second", "namespace": NAMESPACE}}
    operator.see(await operator.cluster.create_as_user(second))
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_no_job_is_created_without_its_account(operator: Operator) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create RoleBinding"] = ApiError(403, "Forbidden", "may not bind")
    with pytest.raises(RetryLater, match="may not bind"):
        await operator.reconciler.reconcile(RUN)
    assert operator.jobs() == []


TERMINATING = NamespaceTerminating(403, "Forbidden", "it is being terminated")


@pytest.mark.parametrize(
    "failure", [ApiError(500, "InternalError", "etcd"), ClusterUnreachable("gone"), TERMINATING]
)
async def test_other_failures_are_raised(operator: Operator, failure: Exception) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create Job"] = failure  # type: ignore[assignment]
    with pytest.raises(type(failure)):
        await operator.reconciler.reconcile(RUN)
    assert operator.status() == {}


async def test_a_conflict_means_to_decide_again(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.jobs()
    await operator.pod_reports(job)
    (stored,) = operator.cluster.objects("WorkflowRun")
    await operator.cluster.replace_status({**stored, "status": {"phase": "Running"}})
    with pytest.raises(RetryLater, match="modified"):
        await operator.reconciler.reconcile(RUN)


async def test_a_run_that_is_gone_is_dropped(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.jobs()
    await operator.pod_reports(job)
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    await operator.work()
    assert RunController.observe(operator.cache, NAMESPACE, "run") is None
    assert "create Event" not in operator.cluster.order


async def test_a_status_that_a_crd_of_before_does_not_know_is_no_end_of_its_object(
    operator: Operator,
) -> None:
    operator.cluster.refusals["update Workflow"] = ApiError(404, "NotFound", "no such resource")
    await operator.user_creates(workflow())
    with pytest.raises(RetryLater, match="the status of a Workflow cannot be written"):
        await operator.reconciler.reconcile(Key("Workflow", NAMESPACE, "flow"))
    assert operator.cache.get(WORKFLOW, (NAMESPACE, "flow"))


@pytest.mark.parametrize("status", [409, 403])
async def test_events_never_fail_a_reconcile(
    operator: Operator, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    operator.cluster.refusals["create Event"] = ApiError(status, "No", "no")
    await started(operator)
    await operator.pod_reports(operator.jobs()[0])
    await operator.work()
    assert operator.status()["phase"] == "Succeeded"
    assert "create Event" in operator.cluster.order
    assert ("could not be posted" in caplog.text) == (status == 403)


async def test_an_event_in_a_terminating_namespace_is_dropped_silently(
    operator: Operator, caplog: pytest.LogCaptureFixture
) -> None:
    operator.cluster.refusals["create Event"] = TERMINATING
    with caplog.at_level("INFO"):
        await started(operator)
        await operator.pod_reports(operator.jobs()[0])
        await operator.work()
    assert "create Event" in operator.cluster.order
    assert caplog.records == []


async def test_a_dry_run_in_a_terminating_namespace_says_nothing_of_the_workflow(
    operator: Operator,
) -> None:
    await operator.user_creates(workflow())
    operator.cluster.refusals["dry-run Job"] = TERMINATING
    with pytest.raises(NamespaceTerminating):
        await operator.work()
    assert "update Workflow" not in operator.cluster.order


async def test_a_replay_that_cannot_list_waits(operator: Operator) -> None:
    await started(operator)
    await operator.pod_reports(operator.jobs()[0], outcome="Failed")
    await operator.work()
    operator.cluster.refusals["list Pod"] = ApiError(500, "InternalError", "etcd")
    await operator.user_patches({"replay": {"count": 1}})
    for _ in range(2):
        with pytest.raises(ApiError, match="etcd"):
            await operator.reconciler.reconcile(RUN)
    assert len(operator.jobs()) == 1
    operator.cluster.refusals.clear()
    await operator.work()
    assert len(operator.jobs()) == 2


async def test_a_job_that_is_gone_needs_no_deadline(operator: Operator) -> None:
    executor = operator.context.executor
    await executor.execute(NAMESPACE, [job_deadline("gone", 10)])
    operator.cluster.refusals["patch Job"] = ApiError(403, "Forbidden", "may not")
    refusals = await executor.execute(NAMESPACE, [job_deadline("gone", 10)])
    assert refusals == {"gone": ApiRefusal(403, "may not")}


AWAY = 'Internal error occurred: failed calling webhook "guard.example": connection refused'


async def test_an_admission_webhook_that_is_away_is_told_and_waited_for(operator: Operator) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create Job"] = ApiError(500, "InternalError", AWAY)
    with pytest.raises(RetryLater, match="failed calling webhook"):
        await operator.reconciler.reconcile(RUN)
    [entry] = operator.status()["tasks"]
    assert (entry["state"], entry["reason"]) == ("Queued", "Refused")
    assert AWAY in entry["message"]
    operator.cluster.refusals.clear()
    await operator.reconciler.reconcile(RUN)
    assert len(operator.jobs()) == 1


async def test_an_object_that_etcd_cannot_hold_fails_its_task(operator: Operator) -> None:
    await operator.user_creates(workflow(), run())
    operator.cluster.refusals["create Job"] = ApiError(500, "Unknown", "request is too large")
    with pytest.raises(RetryLater, match="413"):
        await operator.reconciler.reconcile(RUN)
    assert operator.status()["tasks"][0]["state"] == "Failed"


async def test_events_that_may_not_be_read_stop_no_run(operator: Operator) -> None:
    await started(operator)
    operator.cluster.refusals["list Event"] = ApiError(403, "Forbidden", "events is forbidden")
    operator.timers.pass_time(7)
    await operator.work()
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    assert operator.status()["tasks"][0]["reason"] == "WaitingForPod"


@pytest.mark.parametrize(("status", "is_raised"), [(403, False), (422, False), (500, True)])
async def test_a_pod_that_cannot_be_ended_stops_no_run(
    operator: Operator, status: int, is_raised: bool
) -> None:
    executor = operator.context.executor
    operator.cluster.refusals["patch Pod"] = ApiError(status, "No", "no")
    ended = executor.execute(NAMESPACE, [pod_deadline("p", 9)])
    if is_raised:
        with pytest.raises(ApiError):
            await ended
    else:
        await ended
