"""The reconciler carries plans out: in order, once, and again where that helps."""

import copy
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    EVENT,
    JOB,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    Cluster,
    ClusterUnreachable,
    NamespaceTerminating,
)
from podhatch.core.common.decision import Extension, PodDeadline
from podhatch.core.workflow.revision import current_revision
from podhatch_operator.controllers.observing import observe_run
from podhatch_operator.controllers.reconcile_context import RetryLater
from podhatch_operator.queue.keys import run_key, workflow_key
from podhatch_operator.write.children import Children
from podhatch_operator.write.status_debouncer import HOLD_SECONDS, MAX_HOLD_SECONDS, HeldStatuses

from tests.unit.runtime.objects import NAMESPACE
from tests.unit.runtime.operator import RUN, Operator

API = WORKFLOW_RUN.api_version


def workflow(*tasks: JsonObject) -> JsonObject:
    return {
        "apiVersion": API,
        "kind": "Workflow",
        "metadata": {"name": "flow", "namespace": NAMESPACE},
        "spec": {"tasks": list(tasks) or [python("a")]},
    }


def python(name: str, *parents: str) -> JsonObject:
    return {"name": name, "python": f"module:{name}", "parents": list(parents)}


def run() -> JsonObject:
    metadata = {"name": "run", "namespace": NAMESPACE}
    return {
        "apiVersion": API,
        "kind": "WorkflowRun",
        "metadata": metadata,
        "spec": {"workflow": "flow"},
    }


@pytest.fixture
def operator() -> Operator:
    return Operator()


async def started(operator: Operator, *tasks: JsonObject) -> None:
    """Have a run whose first Jobs are there."""
    await operator.user_creates(workflow(*tasks), run())
    await operator.work()


