"""What a subscriber hears of a run's stream, early or late, and what its logs hold beside that."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

import pytest
from podhatch import Hatchet, RequestRefused
from podhatch.api.stream import encode_chunk
from podhatch.client import background_loop
from podhatch.cluster import WORKFLOW_RUN
from podhatch.errors import RunDeleted

from tests.unit.sdk.conftest import Stage
from tests.unit.sdk.features.pods import NOW, RUN, Pods, chunk, line


@pytest.fixture
def pods(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> Pods:
    for module in ("logs", "pods"):
        monkeypatch.setattr(f"podhatch.client.{module}.PAUSE_SECONDS", 0.01)
    return Pods(stage.cluster)


async def all_of(stream: AsyncGenerator[str | bytes, None]) -> list[str | bytes]:
    async with aclosing(stream):
        return [each async for each in stream]


async def test_a_late_subscriber_hears_all_in_the_order_of_time(
    pods: Pods, hatchet: Hatchet
) -> None:
    pods.run("Succeeded")
    pods.start("a", 1, chunk(0, 0, "a0"), line(1, "noise"), chunk(2, 1, b"a1"))
    pods.start("b", 1, chunk(1, 0, "b0"), chunk(3, 1, "b1"))
    heard = await all_of(hatchet.runs.subscribe_to_stream(RUN))
    assert heard == ["a0", "b0", b"a1", "b1"]
    assert await all_of(hatchet.runs.subscribe_to_stream(RUN)) == heard


async def test_an_early_subscriber_hears_each_chunk_once_as_it_comes(
    pods: Pods, hatchet: Hatchet
) -> None:
    pods.run("Running")
    log = pods.start("a", 1, chunk(0, 0, "one"), ended=False)
    stream = hatchet.runs.subscribe_to_stream(RUN)
    assert await anext(stream) == "one"
    await background_loop.aio_wait(log.write(chunk(1, 1, "two")))
    assert await anext(stream) == "two"
    await background_loop.aio_wait(log.cut())
    await background_loop.aio_wait(pods.cluster.end_watches())
    await background_loop.aio_wait(log.write(chunk(1, 2, "three")))
    assert await anext(stream) == "three"
    await background_loop.aio_wait(pods.aio_end("a", 1))
    second = await background_loop.aio_wait(
        pods.aio_start("a", 2, chunk(2, 0, "again"), ended=False)
    )
    assert await anext(stream) == "again"
    await background_loop.aio_wait(pods.aio_run("Succeeded"))
    await background_loop.aio_wait(second.write(chunk(3, 1, "last")))
    assert await anext(stream) == "last"
    await background_loop.aio_wait(pods.aio_end("a", 2))
    assert [each async for each in stream] == []


async def test_a_pod_that_nobody_watched_is_heard_at_the_end(pods: Pods, hatchet: Hatchet) -> None:
    pods.run("Running")
    stream = hatchet.runs.subscribe_to_stream(RUN)
    heard = asyncio.create_task(all_of(stream))
    while not pods.cluster.requests["watch Pod"]:
        await background_loop.aio_wait(asyncio.sleep(0))
    pods.cluster.outages = 1_000_000
    await background_loop.aio_wait(pods.cluster.end_watches())
    await background_loop.aio_wait(pods.aio_start("a", 1, chunk(0, 0, "one"), ended=True))
    await background_loop.aio_wait(pods.aio_run("Succeeded"))
    pods.cluster.outages = 0
    assert await heard == ["one"]


async def test_a_pod_whose_kubelet_is_late_is_waited_for(pods: Pods, hatchet: Hatchet) -> None:
    pods.tasks = [{"name": "a", "state": "Succeeded", "startedAt": "2026-11-23T12:00:00Z"}]
    pods.run("Succeeded")
    await background_loop.aio_wait(pods.aio_start("a", 1, chunk(0, 0, "one"), ended=None))
    heard = asyncio.create_task(all_of(hatchet.runs.subscribe_to_stream(RUN)))
    while pods.cluster.requests["list Pod"] < 3:
        await background_loop.aio_wait(asyncio.sleep(0))
    await background_loop.aio_wait(pods.aio_end("a", 1))
    assert await heard == ["one"]


async def test_a_pod_that_never_starts_is_not_waited_for(pods: Pods, hatchet: Hatchet) -> None:
    pods.tasks = [{"name": "a", "state": "Cancelled"}]
    pods.run("Cancelled")
    await background_loop.aio_wait(pods.aio_start("a", 1, ended=None))
    assert await all_of(hatchet.runs.subscribe_to_stream(RUN)) == []


async def test_a_subscriber_may_leave(pods: Pods, hatchet: Hatchet) -> None:
    pods.run("Running")
    pods.start("a", 1, chunk(0, 0, "one"), ended=False)
    async with aclosing(hatchet.runs.subscribe_to_stream(RUN)) as stream:
        assert await anext(stream) == "one"
        waiting = asyncio.ensure_future(anext(stream))
        await asyncio.sleep(0.01)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting


async def test_a_stream_ends_when_its_run_is_deleted_or_missing(
    pods: Pods, hatchet: Hatchet
) -> None:
    with pytest.raises(RequestRefused, match="there is no WorkflowRun"):
        await all_of(hatchet.runs.subscribe_to_stream(RUN))
    pods.run("Running")
    pods.start("a", 1, chunk(0, 0, "one"), ended=False)
    stream = hatchet.runs.subscribe_to_stream(RUN)
    assert await anext(stream) == "one"
    await background_loop.aio_wait(pods.cluster.delete(WORKFLOW_RUN, "default", RUN))
    with pytest.raises(RunDeleted):
        await anext(stream)


class TestLogs:
    @pytest.fixture(autouse=True)
    def printed(self, pods: Pods) -> None:
        pods.tasks = [{"name": "a", "state": "Succeeded"}, {"name": "b", "state": "Succeeded"}]
        pods.run("Succeeded")
        mixed = f"no end{encode_chunk(1, 'x')}"
        pods.start("a", 1, line(0, "one"), chunk(1, 0, "x"), line(2, mixed))
        pods.start("a", 2, line(3, "three"), line(4, "four"))
        pods.start("b", 1, line(5, "five"))

    def lines(self, hatchet: Hatchet, task: str, **options: object) -> list[tuple[int, str]]:
        found = hatchet.logs.list(task, **options)  # pyright: ignore[reportArgumentType]
        return [(row.attempt, row.message) for row in found.rows]

    def test_logs_show_all_attempts_without_the_stream(self, hatchet: Hatchet) -> None:
        all_of_a = [(1, "one"), (1, "no end"), (2, "three"), (2, "four")]
        assert self.lines(hatchet, f"{RUN}/a") == all_of_a
        assert self.lines(hatchet, RUN) == [*all_of_a, (1, "five")]
        [first, *_] = hatchet.logs.list(f"{RUN}/a").rows
        assert (first.created_at, first.task_external_id) == (NOW, f"{RUN}/a")

    def test_logs_may_be_read_in_part(self, hatchet: Hatchet) -> None:
        assert self.lines(hatchet, f"{RUN}/a", limit=3) == [(1, "one"), (1, "no end"), (2, "three")]
        since, until = line(2, "").time, line(3, "").time
        assert self.lines(hatchet, f"{RUN}/a", since=since, until=until) == [
            (1, "no end"),
            (2, "three"),
        ]
        with pytest.raises(ValueError, match="limit"):
            self.lines(hatchet, RUN, limit=0)

    def test_logs_of_one_attempt_are_found_by_its_job(self, hatchet: Hatchet, stage: Stage) -> None:
        [pod] = [
            each for each in stage.cluster.objects("Pod") if each["metadata"]["name"][-1] == "2"
        ]
        metadata = {"name": "job-2", "namespace": "default", "labels": pod["metadata"]["labels"]}
        job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {}}
        background_loop.wait(stage.cluster.create(job))
        assert self.lines(hatchet, "job-2") == [(2, "three"), (2, "four")]

    async def test_logs_wait_for_a_late_kubelet(self, hatchet: Hatchet, pods: Pods) -> None:
        pods.tasks = [{"name": "c", "state": "Succeeded", "startedAt": "2026-11-23T12:00:00Z"}]
        await background_loop.aio_wait(pods.aio_run("Succeeded"))
        await background_loop.aio_wait(pods.aio_start("c", 1, line(0, "late"), ended=None))
        asked = asyncio.create_task(hatchet.logs.aio_list(f"{RUN}/c"))
        while pods.cluster.requests["list Pod"] < 3:
            await background_loop.aio_wait(asyncio.sleep(0))
            await asyncio.sleep(0)
        await background_loop.aio_wait(pods.aio_end("c", 1))
        assert [row.message for row in (await asked).rows] == ["late"]

    def test_logs_of_a_missing_run_are_an_error(self, hatchet: Hatchet) -> None:
        with pytest.raises(RequestRefused, match="there is no WorkflowRun"):
            hatchet.logs.list("no-such")
        with pytest.raises(RequestRefused, match="the name is invalid"):
            hatchet.logs.list("../pods/a")
        assert hatchet.logs.list(f"{RUN}/c").rows == []
