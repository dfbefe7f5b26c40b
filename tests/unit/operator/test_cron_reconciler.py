"""The reconciler of crons: answers of the API server that only come now and then."""

from collections.abc import Awaitable, Callable

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_JOB, CRON_WORKFLOW, JOB, WORKFLOW_RUN, ApiError
from podhatch.core.common.observed import Defaults
from podhatch.core.workflow.revision import current_revision
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.keys import Key, run_key
from podhatch_operator.queue.workers import RetryLater

from tests.unit.operator.objects import NAMESPACE, revision
from tests.unit.operator.operator import Operator

CRON = Key("CronWorkflow", NAMESPACE, "nightly")
RUN = run_key(NAMESPACE, "n-1")
WORKFLOW: JsonObject = {
    "apiVersion": labels.API_VERSION,
    "kind": "Workflow",
    "metadata": {"name": "flow", "namespace": NAMESPACE},
    "spec": {"tasks": [{"name": "a", "python": "module:a"}]},
}
NIGHTLY: JsonObject = {
    "apiVersion": labels.API_VERSION,
    "kind": "CronWorkflow",
    "metadata": {"name": "nightly", "namespace": NAMESPACE},
    "spec": {"workflow": "flow", "schedule": "17 3 * * *"},
}
TICK: JsonObject = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "n-1", "namespace": NAMESPACE, "labels": {labels.CRON: "nightly"}},
    "spec": {"managedBy": labels.MANAGED_BY_OPERATOR},
    "status": {},
}


@pytest.fixture
async def operator() -> Operator:
    """An operator that has seen a cron, and made its CronJob."""
    operator = Operator()
    await operator.user_creates(WORKFLOW, NIGHTLY)
    await operator.work()
    return operator


def only(operator: Operator, kind: str) -> JsonObject:
    (found,) = operator.cluster.objects(kind)
    return found


def tick(operator: Operator) -> JsonObject:
    """Return the tick's Job; its run has another."""
    (found,) = [raw for raw in operator.cluster.objects("Job") if raw["metadata"]["name"] == "n-1"]
    return found


def valid(operator: Operator) -> JsonObject:
    (condition,) = only(operator, "CronWorkflow")["status"]["conditions"]
    return condition


async def started(operator: Operator) -> None:
    await operator.user_creates(TICK)
    await operator.work()
    assert tick(operator)["status"]["active"] == 1


async def test_the_run_comes_before_the_jobs_status(operator: Operator) -> None:
    operator.cluster.order.clear()
    await operator.user_creates(TICK)
    worked = await operator.work()
    order = operator.cluster.order
    assert order.index("create WorkflowRun") < order.index("update Job")
    assert tick(operator)["metadata"]["labels"] == {labels.CRON: "nightly"}
    assert RUN in worked, "the watch will not tell of what we made ourselves"


async def test_a_run_that_is_already_there_is_taken_for_done(operator: Operator) -> None:
    await operator.user_creates(TICK)
    scheduled = {
        "cron": "nightly",
        "job": "n-1",
        "jobUid": tick(operator)["metadata"]["uid"],
        "scheduledAt": "2026-11-23T12:00:00Z",
    }
    run: JsonObject = {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {"name": "n-1", "namespace": NAMESPACE},
        "spec": {"workflow": "flow", "trigger": {"cron": scheduled}},
    }
    await operator.cluster.create_as_user(run)  # by another operator: not seen yet
    await operator.work()
    assert tick(operator)["status"]["active"] == 1


async def test_a_tick_whose_job_was_deleted_meanwhile_makes_no_run(operator: Operator) -> None:
    await operator.user_creates(TICK)
    metadata = tick(operator)["metadata"]
    await operator.cluster.delete(JOB, NAMESPACE, "n-1", uid=metadata["uid"])
    await operator.work()
    assert operator.cluster.objects("WorkflowRun") == []


