"""What the feature clients do not do, and what they do when somebody else is faster."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Hatchet, InvalidRun, RequestRefused
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.client.filters import FilterUpdate
from podhatch.cluster import CRON_WORKFLOW, WORKFLOW_RUN, Kind
from podhatch.task.loading import RunReachedWhileLoading, while_loading

from tests.fakes.features import NAME, orders
from tests.unit.sdk.conftest import Stage

LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture
def schedule(stage: Stage, hatchet: Hatchet) -> str:
    workflow = orders()
    workflow["metadata"]["namespace"] = "default"
    background_loop.wait(stage.cluster.create(workflow))
    return hatchet.scheduled.create(NAME, LATER, {}).metadata.id


async def start(stage: Stage, name: str, phase: str = "Running") -> None:
    run = await stage.cluster.get(WORKFLOW_RUN, "default", name)
    status: JsonObject = {"phase": phase, "startedAt": "2026-11-23T12:00:00Z"}
    await stage.cluster.replace_status({**run, "status": status})


def test_a_schedule_that_has_started_is_a_run(
    stage: Stage, hatchet: Hatchet, schedule: str
) -> None:
    background_loop.wait(start(stage, schedule))
    with pytest.raises(RequestRefused, match=r"deleted any more.* RUNNING; cancel it with runs"):
        hatchet.scheduled.delete(schedule)
    with pytest.raises(RequestRefused, match="cannot be moved any more"):
        hatchet.scheduled.update(schedule, LATER)
    deleted = hatchet.scheduled.bulk_delete(scheduled_ids=[schedule])
    assert deleted.deleted_ids == []
    assert deleted.errors[0].id == schedule
    assert hatchet.scheduled.bulk_delete(workflow_id=NAME).deleted_ids == []
    row = hatchet.scheduled.get(schedule)
    assert (row.workflow_run_id, row.workflow_run_status) == (schedule, "RUNNING")


def test_a_schedule_that_starts_in_the_same_moment_is_not_deleted(
    stage: Stage, hatchet: Hatchet, schedule: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    get, faster = stage.cluster.get, [schedule]

    async def late(kind: Kind, namespace: str, name: str) -> JsonObject:
        found = await get(kind, namespace, name)
        if faster:
            faster.clear()
            await start(stage, schedule)
        return found

    monkeypatch.setattr(stage.cluster, "get", late)
    with pytest.raises(RequestRefused, match="its run is RUNNING"):
        hatchet.scheduled.delete(schedule)
    assert len(stage.cluster.objects("WorkflowRun")) == 1


def test_a_time_without_zone_is_taken_for_utc(hatchet: Hatchet, schedule: str) -> None:
    with pytest.warns(UserWarning, match="read as UTC") as warned:
        moved = hatchet.scheduled.update(schedule, datetime(2030, 1, 1))  # noqa: DTZ001
    assert [warning.filename for warning in warned] == [__file__]
    with pytest.warns(UserWarning, match="read as UTC") as warned:
        hatchet.runs.list(since=datetime(2030, 1, 1))  # noqa: DTZ001
    assert [warning.filename for warning in warned] == [__file__]
    assert moved.trigger_at == datetime(2030, 1, 1, tzinfo=UTC)


def test_bulk_delete_needs_to_know_what(hatchet: Hatchet) -> None:
    with pytest.raises(ValueError, match="either scheduled_ids or filters"):
        hatchet.scheduled.bulk_delete()
    with pytest.raises(ValueError, match="either scheduled_ids or filters"):
        hatchet.scheduled.bulk_delete(scheduled_ids=["a"], workflow_id="b")


def test_a_declared_cron_is_its_workflows(stage: Stage, hatchet: Hatchet) -> None:
    made = hatchet.cron.create("flow", "daily", "@daily", {}).metadata.id
    owner: JsonObject = {"kind": "Workflow", "name": "flow", "uid": "u", "apiVersion": "v"}
    body = {"metadata": {"ownerReferences": [{**owner, "controller": True}]}}
    background_loop.wait(stage.cluster.merge_patch(CRON_WORKFLOW, "default", made, body))
    assert hatchet.cron.get(made).method == "DEFAULT"
    with pytest.raises(RequestRefused, match="comes from on_crons of workflow 'flow'"):
        hatchet.cron.delete(made)


@pytest.mark.parametrize(
    ("expression", "fields", "words"),
    [
        ("0 * * * * *", {}, "cron 'x' of workflow 'flow': expression: .*do not support seconds"),
        ("@daily", {"priority": 4}, "cron 'x' of workflow 'flow': priority: "),
        ("@daily", {"input": {"at": object()}}, "cron 'x': input is not JSON"),
        ("@daily", {"starting_deadline_seconds": -1}, "starting_deadline_seconds: "),
    ],
)
def test_an_invalid_cron_is_refused(
    stage: Stage, hatchet: Hatchet, expression: str, fields: JsonObject, words: str
) -> None:
    arguments: JsonObject = {"input": {}, **fields}
    with pytest.raises(ValueError, match=words):
        hatchet.cron.create("flow", "x", expression, **arguments)
    assert stage.cluster.objects("CronWorkflow") == []


def test_invalid_runs_and_filters_are_refused(hatchet: Hatchet) -> None:
    with pytest.raises(InvalidRun, match="workflow 'flow': input is not a JSON object"):
        hatchet.runs.create("flow", [1])  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidRun, match="workflow 'flow': additional_metadata"):
        hatchet.runs.create("flow", {}, {"by": "x" * 5000})
    for metadata in ("abc", {1: 2}):
        wrong: Any = metadata
        with pytest.raises(InvalidRun, match="workflow 'flow': additional_metadata: "):
            hatchet.runs.create("flow", {}, wrong)
        with pytest.raises(InvalidRun, match="workflow 'flow': additional_metadata: "):
            hatchet.scheduled.create("flow", LATER, {}, wrong)
        with pytest.raises(ValueError, match="cron 'x': additional_metadata: "):
            hatchet.cron.create("flow", "x", "@daily", {}, wrong)
    tomorrow: Any = "tomorrow"
    with pytest.raises(TypeError, match="trigger_at: expected a datetime, got 'tomorrow'"):
        hatchet.scheduled.create("flow", tomorrow, {})
    with pytest.raises(
        TypeError, match="schedule 'a': trigger_at: expected a datetime, got 'tomorrow'"
    ):
        hatchet.scheduled.bulk_update([("a", tomorrow)])
    with pytest.raises(ValueError, match="filter of workflow 'flow': scope"):
        hatchet.filters.create("flow", "true", "")
    with pytest.raises(ValueError, match=r"expression: 'input\.n >' is not CEL"):
        hatchet.filters.create("flow", "input.n >", "eu")
    with pytest.raises(ValueError, match="filter 'a': expression: 'output' is not CEL"):
        hatchet.filters.update("a", FilterUpdate(expression="output"))


def test_pods_that_load_the_script_do_nothing(stage: Stage, hatchet: Hatchet) -> None:
    with while_loading():
        for act in (hatchet.runs.list, hatchet.cron.list, hatchet.workers.list):
            with pytest.raises(RunReachedWhileLoading):
                act()
        with pytest.raises(RunReachedWhileLoading):
            hatchet.runs.subscribe_to_stream("chat-1")
    assert not stage.connects
