"""Nodes as workers, and what is said to those who may not look at them."""

from collections.abc import AsyncGenerator

import pytest
from podhatch import Hatchet, RequestRefused
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError

from tests.unit.sdk.conftest import Stage


def node(name: str, ready: str, *, cordoned: bool = False) -> JsonObject:
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": "2026-11-23T12:00:00Z",
            "labels": {"disk": "ssd"},
        },
        "spec": {"unschedulable": True} if cordoned else {},
        "status": {
            "allocatable": {"pods": "110", "cpu": "2"},
            "conditions": [{"type": "Ready", "status": ready}],
        },
    }


def test_a_worker_shows_the_state_of_its_node(
    stage: Stage, hatchet: Hatchet, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    async def pages(*kind: object, page_size: int) -> AsyncGenerator[tuple[list[JsonObject], str]]:
        asked.append(page_size)
        yield [node("a", "True"), node("b", "Unknown"), node("c", "True", cordoned=True)], "1"

    monkeypatch.setattr(stage.cluster, "pages", pages)
    page = hatchet.workers.list(limit=2)
    assert [(row.name, row.status.value) for row in page.rows] == [
        ("a", "ACTIVE"),
        ("b", "INACTIVE"),
    ]
    assert (page.pagination.next_page, asked) == (2, [3])
    [paused] = hatchet.workers.list(offset=2).rows
    assert (paused.status.value, paused.slots, paused.capacity["cpu"]) == ("PAUSED", 110, "2")
    assert [(label.key, label.value) for label in paused.labels] == [("disk", "ssd")]


def test_a_user_who_may_not_list_nodes_is_told(
    stage: Stage, hatchet: Hatchet, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> JsonObject:
        raise ApiError(403, "Forbidden", "nodes is forbidden")

    monkeypatch.setattr(stage.cluster, "get", refuse)
    with pytest.raises(RequestRefused, match="a ClusterRole with the verbs get and list on nodes"):
        hatchet.workers.get("a")
