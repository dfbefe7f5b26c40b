import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cli import follow as module
from podhatch.cli.follow import follow
from podhatch.cli.lookup import NoSuchRun
from podhatch.cluster import ApiError, Cluster, ClusterUnreachable, WatchEvent

NOT_FOUND = ApiError(404, "NotFound", 'workflowruns.podhatch.dev "r" not found')


def run(version: int, phase: str) -> JsonObject:
    return {
        "metadata": {"name": "r", "namespace": "n", "resourceVersion": str(version)},
        "spec": {"workflow": "w"},
        "status": {"phase": phase},
    }


@dataclass
class ScriptedCluster:
    """Answers each get, and each watch, as its script says; integration tests use the real one."""

    gets: list[JsonObject | Exception]
    watches: list[list[JsonObject | Exception]] = field(
        default_factory=list[list[JsonObject | Exception]]
    )
    deleted: bool = False

    async def get(self, *_: object) -> JsonObject:
        answer = self.gets.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(self, *_: object, **_options: object) -> AsyncGenerator[WatchEvent, None]:
        for answer in self.watches.pop(0):
            if isinstance(answer, Exception):
                raise answer
            yield WatchEvent("DELETED" if self.deleted else "MODIFIED", answer)


async def phases(cluster: ScriptedCluster) -> list[str | None]:
    seen = follow(cast("Cluster", cluster), "n", "r")
    return [state.status.phase if state.status else None async for state in seen]


async def test_it_ends_with_the_run():
    cluster = ScriptedCluster([run(1, "Pending")], [[run(2, "Running"), run(3, "Failed")]])
    assert await phases(cluster) == ["Pending", "Running", "Failed"]


async def test_a_run_that_is_over_is_not_watched():
    assert await phases(ScriptedCluster([run(1, "Cancelled")])) == ["Cancelled"]


async def test_a_watch_that_ends_is_opened_again_and_nothing_is_shown_twice():
    cluster = ScriptedCluster(
        [run(1, "Pending"), run(1, "Pending")], [[run(1, "Pending")], [run(2, "Succeeded")]]
    )
    assert await phases(cluster) == ["Pending", "Succeeded"]


@pytest.mark.parametrize(
    "trouble",
    [
        ClusterUnreachable("away"),
        ApiError(410, "Expired", "too old"),
        ApiError(503, "ServiceUnavailable", "starting"),
    ],
)
async def test_an_api_server_that_answered_may_be_away(
    trouble: Exception, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(module, "PAUSE_SECONDS", 0)
    cluster = ScriptedCluster([run(1, "Pending"), trouble, run(2, "Succeeded")], [[trouble]])
    assert await asyncio.wait_for(phases(cluster), 5) == ["Pending", "Succeeded"]


async def test_an_api_server_that_never_answered_is_not_waited_for():
    with pytest.raises(ClusterUnreachable, match="away"):
        await phases(ScriptedCluster([ClusterUnreachable("away")]))


async def test_patience_ends(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(module, "PATIENCE_SECONDS", -1)
    with pytest.raises(ClusterUnreachable):
        await phases(ScriptedCluster([run(1, "Pending")], [[ClusterUnreachable("away")]]))


async def test_a_refusal_is_final():
    with pytest.raises(ApiError, match="no right"):
        await phases(ScriptedCluster([ApiError(403, "Forbidden", "no right")]))


async def test_a_run_that_is_not_there_or_is_deleted_is_named():
    with pytest.raises(NoSuchRun, match="no WorkflowRun r in namespace n"):
        await phases(ScriptedCluster([NOT_FOUND]))
    with pytest.raises(NoSuchRun, match="WorkflowRun r in namespace n was deleted"):
        await phases(ScriptedCluster([run(1, "Pending")], [[run(2, "Pending")]], deleted=True))
