"""Crons against the real API server: CronJobs, ticks, and an operator that is not always there.

The chart's operator may serve the same namespaces meanwhile: two at once must agree.
"""

import asyncio
from collections.abc import Callable

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CRON_JOB,
    CRON_WORKFLOW,
    JOB,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    Cluster,
    Kind,
)

from tests.integration.crons import (
    NIGHTLY,
    condition,
    cron,
    gone,
    runs,
    tick,
    until,
    valid,
    workflow,
)
from tests.integration.operator import container_task, running
from tests.kube import kubectl


async def test_a_tick_becomes_a_run_and_the_job_tells_its_outcome(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace, defaultAdditionalMetadata={"team": "a", "x": "1"}))
        await cluster.create(
            cron(namespace, input={"n": 7}, additionalMetadata={"x": "2"}, priority=3)
        )
        await until(cluster, CRON_WORKFLOW, "nightly", valid)
        await until(cluster, CRON_JOB, "nightly", bool)
        await tick(cluster, "now")
        job = await until(cluster, JOB, "now", lambda job: condition(job, "Complete"))
        run = await cluster.get(WORKFLOW_RUN, namespace, "now")
        assert run["spec"]["input"] == {"n": 7}
        assert run["spec"]["additionalMetadata"] == {"team": "a", "x": "2"}
        assert run["spec"]["priority"] == 3
        assert run["spec"]["trigger"]["cron"]["job"] == "now"
        assert "ownerReferences" not in run["metadata"]
        assert run["status"]["phase"] == "Succeeded"
        assert job["status"]["succeeded"] == 1
        assert job["status"]["startTime"] == run["metadata"]["creationTimestamp"]
        status = (await until(cluster, CRON_WORKFLOW, "nightly", _last_run("now")))["status"]
        assert len(status["nextRunTimes"]) == 3


def _last_run(name: str) -> Callable[[JsonObject], bool]:
    return lambda raw: raw.get("status", {}).get("lastRun") == name


async def test_the_cronjob_follows_the_cron_and_nobody_else(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace))
        created = await cluster.create(cron(namespace, timeZone="Europe/Paris"))
        job = await until(cluster, CRON_JOB, "nightly", bool)
        assert job["spec"]["timeZone"] == "Europe/Paris"
        assert job["metadata"]["ownerReferences"][0]["uid"] == created["metadata"]["uid"]

        edit = {"spec": {"schedule": "0 0 1 1 *", "startingDeadlineSeconds": 9}}
        await cluster.merge_patch(CRON_JOB, namespace, "nightly", edit)
        job = await until(cluster, CRON_JOB, "nightly", _schedule(NIGHTLY))
        assert "startingDeadlineSeconds" not in job["spec"]

        await cluster.merge_patch(
            CRON_JOB, namespace, "nightly", {"metadata": {"labels": {labels.MANAGED_BY: None}}}
        )
        await until(cluster, CRON_JOB, "nightly", _is_managed)

        await cluster.delete(CRON_JOB, namespace, "nightly")
        uid = job["metadata"]["uid"]
        await until(cluster, CRON_JOB, "nightly", lambda raw: raw["metadata"]["uid"] != uid)

        change = {"spec": {"schedule": "@daily", "suspend": True}}
        await cluster.merge_patch(CRON_WORKFLOW, namespace, "nightly", change)
        await until(cluster, CRON_JOB, "nightly", lambda raw: raw["spec"]["suspend"])
        await until(cluster, CRON_WORKFLOW, "nightly", _next_run_times(0))
        settled = await cluster.get(CRON_JOB, namespace, "nightly")
        await asyncio.sleep(2)  # nothing is to happen
        now = await cluster.get(CRON_JOB, namespace, "nightly")
        assert now["metadata"]["resourceVersion"] == settled["metadata"]["resourceVersion"]


@pytest.mark.parametrize(
    ("name", "spec", "words"),
    [
        ("seconds", {"schedule": "0 0 12 * * *"}, "five fields"),
        ("every", {"schedule": "@every 1h"}, "@hourly"),
        ("zone", {"schedule": "TZ=UTC 0 0 * * *"}, "set timeZone"),
        ("x" * 53, {}, "at most 52 characters"),
        ("overlap", {"concurrencyPolicy": "Sometimes"}, "concurrencyPolicy"),
        ("priority", {"priority": 4}, "spec.priority"),
    ],
)
async def test_the_api_server_refuses_what_no_cronjob_could_be(
    cluster: Cluster, name: str, spec: JsonObject, words: str
) -> None:
    manifest = cron(cluster.namespace, **spec)
    manifest["metadata"]["name"] = name
    with pytest.raises(ApiError, match=words):
        await cluster.create(manifest, dry_run=True)


