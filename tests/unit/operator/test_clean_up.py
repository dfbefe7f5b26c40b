"""What has lived long enough is deleted: runs, Jobs, events, revisions; nobody else's things."""

import base64
import copy

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.names import source_name
from podhatch.cluster import CONFIG_MAP, CONTROLLER_REVISION, WORKFLOW, WORKFLOW_RUN, ApiError
from podhatch.core.common.observed import Defaults
from podhatch.core.workflow.plan import CLEAN_UP_AGAIN
from podhatch_operator.keys import Key

from tests.unit.operator.manifests import python, run, workflow
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import RUN, Operator

JOB_TTL, RUN_TTL = 3600, 7 * 86400
FLOW = Key("Workflow", NAMESPACE, "flow")


@pytest.fixture
def operator() -> Operator:
    return Operator(
        defaults=Defaults("runner:test", run_ttl_seconds=RUN_TTL, job_ttl_seconds=JOB_TTL)
    )


async def finished(operator: Operator, outcome: str = "Succeeded") -> None:
    """Have a run of one task that has ended."""
    await operator.user_creates(workflow(), run())
    await operator.work()
    await operator.pod_reports(operator.jobs()[-1], outcome=outcome)
    ended = copy.deepcopy(operator.cluster.objects("Job")[-1])
    ended["status"] = {"conditions": [{"type": "Complete", "status": "True"}]}
    operator.see(await operator.cluster.replace_status(ended))
    await operator.work()
    assert operator.status()["finishedAt"]


def names(operator: Operator, kind: str) -> list[str]:
    return [raw["metadata"]["name"] for raw in operator.cluster.objects(kind)]


async def changed(operator: Operator, manifest: JsonObject) -> None:
    """Apply a manifest as a user, and let the operator see it."""
    operator.see(await operator.cluster.apply(manifest, field_manager="user"))
    await operator.work()


async def test_first_the_jobs_then_the_run(operator: Operator) -> None:
    await finished(operator)
    operator.timers.pass_time(JOB_TTL - 60)
    assert await operator.work() == []
    operator.timers.pass_time(120)
    assert RUN in await operator.work()
    assert operator.jobs() == []
    operator.sees_deletions()
    await operator.work()
    operator.timers.pass_time(RUN_TTL - JOB_TTL - 600)
    await operator.work()
    assert names(operator, "WorkflowRun") == ["run"]
    operator.timers.pass_time(1200)
    await operator.work()
    assert names(operator, "WorkflowRun") == []


async def test_after_a_restart_the_jobs_to_delete_are_still_known(operator: Operator) -> None:
    await finished(operator)
    other = Operator(operator.cluster, operator.timers, defaults=operator.defaults)
    operator.timers.pass_time(JOB_TTL + 60)
    for kind in ("Workflow", "WorkflowRun", "ControllerRevision", "Job"):
        for raw in operator.cluster.objects(kind):
            other.see(raw)
    other.clock_begins(operator)
    await other.work()
    assert operator.jobs() == []


async def test_a_new_run_of_that_name_is_not_deleted_for_the_old_one(operator: Operator) -> None:
    await finished(operator)
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    await operator.cluster.create_as_user(run())
    operator.timers.pass_time(RUN_TTL + 60)
    await operator.work()
    assert names(operator, "WorkflowRun") == ["run"]


async def test_an_event_is_deleted_after_its_time(operator: Operator) -> None:
    spec = {"key": "paid", "ttlSeconds": 60}
    metadata = {"name": "paid-1", "namespace": NAMESPACE}
    await operator.user_creates(
        {
            "apiVersion": labels.API_VERSION,
            "kind": "WorkflowEvent",
            "metadata": metadata,
            "spec": spec,
        }
    )
    await operator.work()
    operator.timers.pass_time(59)
    await operator.work()
    assert names(operator, "WorkflowEvent") == ["paid-1"]
    operator.timers.pass_time(2)
    assert await operator.work() == [Key("WorkflowEvent", NAMESPACE, "paid-1")]
    assert names(operator, "WorkflowEvent") == []


async def test_an_event_that_is_gone_is_nothing_to_do(operator: Operator) -> None:
    await operator.reconciler.reconcile(Key("WorkflowEvent", NAMESPACE, "paid"))
    assert operator.cluster.order == []


PACKED = b"the source tree as a zip"
OLD = source_name(PACKED)


def shipped(name: str, packed: bytes = PACKED, **metadata: object) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": NAMESPACE, **metadata},
        "binaryData": {"source.zip": base64.b64encode(packed).decode()},
    }