@pytest.mark.parametrize(
    "refusal",
    [
        ApiError(403, "Forbidden", "exceeded quota"),
        ApiError(500, "InternalError", "etcdserver: request is too large"),
    ],
)
async def test_a_refused_run_is_told_and_tried_again(operator: Operator, refusal: ApiError) -> None:
    operator.cluster.refusals["create WorkflowRun"] = refusal
    await operator.user_creates(TICK)
    with pytest.raises(RetryLater, match=refusal.message):
        await operator.reconciler.reconcile(CRON)
    assert valid(operator)["reason"] == "RunRefused"
    assert "status" not in tick(operator)
    operator.cluster.refusals.clear()
    await operator.work()
    assert valid(operator)["status"] == "True"
    assert tick(operator)["status"]["active"] == 1


@pytest.mark.parametrize("write", ["create WorkflowRun", "update Job"])
async def test_other_failures_are_raised(operator: Operator, write: str) -> None:
    operator.cluster.refusals[write] = ApiError(500, "InternalError", "etcd")
    await operator.user_creates(TICK)
    with pytest.raises(ApiError, match="etcd"):
        await operator.work()


async def test_a_job_that_has_changed_or_is_gone_is_decided_again(operator: Operator) -> None:
    operator.cluster.refusals["update Job"] = ApiError(409, "Conflict", "modified")
    await operator.user_creates(TICK)
    with pytest.raises(RetryLater):
        await operator.work()
    operator.cluster.refusals["update Job"] = ApiError(404, "NotFound", "gone")
    await operator.reconciler.reconcile(CRON)
    assert operator.cache.get(JOB, (NAMESPACE, "n-1")) is None


async def test_a_tick_that_another_operator_has_ended_stays_ended(operator: Operator) -> None:
    await operator.user_creates(TICK)
    ended: JsonObject = {"conditions": [{"type": "Complete", "status": "True"}]}
    await operator.cluster.replace_status({**tick(operator), "status": ended})
    with pytest.raises(RetryLater):
        await operator.work()
    assert tick(operator)["status"] == ended


async def with_ended_run() -> Operator:
    """Return an operator that deletes runs at their end, and had planned one before its cron."""
    operator = Operator(defaults=Defaults("runner:test", run_ttl_seconds=0))
    await operator.user_creates(NIGHTLY)
    await operator.work()
    await started(operator)
    ended = {"phase": "Succeeded", "finishedAt": "2026-11-23T12:00:00Z"}
    operator.cluster.change(WORKFLOW_RUN.kind, "n-1", status=ended)
    operator.cache.apply(WORKFLOW_RUN, only(operator, "WorkflowRun"))
    await operator.reconciler.reconcile(RUN)
    await operator.work()
    assert only(operator, "WorkflowRun")["status"] == ended
    return operator


async def told(operator: Operator) -> None:
    await operator.reconciler.reconcile(CRON)
    assert tick(operator)["status"]["succeeded"] == 1


async def told_by_another(operator: Operator) -> None:
    complete = {"type": "Complete", "status": "True"}
    operator.cluster.change(JOB.kind, "n-1", status={"conditions": [complete]})
    operator.see(tick(operator))


async def gone(operator: Operator) -> None:
    await operator.cluster.delete(JOB, NAMESPACE, "n-1")
    operator.sees_deletions()


async def gone_unseen(operator: Operator) -> None:
    await operator.cluster.delete(JOB, NAMESPACE, "n-1")
    await operator.reconciler.reconcile(CRON)


@pytest.mark.parametrize("happens", [told, told_by_another, gone, gone_unseen])
async def test_a_run_is_deleted_once_its_tick_needs_it_no_more(
    happens: Callable[[Operator], Awaitable[None]],
) -> None:
    operator = await with_ended_run()
    await happens(operator)
    assert RUN in await operator.work()
    assert operator.cluster.objects("WorkflowRun") == []


async def test_a_job_wakes_the_run_with_a_key_that_its_tick_started(operator: Operator) -> None:
    await started(operator)
    [run] = operator.cluster.objects("WorkflowRun")
    claim = {"key": "k", "ttlSeconds": 60}
    keyed = {**run["metadata"], "name": "keyed", "resourceVersion": "1000"}
    operator.cache.apply(
        WORKFLOW_RUN, {**run, "metadata": keyed, "spec": {**run["spec"], "idempotency": claim}}
    )
    woken = WATCH_LIST.keys(operator.cache, JOB, tick(operator))
    assert set(woken) == {CRON, RUN, run_key(NAMESPACE, "keyed")}


