"""An operator in this process, and the objects it is tried with. Used by tests of the operator."""

import asyncio
import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import WORKFLOW_RUN, Cluster
from podhatch_operator.__main__ import Operator
from podhatch_operator.settings import Settings

from tests.fakes.dying_operator import VARIABLE
from tests.kube import REPOSITORY, user_environment


def container_task(name: str, *parents: str) -> JsonObject:
    command = ["sh", "-c", 'echo "{}" > $PODHATCH_OUTPUT']
    container = {"image": "python:3.13-slim", "command": command}
    return {"name": name, "parents": list(parents), "container": container}


def workflow(namespace: str, **spec: object) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": "pair", "namespace": namespace},
        "spec": {"tasks": [container_task("a"), container_task("b", "a")], **spec},
    }


def run(namespace: str, name: str = "run") -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"workflow": "pair"},
    }


@asynccontextmanager
async def running(
    cluster: Cluster,
    port: int,
    server: str | None = None,
    *,
    state: str = "ok",
    **variables: str,
) -> AsyncGenerator[Operator]:
    """Have an operator of the test's namespace running, and ready or on standby."""
    stop = asyncio.Event()
    operator = operator_of(cluster, port, server, **variables)
    process = asyncio.create_task(operator.run(stop))
    try:
        async with asyncio.timeout(30), aiohttp.ClientSession() as session:
            while await probe(session, port, "readyz") != state:
                assert not process.done()
                await asyncio.sleep(0.05)
        yield operator
    finally:
        stop.set()
        async with asyncio.timeout(15):
            code = await process
    assert code == 0


def operator_of(
    cluster: Cluster, port: int, server: str | None = None, **variables: str
) -> Operator:
    """Return an operator of the test's namespace, with its Lease there."""
    connection = replace(
        cluster.connection,
        server=server or cluster.connection.server,
        namespace=cluster.namespace,
    )
    return Operator(
        Cluster(connection),
        Settings.read(
            {
                "PODHATCH_WATCH_NAMESPACES": cluster.namespace,
                "PODHATCH_PORT": str(port),
                "PODHATCH_METRICS_PORT": str(port),
                "PODHATCH_IDENTITY": f"on port {port}",
                **variables,
            }
        ),
    )


@asynccontextmanager
async def process(
    cluster: Cluster, port: int, folder: Path, *, stderr: int | None = None, **variables: str
) -> AsyncGenerator[asyncio.subprocess.Process]:
    """Have an operator of the test's namespace in a process of its own, with its log there."""
    environment = user_environment(cluster.namespace, folder) | {
        "PODHATCH_WATCH_NAMESPACES": cluster.namespace,
        "PODHATCH_PORT": str(port),
        "PODHATCH_METRICS_PORT": str(port),
        "PODHATCH_IDENTITY": "process",
        **variables,
    }
    module = "tests.fakes.dying_operator" if VARIABLE in variables else "podhatch_operator"
    started = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module), cwd=REPOSITORY, env=environment, stderr=stderr
    )
    try:
        yield started
    finally:
        if started.returncode is None:
            started.kill()
            await started.wait()


async def until(condition: Callable[[], bool], seconds: float = 30) -> None:
    """Wait for what nobody tells."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def probe(session: aiohttp.ClientSession, port: int, path: str) -> str:
    try:
        async with session.get(f"http://127.0.0.1:{port}/{path}") as answer:
            return await answer.text()
    except aiohttp.ClientConnectionError as error:
        return str(error)


async def succeeded(cluster: Cluster, created: JsonObject) -> None:
    """Wait until a run has succeeded."""
    metadata = created["metadata"]
    stream = cluster.watch(
        WORKFLOW_RUN,
        metadata["namespace"],
        name=metadata["name"],
        resource_version=metadata["resourceVersion"],
    )
    async with asyncio.timeout(60):
        async for event in stream:
            phase = event.object.get("status", {}).get("phase")
            if phase == "Succeeded":
                return
            assert phase != "Failed"
    pytest.fail("the watch ended before the run")
