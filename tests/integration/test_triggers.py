"""Schedules and events against the real API server, with the chart's operator at work beside ours.

Two operators at once must agree: each run starts once.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.cluster import EVENT_FILTER, JOB, WORKFLOW_EVENT, WORKFLOW_RUN, Cluster

from tests.integration.operator import run, running, succeeded, workflow

EU = {"expression": "input.n == payload.n", "scope": "eu"}


def manifest(cluster: Cluster, kind: str, name: str, **spec: object) -> JsonObject:
    metadata = {"name": name, "namespace": cluster.namespace}
    return {"apiVersion": labels.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def scheduled(cluster: Cluster, seconds: float, **spec: object) -> JsonObject:
    start = format_time(datetime.now(UTC) + timedelta(seconds=seconds))
    made = run(cluster.namespace)
    return {**made, "spec": {**made["spec"], "startAt": start, **spec}}


async def status(cluster: Cluster, created: JsonObject, field: str) -> JsonObject:
    """Wait until the status of a run has a field, and return the status."""
    name = created["metadata"]["name"]
    async with asyncio.timeout(30):
        while True:
            found = (await cluster.get(WORKFLOW_RUN, cluster.namespace, name)).get("status", {})
            if field in found:
                return found
            await asyncio.sleep(0.05)


async def handled(cluster: Cluster, name: str) -> JsonObject:
    """Wait until an event is handled, and return its status."""
    async with asyncio.timeout(30):
        while True:
            event = await cluster.get(WORKFLOW_EVENT, cluster.namespace, name)
            if "handledAt" in event.get("status", {}):
                return event["status"]
            await asyncio.sleep(0.2)


async def test_a_scheduled_run_starts_at_its_time(cluster: Cluster, unused_tcp_port: int) -> None:
    async with running(cluster, unused_tcp_port):
        await cluster.create(workflow(cluster.namespace))
        created = await cluster.create(scheduled(cluster, 4))
        waiting = await status(cluster, created, "phase")
        assert waiting["phase"] == "Pending"
        assert waiting["conditions"][0]["reason"] == "Scheduled"
        await succeeded(cluster, created)
        jobs, _ = await cluster.list(JOB, cluster.namespace)
        first = min(datetime.fromisoformat(job["metadata"]["creationTimestamp"]) for job in jobs)
        start = datetime.fromisoformat(created["spec"]["startAt"])
        assert first >= start.replace(microsecond=0)
        assert len(jobs) == 2
        ended = await status(cluster, created, "finishedAt")
        assert 0 <= ended["startDelaySeconds"] < 3


async def test_a_schedule_may_be_late_moved_and_missed(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    await cluster.create(workflow(cluster.namespace))
    created = await cluster.create(scheduled(cluster, 3600))
    missed = scheduled(cluster, -60, startingDeadlineSeconds=9)
    missed["metadata"]["name"] = "missed"
    missed = await cluster.create(missed)
    behind = scheduled(cluster, -60)
    behind["metadata"]["name"] = "behind"
    behind = await cluster.create(behind)
    async with running(cluster, unused_tcp_port):
        late = await status(cluster, missed, "finishedAt")
        assert late["phase"] == "Cancelled"
        assert late["conditions"][0]["reason"] == "StartDeadlineExceeded"
        assert (await status(cluster, behind, "finishedAt"))["startDelaySeconds"] >= 59
        await status(cluster, created, "phase")
        now = {"spec": {"startAt": format_time(datetime.now(UTC))}}
        moved = await cluster.merge_patch(WORKFLOW_RUN, cluster.namespace, "run", now)
        await succeeded(cluster, moved)


async def test_an_event_starts_one_run_for_each_filter(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port):
        filters = [{**EU, "payload": {"n": n, "by": "default"}} for n in (1, 2)]
        await cluster.create(workflow(namespace, onEvents=["order:*"], defaultFilters=filters))
        for name, n in (("one", 1), ("two", 2)):
            spec = {**EU, "payload": {"n": n, "by": "object"}}
            await cluster.create(manifest(cluster, "EventFilter", name, workflow="pair", **spec))
        event = {"key": "order:paid", "payload": {"n": 1}, "additionalMetadata": {"team": "a"}}
        await cluster.create(manifest(cluster, "WorkflowEvent", "first", scope="eu", **event))
        await cluster.create(manifest(cluster, "WorkflowEvent", "elsewhere", scope="us", **event))
        assert "triggeredRuns" not in await handled(cluster, "elsewhere")
        triggered = (await handled(cluster, "first"))["triggeredRuns"]
        runs, _ = await cluster.list(WORKFLOW_RUN, namespace)
        assert {each["run"] for each in triggered} == {each["metadata"]["name"] for each in runs}
        by = [each["spec"]["trigger"]["event"]["filterPayload"]["by"] for each in runs]
        assert sorted(by) == ["default", "object"]
        for each in runs:
            assert each["spec"]["input"] == {"n": 1}
            assert each["spec"]["additionalMetadata"] == {
                "team": "a",
                "hatchet__event_id": "first",
                "hatchet__event_key": "order:paid",
            }
            assert (await status(cluster, each, "finishedAt"))["phase"] == "Succeeded"


async def test_a_filter_made_just_before_the_event_is_asked(
    cluster: Cluster, unused_tcp_port: int
) -> None:
    """Filter and event come by two watches, in any order."""
    namespace = cluster.namespace
    async with running(cluster, unused_tcp_port) as operator:
        for number in range(10):
            flow = workflow(namespace, onEvents=["paid"])
            flow["metadata"]["name"] = f"flow-{number}"
            await cluster.create(flow)
        for number in range(10):
            spec = {"expression": "false", "scope": "eu", "workflow": f"flow-{number}"}
            await cluster.create(manifest(cluster, "EventFilter", f"no-{number}", **spec))
        await cluster.create(manifest(cluster, "WorkflowEvent", "now", key="paid", scope="eu"))
        assert "triggeredRuns" not in await handled(cluster, "now")
        assert (await cluster.list(WORKFLOW_RUN, namespace))[0] == []
        assert operator.cache.count(EVENT_FILTER) == 10