async def test_what_is_wrong_is_told_in_the_condition(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    arguments = ("create", "quota", "none", "--hard=count/cronjobs.batch=0")
    await asyncio.to_thread(kubectl, "-n", namespace, *arguments)
    async with running(cluster, unused_tcp_port):
        await cluster.create(cron(namespace, timeZone="Europe/Lutetia"))
        await until(cluster, CRON_WORKFLOW, "nightly", _says("ScheduleInvalid", "spec.timeZone"))
        zone = {"spec": {"timeZone": "Europe/Paris"}}
        await cluster.merge_patch(CRON_WORKFLOW, namespace, "nightly", zone)
        await until(cluster, CRON_WORKFLOW, "nightly", _says("CronJobRefused", "exceeded quota"))
        await asyncio.to_thread(kubectl, "-n", namespace, "delete", "quota", "none")
        await until(cluster, CRON_WORKFLOW, "nightly", _says("WorkflowNotFound", "'flow'"))
        await cluster.create(workflow(namespace))
        await until(cluster, CRON_WORKFLOW, "nightly", valid)


async def test_a_cronjob_that_somebody_made_is_not_taken(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    arguments = ("create", "cronjob", "nightly", "--image=any", f"--schedule={NIGHTLY}")
    await asyncio.to_thread(kubectl, "-n", namespace, *arguments)
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace))
        await cluster.create(cron(namespace))
        await until(
            cluster,
            CRON_WORKFLOW,
            "nightly",
            _says("CronJobRefused", "does not belong to CronWorkflow nightly"),
        )
        theirs = await cluster.get(CRON_JOB, namespace, "nightly")
        assert "ownerReferences" not in theirs["metadata"]


async def test_a_run_is_cancelled_with_its_tick_and_not_with_its_cron(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace, tasks=[_sleeper()]))
        await cluster.create(cron(namespace))
        await until(cluster, CRON_JOB, "nightly", bool)
        for name in ("replaced", "kept"):
            await tick(cluster, name)
            await until(cluster, JOB, name, _is_active)
        await cluster.delete(JOB, namespace, "replaced")
        await until(cluster, WORKFLOW_RUN, "replaced", _phase("Cancelled"))
        await cluster.delete(CRON_WORKFLOW, namespace, "nightly")
        await gone(cluster, JOB, "kept")
        await asyncio.sleep(1)  # nothing is to happen
        kept = await cluster.get(WORKFLOW_RUN, namespace, "kept")
        assert kept["spec"]["desiredState"] == "Running"


async def test_a_run_that_is_cancelled_or_deleted_fails_its_tick(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace, tasks=[_sleeper()]))
        await cluster.create(cron(namespace, failedRunsHistoryLimit=5))
        await until(cluster, CRON_JOB, "nightly", bool)
        for name in ("deleted", "cancelled"):
            await tick(cluster, name)
            await until(cluster, JOB, name, _is_active)
        await cluster.delete(WORKFLOW_RUN, namespace, "deleted")
        wish = {"spec": {"desiredState": "Cancelled"}}
        await cluster.merge_patch(WORKFLOW_RUN, namespace, "cancelled", wish)
        for name, reason in {"deleted": "RunDeleted", "cancelled": "RunCancelled"}.items():
            job = await until(cluster, JOB, name, lambda job: condition(job, "Failed"))
            failed = condition(job, "Failed")
            assert failed is not None
            assert failed["reason"] == reason
        assert await runs(cluster) == ["cancelled"]


async def test_a_run_that_is_deleted_at_its_end_has_told_its_tick(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(namespace, ttlSecondsAfterFinished=0))
        await cluster.create(cron(namespace))
        await until(cluster, CRON_JOB, "nightly", bool)
        await tick(cluster, "short")
        await until(cluster, JOB, "short", lambda job: condition(job, "Complete"))
        await gone(cluster, WORKFLOW_RUN, "short")


async def test_the_crons_of_a_workflow_come_and_go_with_its_expressions(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        await cluster.create(cron(namespace))
        before, after = ["0 1 * * *", "0 2 * * *"], ["0 2 * * *", "0 3 * * *"]
        declared = workflow(namespace, onCrons=before, cronInput={"n": 1})
        await cluster.apply(declared, field_manager="test")
        await schedules(cluster, CRON_JOB, [*before, NIGHTLY])
        change = workflow(namespace, onCrons=after, cronInput={"m": 2})
        await cluster.apply(change, field_manager="test")
        await schedules(cluster, CRON_JOB, [*after, NIGHTLY])
        crons, _ = await cluster.list(CRON_WORKFLOW, namespace)
        inputs = [raw["spec"].get("input") for raw in crons if raw["metadata"]["name"] != "nightly"]
        assert inputs == [{"m": 2}, {"m": 2}]
        await cluster.delete(WORKFLOW, namespace, "flow")
        await schedules(cluster, CRON_WORKFLOW, [NIGHTLY])


async def schedules(cluster: Cluster, kind: Kind, wanted: list[str]) -> None:
    """Wait until the objects of a kind have these schedules."""
    async with asyncio.timeout(60):
        found: list[str] = []
        while sorted(found) != sorted(wanted):
            items, _ = await cluster.list(kind, cluster.namespace)
            found = [item["spec"]["schedule"] for item in items]
            await asyncio.sleep(0.1)


def _sleeper() -> JsonObject:
    task = container_task("a")
    return {**task, "container": {**task["container"], "command": ["sleep", "60"]}}


def _schedule(schedule: str) -> Callable[[JsonObject], bool]:
    return lambda raw: raw["spec"]["schedule"] == schedule


def _is_managed(raw: JsonObject) -> bool:
    return labels.MANAGED_BY in raw["metadata"]["labels"]


def _is_active(job: JsonObject) -> bool:
    return "startTime" in job.get("status", {})


def _next_run_times(count: int) -> Callable[[JsonObject], bool]:
    return lambda raw: len(raw.get("status", {}).get("nextRunTimes", [])) == count


def _phase(phase: str) -> Callable[[JsonObject], bool]:
    return lambda raw: raw.get("status", {}).get("phase") == phase


def _says(reason: str, words: str) -> Callable[[JsonObject], bool]:
    def says(raw: JsonObject) -> bool:
        found = condition(raw, "Valid", "False")
        return found is not None and found["reason"] == reason and words in found["message"]

    return says