async def test_a_run_is_cancelled_with_its_tick(operator: Operator) -> None:
    await started(operator)
    await operator.cluster.delete(JOB, NAMESPACE, "n-1")
    operator.sees_deletions()
    worked = await operator.work()
    assert only(operator, "WorkflowRun")["spec"]["desiredState"] == "Cancelled"
    assert RUN in worked


async def test_a_tick_that_lost_our_label_is_taken_back(operator: Operator) -> None:
    """To a watch that selects by label, an object without it is gone."""
    await started(operator)
    place = (NAMESPACE, "n-1")
    operator.intake.gone(JOB, place, operator.cache.version(JOB, place))
    await operator.work()
    assert only(operator, "WorkflowRun")["spec"].get("desiredState") is None
    assert tick(operator)["metadata"]["labels"] == {
        labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
        labels.CRON: "nightly",
    }
    assert operator.cache.get(JOB, place) is not None


async def test_a_run_goes_on_whose_tick_was_given_to_another_cron(operator: Operator) -> None:
    await started(operator)
    other = {labels.CRON: "weekly"}
    job = await operator.cluster.merge_patch(JOB, NAMESPACE, "n-1", {"metadata": {"labels": other}})
    operator.see(job)
    operator.queue.add(CRON)
    await operator.work()
    assert only(operator, "WorkflowRun")["spec"].get("desiredState") is None
    assert tick(operator)["metadata"]["labels"] == other


async def test_a_run_whose_tick_is_going_is_cancelled(operator: Operator) -> None:
    await started(operator)
    job = tick(operator)
    going = {**job["metadata"], "deletionTimestamp": "2026-11-23T12:00:09Z"}
    operator.see(await operator.cluster.apply({**job, "metadata": going}, field_manager="user"))
    await operator.work()
    assert only(operator, "WorkflowRun")["spec"]["desiredState"] == "Cancelled"


@pytest.mark.parametrize("again", [False, True], ids=["gone", "made anew"])
async def test_a_run_goes_on_when_its_cron_went_first(operator: Operator, again: bool) -> None:
    """The deletion of the cron comes by another watch than that of the Job, and later."""
    await started(operator)
    await operator.cluster.delete(CRON_WORKFLOW, NAMESPACE, "nightly")
    if again:
        await operator.cluster.create_as_user(NIGHTLY)
    await operator.cluster.delete(JOB, NAMESPACE, "n-1")
    place = (NAMESPACE, "n-1")
    operator.intake.gone(JOB, place, operator.cache.version(JOB, place) + 1)
    await operator.work()
    assert only(operator, "WorkflowRun")["spec"].get("desiredState") is None


async def test_a_run_that_changed_meanwhile_is_not_cancelled_yet(operator: Operator) -> None:
    await started(operator)
    replay = {"spec": {"replay": {"count": 1}}}
    await operator.cluster.merge_patch(WORKFLOW_RUN, NAMESPACE, "n-1", replay)
    await operator.cluster.delete(JOB, NAMESPACE, "n-1")
    operator.sees_deletions()
    with pytest.raises(RetryLater):
        await operator.work()
    assert only(operator, "WorkflowRun")["spec"].get("desiredState") is None


async def test_a_cronjob_that_lost_our_label_is_taken_back(operator: Operator) -> None:
    place = (NAMESPACE, "nightly")
    operator.intake.gone(CRON_JOB, place, operator.cache.version(CRON_JOB, place))
    await operator.cluster.merge_patch(CRON_JOB, *place, {"spec": {"schedule": "0 0 * * *"}})
    await operator.work()
    assert only(operator, "CronJob")["spec"]["schedule"] == "17 3 * * *"


async def test_a_cronjob_that_lost_our_label_is_labelled_again(operator: Operator) -> None:
    place = (NAMESPACE, "nightly")
    body: JsonObject = {"metadata": {"labels": {labels.MANAGED_BY: None}}}
    stripped = await operator.cluster.merge_patch(CRON_JOB, *place, body)
    operator.intake.deleted(CRON_JOB, stripped)  # as the watch of our labels tells it
    await operator.work()
    metadata = only(operator, "CronJob")["metadata"]
    assert metadata["labels"][labels.MANAGED_BY] == labels.MANAGED_BY_VALUE


