"""Metadata of JSON values, as users of Hatchet write it: it travels, and is found, as text."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Hatchet, RunFilter
from podhatch.client import background_loop

from tests.fakes.features import NAME, orders
from tests.unit.sdk.conftest import Stage

GIVEN: dict[str, object] = {"by": "Ada", "n": 7, "hot": True, "tags": ["a"]}
CARRIED = {"by": "Ada", "n": "7", "hot": "true", "tags": '["a"]'}
LATER = datetime.now(UTC) + timedelta(hours=1)


@pytest.fixture(autouse=True)
def _workflow(stage: Stage) -> None:
    workflow = orders()
    workflow["metadata"]["namespace"] = "default"
    background_loop.wait(stage.cluster.create(workflow))


def carried(stage: Stage, kind: str) -> Any:
    [created] = stage.cluster.objects(kind)
    return created["spec"]["additionalMetadata"]


def test_a_run_carries_its_metadata(stage: Stage, hatchet: Hatchet) -> None:
    hatchet.runs.create(NAME, {}, GIVEN)
    assert carried(stage, "WorkflowRun") == CARRIED
    assert len(hatchet.runs.list(additional_metadata={"n": 7}).rows) == 1
    assert hatchet.runs.list(additional_metadata={"n": 8}).rows == []
    since = datetime.now(UTC) - timedelta(hours=1)
    assert RunFilter(since=since, additional_metadata=GIVEN).additional_metadata == GIVEN


def test_a_definition_carries_its_metadata(hatchet: Hatchet) -> None:
    settings = hatchet.workflow("shop", default_additional_metadata=GIVEN).settings
    assert settings.default_additional_metadata == CARRIED


def test_a_schedule_carries_its_metadata(stage: Stage, hatchet: Hatchet) -> None:
    hatchet.scheduled.create(NAME, LATER, {}, additional_metadata=GIVEN)
    assert carried(stage, "WorkflowRun") == CARRIED
    assert len(hatchet.scheduled.list(additional_metadata=GIVEN).rows) == 1
    assert hatchet.scheduled.list(additional_metadata={"n": 8}).rows == []


def test_a_cron_carries_its_metadata(stage: Stage, hatchet: Hatchet) -> None:
    hatchet.cron.create(NAME, "daily", "0 9 * * *", {}, additional_metadata=GIVEN)
    assert carried(stage, "CronWorkflow") == CARRIED
    assert len(hatchet.cron.list(additional_metadata={"hot": True}).rows) == 1


def test_an_event_carries_its_metadata(stage: Stage, hatchet: Hatchet) -> None:
    hatchet.event.push("paid", {}, additional_metadata=GIVEN)
    assert carried(stage, "WorkflowEvent") == CARRIED
    assert len(hatchet.event.list(additional_metadata={"tags": ["a"]}).rows) == 1


def test_what_is_not_json_is_refused(stage: Stage, hatchet: Hatchet) -> None:
    with pytest.raises(ValueError, match=r"event 'paid': additional_metadata\['at'\]: datetime.*"):
        hatchet.event.push("paid", {}, additional_metadata={"at": LATER})
    assert not stage.cluster.objects("WorkflowEvent")
