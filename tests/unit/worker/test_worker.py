"""A worker publishes, answers probes and stops; on the fake cluster."""

import asyncio
import contextvars
import http.client
import json
import socket
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import pytest
from podhatch import EmptyModel, Hatchet
from podhatch.client import background_loop
from podhatch.cluster import WORKFLOW, ClusterUnreachable
from podhatch.config import ClientConfig, HealthcheckConfig
from podhatch.definitions.workflow import Standalone
from podhatch.errors import LoopAlreadyRunningError
from podhatch.task import Context
from podhatch.task.loading import RunReachedWhileLoading, while_loading
from podhatch.testing import LocalRuns
from podhatch.testing.plugin import podhatch_local
from podhatch.worker import Worker, WorkerStatus
from podhatch.worker import worker as module
from podhatch.worker.health import configured

from tests.kube import eventually
from tests.unit.sdk.conftest import Stage, hatchet, stage

__all__ = ["hatchet", "podhatch_local", "stage"]


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> int:
    """Return a port that nobody has, and let workers take it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
    monkeypatch.setenv("PODHATCH_HEALTH_PORT", str(number))
    return number


def greeting(input: EmptyModel, ctx: Context) -> str:
    return "hello"


async def connections() -> AsyncGenerator[str]:
    yield "pool"


def borrowing(input: EmptyModel, ctx: Context) -> str:
    return ctx.lifespan


@pytest.fixture
def greet(hatchet: Hatchet) -> Standalone[EmptyModel, str]:
    return hatchet.task(name="greet")(greeting)


@contextmanager
def started(worker: Worker) -> Generator[None]:
    """Run the worker in a thread, as a test program would."""
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(worker.start,))
    thread.start()
    try:
        yield
    finally:
        asyncio.run(worker.exit_gracefully())
        thread.join(10)
        assert not thread.is_alive()


def health(port: int, path: str = "/health") -> tuple[int, object]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        text = answer.read()
        return answer.status, json.loads(text) if answer.status != 404 else None
    finally:
        connection.close()


def test_a_worker_publishes_and_answers_until_it_is_stopped(
    hatchet: Hatchet, stage: Stage, port: int, greet: Standalone[EmptyModel, str]
):
    worker = hatchet.worker("w", slots=4, labels={"gpu": 1}, workflows=[greet])
    assert worker.status is WorkerStatus.INITIALIZED
    with started(worker):
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "the worker to be healthy")
        assert stage.workflow["metadata"]["name"] == "greet"
        assert health(port) == (200, {"status": "HEALTHY"})
        assert health(port, "/other") == (404, None)
    assert worker.status is WorkerStatus.UNHEALTHY
    with pytest.raises(ConnectionRefusedError):
        health(port)


def test_a_worker_is_not_healthy_before_its_workflows_are_registered(
    hatchet: Hatchet,
    stage: Stage,
    port: int,
    greet: Standalone[EmptyModel, str],
    monkeypatch: pytest.MonkeyPatch,
):
    asked, go_on = threading.Event(), threading.Event()
    create = stage.cluster.create

    async def slow_create(*arguments: object, **options: object) -> object:
        asked.set()
        await asyncio.to_thread(go_on.wait)
        return await create(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(stage.cluster, "create", slow_create)
    worker = hatchet.worker("w", workflows=[greet])
    with started(worker):
        assert asked.wait(10)
        assert health(port) == (503, {"status": "STARTING"})
        go_on.set()
        eventually(lambda: health(port)[0] == 200, 10, "the worker to be registered")


def test_a_value_that_is_not_a_workflow_is_refused(hatchet: Hatchet):
    with pytest.raises(TypeError, match="worker 'w': workflows: 7 is neither a workflow nor"):
        hatchet.worker("w", workflows=[7])  # type: ignore[list-item]


async def pool(size: int) -> AsyncGenerator[int]:
    yield size


def plain() -> Generator[int]:
    yield 1


@pytest.mark.parametrize(
    ("lifespan", "words"),
    [
        (plain, "plain is not an async generator function: write `async def`"),
        (asynccontextmanager(pool), "pool is not an async generator function"),
        (7, "7 is not an async generator function"),
        (pool, "pool is called with nothing: missing a required argument: 'size'"),
    ],
)
def test_a_value_that_is_not_a_lifespan_is_refused(hatchet: Hatchet, lifespan: Any, words: str):
    with pytest.raises(ValueError, match=f"worker 'w': lifespan: {words}"):
        hatchet.worker("w", lifespan=lifespan)


def test_a_workflow_without_a_list_is_refused(hatchet: Hatchet, greet: Standalone[EmptyModel, str]):
    workflows: Any = greet
    with pytest.raises(
        ValueError, match="worker 'w': workflows: expected a list, got <Standalone greet>"
    ):
        hatchet.worker("w", workflows=workflows)


def test_a_worker_without_a_workflow_or_a_task_does_not_start(hatchet: Hatchet):
    with pytest.raises(ValueError, match="worker 'w': workflows: there is none"):
        hatchet.worker("w").start()
    with pytest.raises(ValueError, match="workflow 'empty' has no task"):
        hatchet.worker("w", workflows=[hatchet.workflow("empty")]).start()


async def test_a_worker_does_not_block_an_event_loop(
    hatchet: Hatchet, greet: Standalone[EmptyModel, str]
):
    with pytest.raises(LoopAlreadyRunningError, match="an event loop runs in this thread"):
        hatchet.worker("w", workflows=[greet]).start()


def test_a_pod_that_imports_the_module_starts_no_worker(
    hatchet: Hatchet, greet: Standalone[EmptyModel, str]
):
    with while_loading(), pytest.raises(RunReachedWhileLoading):
        hatchet.worker("w", workflows=[greet]).start()


async def test_a_worker_that_does_not_run_ends_at_once(hatchet: Hatchet):
    await asyncio.wait_for(hatchet.worker("w").exit_gracefully(), 5)


def test_the_port_comes_from_the_code_or_a_variable(monkeypatch: pytest.MonkeyPatch):
    assert configured(HealthcheckConfig()).port == 8001
    monkeypatch.setenv("HATCHET_CLIENT_WORKER_HEALTHCHECK_PORT", "9001")
    assert configured(HealthcheckConfig()).port == 9001
    monkeypatch.setenv("PODHATCH_HEALTH_PORT", "9002")
    assert configured(HealthcheckConfig()).port == 9002
    assert configured(HealthcheckConfig(port=7)).port == 7
    monkeypatch.setenv("PODHATCH_HEALTH_PORT", "http")
    with pytest.raises(ValueError, match="PODHATCH_HEALTH_PORT: expected a port, got 'http'"):
        configured(HealthcheckConfig())


def test_a_worker_has_no_port_where_it_is_turned_off(stage: Stage, port: int):
    hatchet = Hatchet(config=ClientConfig(healthcheck=HealthcheckConfig(enabled=False)))
    workflow = hatchet.workflow("quiet")
    workflow.task(name="t")(greeting)
    worker = hatchet.worker("w", workflows=[workflow])
    with started(worker):
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "the worker to be healthy")
        with pytest.raises(ConnectionRefusedError):
            health(port)


def test_a_deleted_workflow_is_published_again(
    hatchet: Hatchet,
    stage: Stage,
    port: int,
    greet: Standalone[EmptyModel, str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    worker = hatchet.worker("w", workflows=[greet])
    with started(worker):
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "the worker to be healthy")
        background_loop.wait(stage.cluster.delete(WORKFLOW, "default", "greet"))
        eventually(lambda: len(stage.cluster.objects("Workflow")) == 1, 10, "it to come back")
        eventually(lambda: "greet" in caplog.text, 10, "a word about it")
    assert "published again, since they were deleted: greet" in caplog.text


def test_a_cluster_that_does_not_answer_makes_it_unhealthy_until_it_does(
    hatchet: Hatchet,
    stage: Stage,
    port: int,
    greet: Standalone[EmptyModel, str],
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.05)
    worker = hatchet.worker("w", workflows=[greet])
    with started(worker):
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "the worker to be healthy")
        listed = stage.cluster.list

        async def away(*_: object, **__: object) -> object:
            raise ClusterUnreachable("the API server is away")

        monkeypatch.setattr(stage.cluster, "list", away)
        eventually(lambda: worker.status is WorkerStatus.UNHEALTHY, 10, "it to notice")
        assert health(port) == (200, {"status": "UNHEALTHY"})
        monkeypatch.setattr(stage.cluster, "list", listed)
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "it to notice")


def test_a_worker_with_a_lifespan_starts_while_runs_are_local(
    podhatch_local: LocalRuns, hatchet: Hatchet, port: int
):
    borrow = hatchet.task(name="borrow")(borrowing)
    worker = hatchet.worker("w", workflows=[borrow], lifespan=connections)
    with started(worker):
        eventually(lambda: worker.status is WorkerStatus.HEALTHY, 10, "the worker to be healthy")
        assert borrow.run(EmptyModel()) == "pool"
    assert podhatch_local.states() == {"borrow": "Succeeded"}
