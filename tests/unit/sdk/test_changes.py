"""A run by name, as a stream of its states, through what happens to watches."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.client import waiting
from podhatch.client.waiting import states
from podhatch.cluster import ApiError, Cluster, ClusterUnreachable, WatchEvent
from podhatch.errors import RequestRefused, RunDeleted

AWAY = ClusterUnreachable("away")
STARTING = ApiError(503, "ServiceUnavailable", "starting")
NOT_FOUND = ApiError(404, "NotFound", 'workflowruns.podhatch.dev "r" not found')
EXPIRED = ApiError(410, "Expired", "too old")


def run(version: int, phase: str, uid: str = "u") -> JsonObject:
    return {
        "metadata": {"name": "r", "namespace": "n", "uid": uid, "resourceVersion": str(version)},
        "spec": {"workflow": "w"},
        "status": {"phase": phase},
    }


@dataclass
class ScriptedCluster:
    """Answers each get, and each watch, as its script says; integration tests use the real one."""

    watches: list[list[JsonObject | Exception | float]] = field(
        default_factory=list[list[JsonObject | Exception | float]]
    )
    """What comes of each: a change, an error, or so many seconds of silence."""
    gets: list[JsonObject | Exception] = field(default_factory=list[JsonObject | Exception])
    deleted: bool = False
    versions: list[str] = field(default_factory=list[str])

    async def get(self, *_: object) -> JsonObject:
        answer = self.gets.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(
        self, *_: object, resource_version: str, **_options: object
    ) -> AsyncGenerator[WatchEvent, None]:
        self.versions.append(resource_version)
        for answer in self.watches.pop(0):
            if isinstance(answer, Exception):
                raise answer
            if isinstance(answer, float | int):
                await asyncio.sleep(answer)
                continue
            yield WatchEvent("DELETED" if self.deleted else "MODIFIED", answer)


async def phases(cluster: ScriptedCluster, first: JsonObject) -> list[str]:
    return [each["status"]["phase"] async for each in states(cast("Cluster", cluster), first)]


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "RETRY_SECONDS", 0)


async def test_the_watch_ends_with_the_run():
    cluster = ScriptedCluster([[run(2, "Running"), run(3, "Failed")]])
    assert await phases(cluster, run(1, "Pending")) == ["Pending", "Running", "Failed"]


async def test_a_run_that_is_over_is_not_watched():
    assert await phases(ScriptedCluster(), run(1, "Cancelled")) == ["Cancelled"]


async def test_a_watch_that_ends_is_opened_again_where_it_ended():
    cluster = ScriptedCluster([[run(2, "Running")], [run(3, "Succeeded")]])
    assert await phases(cluster, run(1, "Pending")) == ["Pending", "Running", "Succeeded"]
    assert cluster.versions == ["1", "2"]


async def test_what_is_too_old_to_watch_from_is_watched_from_now_and_nothing_comes_twice():
    cluster = ScriptedCluster([[EXPIRED], [run(1, "Pending"), run(2, "Succeeded")]], [run(1, "x")])
    assert await phases(cluster, run(1, "Pending")) == ["Pending", "Succeeded"]
    assert cluster.versions == ["1", ""]


@pytest.mark.parametrize("trouble", [AWAY, STARTING])
async def test_the_api_server_may_be_away(trouble: Exception):
    cluster = ScriptedCluster([[trouble], [run(2, "Succeeded")]])
    seen = await asyncio.wait_for(phases(cluster, run(1, "Pending")), 5)
    assert seen == ["Pending", "Succeeded"]


async def test_a_long_outage_ends_the_watch(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(waiting, "OUTAGE_SECONDS", -1)
    with pytest.raises(ClusterUnreachable):
        await phases(ScriptedCluster([[AWAY]]), run(1, "Pending"))


@pytest.mark.parametrize(
    "before",
    [
        [[0.2]],
        [[AWAY], [0.2]],
        [[AWAY], [run(2, "Running"), 0.2]],
    ],
    ids=["silence", "an outage and silence", "an outage, a change, and silence"],
)
async def test_an_outage_begins_with_its_first_failure(
    before: list[list[JsonObject | Exception | float]], monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(waiting, "OUTAGE_SECONDS", 0.1)
    cluster = ScriptedCluster([*before, [AWAY], [run(3, "Succeeded")]])
    assert (await phases(cluster, run(1, "Pending")))[-1] == "Succeeded"


async def test_an_outage_is_logged_once(caplog: pytest.LogCaptureFixture):
    cluster = ScriptedCluster([[AWAY], [STARTING], [0.0], [AWAY], [run(2, "Succeeded")]])
    await phases(cluster, run(1, "Pending"))
    assert caplog.messages == ["connection lost, retrying: away"] * 2


async def test_a_refusal_is_final():
    with pytest.raises(RequestRefused, match="no right"):
        await phases(ScriptedCluster([[ApiError(403, "Forbidden", "no right")]]), run(1, "Pending"))


@pytest.mark.parametrize("found", [NOT_FOUND, run(9, "Pending", uid="another")])
async def test_a_run_that_is_gone_is_named(found: JsonObject | Exception):
    with pytest.raises(RunDeleted, match="run 'r' in namespace 'n' was deleted"):
        await phases(ScriptedCluster([[EXPIRED]], [found]), run(1, "Pending"))
    with pytest.raises(RunDeleted):
        await phases(ScriptedCluster([[run(2, "Running")]], deleted=True), run(1, "Pending"))


def test_a_run_whose_replay_is_asked_for_has_not_ended():
    replayed = run(1, "Failed")
    assert is_over(replayed)
    replayed["spec"]["replay"] = {"count": 1}
    assert not is_over(replayed)
    replayed["status"]["replays"] = 1
    assert is_over(replayed)
    replayed["spec"] |= {"replay": {"count": 2}, "desiredState": "Cancelled"}
    assert is_over(replayed)
