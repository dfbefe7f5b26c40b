"""Events as `hatchet.event.push` makes them, and those that it refuses."""

from datetime import UTC, datetime
from typing import Any

import pytest
from podhatch import Context, Hatchet, PushEventOptions
from podhatch.task import entered
from podhatch.task.loading import RunReachedWhileLoading, while_loading
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage


class Paid(BaseModel):
    sum: float


async def test_an_event_is_created_and_seen_now(stage: Stage, hatchet: Hatchet) -> None:
    before = datetime.now(UTC)
    pushed = hatchet.event.push("Order paid", Paid(sum=7), scope="eu")
    await hatchet.event.aio_push("Order paid", {"sum": 8})
    first, second = stage.cluster.objects("WorkflowEvent")
    assert first["metadata"]["name"].startswith("order-paid-")
    assert first["metadata"]["name"] != second["metadata"]["name"]
    seen_at = first["spec"].pop("seenAt")
    assert before <= datetime.fromisoformat(seen_at) <= datetime.now(UTC)
    assert "." in seen_at
    assert first["spec"] == {
        "key": "Order paid",
        "payload": {"sum": 7},
        "scope": "eu",
        "pushedBy": {"user": "alice@example.com"},
    }
    assert stage.cluster.requests["user"] == 1
    assert second["spec"]["payload"] == {"sum": 8}
    assert "scope" not in second["spec"]
    assert pushed.event_id == first["metadata"]["name"]
    assert (pushed.key, pushed.payload, pushed.scope) == ("Order paid", '{"sum": 7.0}', "eu")
    assert pushed.event_timestamp == pushed.seen_at == datetime.fromisoformat(seen_at)


def test_an_api_server_that_does_not_say_who_pushes_leaves_it_open(
    stage: Stage, hatchet: Hatchet
) -> None:
    stage.cluster.user_name = ""
    hatchet.event.push("paid", {})
    hatchet.event.push("paid", {})
    assert ["pushedBy" in each["spec"] for each in stage.cluster.objects("WorkflowEvent")] == [
        False,
        False,
    ]
    assert stage.cluster.requests["user"] == 1


def test_the_event_of_a_task_names_its_job(stage: Stage, hatchet: Hatchet) -> None:
    context = Context(
        workflow_run_id="orders-1",
        task_run_id="orders-1-ship-1",
        workflow_name="orders",
        task_name="ship",
        run_uid="uid",
    )
    with entered(context):
        hatchet.event.push("paid", {})
    (pushed,) = stage.cluster.objects("WorkflowEvent")
    assert pushed["spec"]["pushedBy"] == {"user": "alice@example.com", "job": "orders-1-ship-1"}


@pytest.mark.parametrize(
    ("key", "payload", "words"),
    [
        ("", {}, "event '': key: String should have at least 1 character"),
        ("paid", [1], "event 'paid': payload is not a JSON object"),
        ("paid", {"at": object()}, "event 'paid': payload is not JSON: "),
        ("paid", {"text": "x" * 262_144}, "has 262,155 bytes as JSON, 262,144 are allowed"),
    ],
)
def test_an_invalid_event_is_refused(
    stage: Stage, hatchet: Hatchet, key: str, payload: Any, words: str
) -> None:
    with pytest.raises(ValueError, match="event") as refusal:
        hatchet.event.push(key, payload)
    assert words in str(refusal.value)
    assert not stage.connects


@pytest.mark.parametrize("metadata", ["abc", ["abc"], {1: 2}])
def test_invalid_metadata_of_an_event_is_refused(
    stage: Stage, hatchet: Hatchet, metadata: Any
) -> None:
    with pytest.raises(ValueError, match="event 'paid': additional_metadata: "):
        hatchet.event.push("paid", {}, additional_metadata=metadata)
    with pytest.raises(ValueError, match="event 'paid': additional_metadata: "):
        hatchet.event.push("paid", {}, PushEventOptions(additional_metadata=metadata))
    options: Any = {"scope": "eu"}
    with pytest.raises(TypeError, match=r"event 'paid': options: expected PushEventOptions, got"):
        hatchet.event.push("paid", {}, options)
    assert not stage.connects


def test_pods_that_load_the_script_push_nothing(stage: Stage, hatchet: Hatchet) -> None:
    with while_loading(), pytest.raises(RunReachedWhileLoading):
        hatchet.event.push("paid", {})
    assert not stage.connects