async def test_children_come_before_status_and_events(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.jobs()
    await operator.pod_reports(job)
    await operator.work()
    assert operator.status()["phase"] == "Succeeded"
    of_workflow = ("dry-run Job", "update Workflow")
    writes = [write for write in operator.cluster.order if write not in of_workflow]
    assert writes == [
        "create ControllerRevision",
        "create ServiceAccount",
        "create RoleBinding",
        "create Job",
        "update WorkflowRun",
        "create Event",
    ]


async def test_a_status_that_may_wait_is_written_after_a_moment(operator: Operator) -> None:
    await started(operator)
    assert operator.status() == {}
    operator.timers.pass_time(HOLD_SECONDS - 0.01)
    assert await operator.work() == []
    operator.timers.pass_time(0.02)
    assert RUN in await operator.work()
    assert operator.status()["phase"] == "Running"


async def test_a_job_whose_counters_change_is_not_looked_at_again(operator: Operator) -> None:
    await started(operator)
    job = copy.deepcopy(operator.cluster.objects("Job")[0])
    for version, status in (("900", {"active": 1}), ("901", {"active": 1, "ready": 1})):
        job["metadata"]["resourceVersion"] = version
        operator.intake.changed(JOB, {**job, "status": status})
        assert await operator.work() == []
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    job["metadata"]["resourceVersion"] = "902"
    operator.intake.changed(JOB, {**job, "status": failed})
    assert RUN in await operator.work()


async def test_the_more_runs_there_are_the_longer_a_status_may_wait() -> None:
    now = 0.0
    held = HeldStatuses(lambda: now)
    assert held.wait(RUN) == HOLD_SECONDS
    for number in range(1000):
        held.wait(run_key("team", f"other-{number}"))
    assert held.wait(RUN) == MAX_HOLD_SECONDS
    now = MAX_HOLD_SECONDS
    assert held.wait(RUN) == 0.0


async def test_a_lost_hold_loses_no_status(operator: Operator) -> None:
    await started(operator)
    operator.reconciler = operator.restarted()
    operator.queue.add(RUN)
    await operator.work()
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    assert operator.status()["phase"] == "Running"
    assert len(operator.jobs()) == 1


async def test_the_run_is_looked_at_again_in_time(operator: Operator) -> None:
    await started(operator)
    operator.timers.pass_time(2)
    await operator.work()
    operator.timers.pass_time(299)
    assert RUN in await operator.work()
    assert operator.status()["tasks"][0]["reason"] == "ScheduleTimedOut"
    assert operator.jobs() == []  # given up, so deleted


async def test_the_next_job_follows_a_result(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"))
    (first,) = operator.jobs()
    await operator.pod_reports(first)
    await operator.work()
    assert len(operator.jobs()) == 2


async def test_attempts_side_by_side_are_created_together(operator: Operator) -> None:
    await started(operator, *(python(name) for name in "abcde"))
    assert len(operator.jobs()) == 5
    assert operator.cluster.order.count("create ServiceAccount") == 1


async def test_a_namespace_has_only_the_accounts_that_its_tasks_use(operator: Operator) -> None:
    spawning = {**python("b"), "clusterAccess": "spawn"}
    await started(operator, python("a"), spawning, {**python("c"), "clusterAccess": "none"})
    made = [each["metadata"]["name"] for each in operator.cluster.objects("ServiceAccount")]
    assert sorted(made) == ["podhatch-report", "podhatch-spawn"]
    bindings = operator.cluster.objects("RoleBinding")
    for binding in bindings:
        name = binding["metadata"]["name"]
        assert binding["roleRef"]["name"] == binding["subjects"][0]["name"] == name
    assert len(bindings) == 2


async def test_a_job_that_is_already_there_is_taken_for_done(operator: Operator) -> None:
    await started(operator)
    unaware = operator.unaware_of_jobs()
    await unaware.work()
    assert len(operator.jobs()) == 1
    observed = observe_run(unaware.cache, NAMESPACE, "run")
    assert observed is not None
    assert list(observed.jobs) == operator.jobs()


async def test_a_job_of_a_stranger_is_an_error(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    await operator.cluster.delete(JOB, NAMESPACE, job["metadata"]["name"])
    job["metadata"]["ownerReferences"][0]["uid"] = "somebody-else"
    await operator.cluster.create_as_user(job)
    with pytest.raises(RetryLater, match="not this run's"):
        await operator.unaware_of_jobs().reconciler.reconcile(RUN)
    assert operator.status()["tasks"][0]["state"] == "Failed"
    assert "not this run's" in operator.status()["tasks"][0]["message"]


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
    assert observe_run(operator.cache, NAMESPACE, "run") is None
    assert "create Event" not in operator.cluster.order


async def test_a_status_that_a_crd_of_before_does_not_know_is_no_end_of_its_object(
    operator: Operator,
) -> None:
    operator.cluster.refusals["update Workflow"] = ApiError(404, "NotFound", "no such resource")
    await operator.user_creates(workflow())
    with pytest.raises(RetryLater, match="the status of a Workflow cannot be written"):
        await operator.reconciler.reconcile(workflow_key(NAMESPACE, "flow"))
    assert operator.cache.get(WORKFLOW, (NAMESPACE, "flow"))


async def test_a_run_that_is_not_there_is_nothing_to_do(operator: Operator) -> None:
    await operator.reconciler.reconcile(RUN)
    assert operator.cluster.order == []


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


async def test_many_events_are_all_posted(operator: Operator) -> None:
    await started(operator, *(python(name) for name in "abcdefgh"))
    for job in operator.jobs():
        await operator.pod_reports(job)
    await operator.work()
    assert operator.cluster.order.count("create Event") == 8 + 1


async def test_a_workflow_is_told_whether_it_can_run(operator: Operator) -> None:
    await operator.user_creates(workflow(python("a", "missing")))
    assert await operator.work() == [workflow_key(NAMESPACE, "flow")] * 1
    (stored,) = operator.cluster.objects("Workflow")
    (valid,) = stored["status"]["conditions"]
    assert (valid["type"], valid["status"]) == ("Valid", "False")
    assert "missing" in valid["message"]


async def test_a_workflow_that_is_not_there_is_nothing_to_do(operator: Operator) -> None:
    await operator.reconciler.reconcile(workflow_key(NAMESPACE, "flow"))
    assert operator.cluster.order == []


async def test_a_run_starts_when_its_workflow_appears(operator: Operator) -> None:
    await operator.user_creates(run())
    await operator.work()
    operator.timers.pass_time(5)
    await operator.work()
    assert operator.status()["phase"] == "Pending"
    await operator.user_creates(workflow())
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_the_hop_from_result_to_next_job_is_timed(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"))
    await operator.pod_reports(operator.jobs()[0])
    await operator.work()
    assert operator.metrics.registry.get_sample_value("podhatch_hop_seconds_count") == 1


async def test_a_user_event_wakes_the_run_that_waits_for_it(operator: Operator) -> None:
    waits = {**python("a"), "waitFor": [{"event": {"key": "paid"}}]}
    await started(operator, waits)
    assert operator.jobs() == []
    await operator.user_creates(
        {
            "apiVersion": API,
            "kind": "WorkflowEvent",
            "metadata": {"name": "paid-1", "namespace": NAMESPACE},
            "spec": {"key": "paid"},
        }
    )
    await operator.work()
    operator.timers.pass_time(1)  # the API server tells times to the second
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_a_replay_goes_on_with_what_the_cache_had_let_go(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"), python("c", "b"))
    for outcome in ("Succeeded", "Failed"):
        await operator.pod_reports(operator.jobs()[-1], '"x"', outcome)
        await operator.work()
    assert operator.status()["phase"] == "Failed"
    observed = observe_run(operator.cache, NAMESPACE, "run")
    assert observed is not None
    assert observed.results == {}
    await operator.user_patches({"replay": {"count": 1, "failedOnly": True}})
    await operator.work()
    observed = observe_run(operator.cache, NAMESPACE, "run")
    assert observed is not None
    assert len(observed.results) == 2
    tasks = [job["metadata"]["labels"]["podhatch.dev/task"] for job in observed.jobs.values()]
    assert sorted(tasks) == ["a", "b", "b"]


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


async def test_a_jobs_deadline_moves_with_the_tasks(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    deadline: int = job["spec"]["activeDeadlineSeconds"]
    await operator.user_creates(report_of(job, extendedSeconds=100.0))
    await operator.work()
    (job,) = operator.cluster.objects("Job")
    assert job["spec"]["activeDeadlineSeconds"] == deadline + 100
    assert operator.cluster.order.count("patch Job") == 1


async def test_a_job_that_is_gone_needs_no_deadline(operator: Operator) -> None:
    children = Children(cast("Cluster", operator.cluster), operator.cache)
    await children.extend(NAMESPACE, [Extension("gone", 10)])
    operator.cluster.refusals["patch Job"] = ApiError(403, "Forbidden", "may not")
    with pytest.raises(ApiError, match="may not"):
        await children.extend(NAMESPACE, [Extension("gone", 10)])


def report_of(job: JsonObject, **spec: object) -> JsonObject:
    """Return a TaskResult without an outcome: a first report."""
    metadata = job["metadata"]
    names = metadata["labels"]
    return {
        "apiVersion": API,
        "kind": "TaskResult",
        "metadata": {"name": metadata["name"], "namespace": NAMESPACE, "labels": names},
        "spec": {"run": "run", "task": names["podhatch.dev/task"], "attempt": 1, **spec},
    }


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


def event_about(uid: str) -> JsonObject:
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": "job.1", "namespace": NAMESPACE},
        "regarding": {"uid": uid},
        "type": "Warning",
        "reason": "FailedCreate",
        "note": "exceeded quota: pods",
        "eventTime": "2026-11-23T12:00:01Z",
    }


async def test_events_explain_a_job_without_a_pod_and_are_read_for_nothing_else(
    operator: Operator,
) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    await operator.cluster.create_as_user(event_about(job["metadata"]["uid"]))
    await operator.cluster.create_as_user(
        event_about("another") | {"metadata": {"name": "job.2", "namespace": NAMESPACE}}
    )
    operator.timers.pass_time(2)
    await operator.work()
    assert operator.cluster.requests["list Event"] == 0
    operator.timers.pass_time(5)
    await operator.work()
    await operator.reconciler.reconcile(RUN)
    assert operator.cluster.requests["list Event"] == 1
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    [entry] = operator.status()["tasks"]
    assert entry["reason"] == "FailedCreate"
    assert "exceeded quota: pods" in entry["message"]


async def test_events_that_may_not_be_read_stop_no_run(operator: Operator) -> None:
    await started(operator)
    operator.cluster.refusals["list Event"] = ApiError(403, "Forbidden", "events is forbidden")
    operator.timers.pass_time(7)
    await operator.work()
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    assert operator.status()["tasks"][0]["reason"] == "WaitingForPod"


async def test_a_pod_that_keeps_running_beside_its_task_is_given_a_deadline(
    operator: Operator,
) -> None:
    children = Children(cast("Cluster", operator.cluster), operator.cache)
    pod: JsonObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": NAMESPACE, "labels": {}},
        "spec": {"containers": []},
    }
    await operator.cluster.create_as_user(pod)
    await children.end(NAMESPACE, [PodDeadline("p", 9), PodDeadline("gone", 9)])
    (changed,) = operator.cluster.objects("Pod")
    assert changed["spec"]["activeDeadlineSeconds"] == 9


@pytest.mark.parametrize(("status", "is_raised"), [(403, False), (422, False), (500, True)])
async def test_a_pod_that_cannot_be_ended_stops_no_run(
    operator: Operator, status: int, is_raised: bool
) -> None:
    children = Children(cast("Cluster", operator.cluster), operator.cache)
    operator.cluster.refusals["patch Pod"] = ApiError(status, "No", "no")
    ended = children.end(NAMESPACE, [PodDeadline("p", 9)])
    if is_raised:
        with pytest.raises(ApiError):
            await ended
    else:
        await ended