async def test_a_cronjob_of_our_label_that_is_not_the_crons_is_left_alone(
    operator: Operator,
) -> None:
    ours = {labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
    theirs: JsonObject = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "weekly", "namespace": NAMESPACE, "labels": ours},
        "spec": {"schedule": "0 0 * * 0"},
    }
    await operator.user_creates(theirs)
    await operator.user_creates({**NIGHTLY, "metadata": {**theirs["metadata"], "labels": {}}})
    with pytest.raises(RetryLater, match="does not belong to CronWorkflow weekly"):
        await operator.work()
    weekly = await operator.cluster.get(CRON_WORKFLOW, NAMESPACE, "weekly")
    assert weekly["status"]["conditions"][0]["reason"] == "CronJobRefused"
    stored = await operator.cluster.get(CRON_JOB, NAMESPACE, "weekly")
    assert stored["spec"] == {"schedule": "0 0 * * 0"}


async def test_a_cronjob_is_created_again_once_its_deletion_is_seen(operator: Operator) -> None:
    await operator.cluster.delete(CRON_JOB, NAMESPACE, "nightly")
    changed = await operator.cluster.merge_patch(
        CRON_WORKFLOW, NAMESPACE, "nightly", {"spec": {"suspend": True}}
    )
    operator.see(changed)
    await operator.work()
    assert operator.cluster.objects("CronJob") == []
    place = (NAMESPACE, "nightly")
    operator.intake.gone(CRON_JOB, place, operator.cache.version(CRON_JOB, place) + 1)
    await operator.work()
    assert only(operator, "CronJob")["spec"]["suspend"] is True


async def test_the_crons_of_a_workflow_come_and_go(operator: Operator) -> None:
    declaring = {**WORKFLOW, "metadata": {"name": "tidy", "namespace": NAMESPACE}}
    await operator.user_creates(
        {**declaring, "spec": {**WORKFLOW["spec"], "onCrons": ["@daily", "@hourly"]}}
    )
    await operator.work()
    schedules = {job["spec"]["schedule"] for job in operator.cluster.objects("CronJob")}
    assert schedules == {"17 3 * * *", "@daily", "@hourly"}
    (stored,) = [
        raw for raw in operator.cluster.objects("Workflow") if raw["metadata"]["name"] == "tidy"
    ]
    changed = {**stored, "spec": {**stored["spec"], "onCrons": ["@daily"]}}
    operator.see(await operator.cluster.apply(changed, field_manager="user"))
    await operator.work()
    left = {raw["spec"]["schedule"] for raw in operator.cluster.objects("CronWorkflow")}
    assert left == {"17 3 * * *", "@daily"}


async def test_refused_crons_are_told_by_their_workflow_and_tried_again() -> None:
    operator, old = Operator(), current_revision(WORKFLOW)
    operator.cluster.refusals["apply CronWorkflow"] = ApiError(403, "Forbidden", "exceeded quota")
    await operator.user_creates(
        {**revision(old.name), "apiVersion": "apps/v1", "data": {"spec": WORKFLOW["spec"]}},
        {**WORKFLOW, "spec": {**WORKFLOW["spec"], "onCrons": ["@daily", "@hourly"]}},
    )
    with pytest.raises(RetryLater, match="exceeded quota"):
        await operator.work()
    (condition,) = only(operator, "Workflow")["status"]["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "CronRefused")
    assert "'@daily'" in condition["message"]
    assert "'@hourly'" in condition["message"]
    assert operator.cluster.objects("ControllerRevision") == [], "no run holds it"
    operator.cluster.refusals.clear()
    await operator.reconciler.reconcile(Key("Workflow", NAMESPACE, "flow"))
    (condition,) = only(operator, "Workflow")["status"]["conditions"]
    assert condition["status"] == "True"
    assert len(operator.cluster.objects("CronWorkflow")) == 2