def with_source(manifest: JsonObject, source: str, name: str = "flow") -> JsonObject:
    spec = {**manifest["spec"], "source": {"configMap": source}}
    return {**manifest, "metadata": {**manifest["metadata"], "name": name}, "spec": spec}


async def old_revision(operator: Operator, source: str = OLD) -> None:
    """Have a finished run of a workflow that has changed since."""
    await operator.cluster.create_as_user(
        shipped(source, labels={labels.MANAGED_BY: labels.MANAGED_BY_VALUE})
    )
    await operator.user_creates(with_source(workflow(), source), run())
    await operator.work()
    await operator.pod_reports(operator.jobs()[-1])
    await operator.work()
    await changed(operator, with_source(workflow(python("b")), "src-new"))
    assert len(names(operator, "ControllerRevision")) == 1


async def delete_run(operator: Operator) -> None:
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    operator.sees_deletions()
    await operator.work()


async def test_a_revision_goes_with_the_last_run_that_holds_it(operator: Operator) -> None:
    await old_revision(operator)
    await delete_run(operator)
    assert names(operator, "ControllerRevision") == []
    assert names(operator, "ConfigMap") == []
    deleted = [write for write in operator.cluster.order if write.startswith("delete C")]
    assert deleted[-2:] == ["delete ConfigMap", "delete ControllerRevision"]


async def test_the_present_revision_stays(operator: Operator) -> None:
    await finished(operator)
    await delete_run(operator)
    assert len(names(operator, "ControllerRevision")) == 1
    await operator.cluster.delete(WORKFLOW, NAMESPACE, "flow")
    operator.sees_deletions()
    await operator.work()
    assert names(operator, "ControllerRevision") == []


async def test_no_revision_goes_while_a_run_may_still_take_it(operator: Operator) -> None:
    await old_revision(operator)
    undecided = run()
    undecided["metadata"]["name"] = "undecided"
    operator.see(await operator.cluster.create_as_user(undecided))
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    operator.sees_deletions()
    await operator.reconciler.reconcile(FLOW)
    assert len(names(operator, "ControllerRevision")) == 1
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "undecided")
    operator.cache.remove(WORKFLOW_RUN, (NAMESPACE, "undecided"), 10_000)
    await operator.work()
    operator.timers.pass_time(CLEAN_UP_AGAIN.total_seconds() + 1)
    await operator.work()
    assert names(operator, "ControllerRevision") == []


async def test_a_source_that_another_workflow_ships_stays(operator: Operator) -> None:
    await operator.user_creates(with_source(workflow(), OLD, "second"))
    await old_revision(operator)
    await delete_run(operator)
    assert names(operator, "ControllerRevision") == []
    assert names(operator, "ConfigMap") == [OLD]


async def test_a_config_map_of_the_author_stays(operator: Operator) -> None:
    await old_revision(operator, "mine")
    await operator.cluster.delete(CONFIG_MAP, NAMESPACE, "mine")
    await operator.cluster.create_as_user(shipped("mine"))
    await delete_run(operator)
    assert names(operator, "ControllerRevision") == []
    assert names(operator, "ConfigMap") == ["mine"]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("settings", {"data": {"a": "1"}}),
        (OLD, {"binaryData": {"source.zip": base64.b64encode(b"another").decode()}}),
        (OLD, {"binaryData": {"source.zip": "no base64"}}),
        (OLD, {"data": {"a": "1"}}),
    ],
)
async def test_a_label_alone_makes_no_config_map_ours(
    operator: Operator, name: str, content: JsonObject
) -> None:
    await old_revision(operator, name)
    await operator.cluster.delete(CONFIG_MAP, NAMESPACE, name)
    manifest = shipped(name, labels={labels.MANAGED_BY: labels.MANAGED_BY_VALUE})
    del manifest["binaryData"]
    await operator.cluster.create_as_user({**manifest, **content})
    await delete_run(operator)
    assert names(operator, "ControllerRevision") == []
    assert names(operator, "ConfigMap") == [name]


async def test_a_deletion_that_fails_is_raised(operator: Operator) -> None:
    await old_revision(operator)
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    operator.sees_deletions()
    operator.cluster.refusals["delete ControllerRevision"] = ApiError(403, "Forbidden", "may not")
    with pytest.raises(ApiError, match="may not"):
        await operator.reconciler.reconcile(FLOW)
    assert operator.cache.count(CONTROLLER_REVISION) == 1
