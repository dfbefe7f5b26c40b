"""What a task's own threads start is as local as its run, though they know nothing of it."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from podhatch import Context, Hatchet, InvalidRun
from podhatch.client import portal, substitute
from podhatch.client.session import Session, session_of
from podhatch.client.target import Target
from podhatch.local.options import LocalOptions
from podhatch.local.running import aio_local_runs, local_runs

hatchet = Hatchet()


@pytest.fixture(autouse=True)
def no_cluster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", "/nowhere/at/all")


@hatchet.task()
def one(input: Any, ctx: Context) -> int:
    return 1


def in_pool(function: Any, *arguments: Any) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *arguments).result()


@hatchet.task()
def in_a_pool(input: Any, ctx: Context) -> int:
    return in_pool(one.run) + in_pool(lambda: one.run_no_wait().result())


@hatchet.task()
async def in_an_executor(input: Any, ctx: Context) -> list[int]:
    loop = asyncio.get_running_loop()
    items = [one.create_bulk_run_item()] * 2
    return await loop.run_in_executor(None, one.run_many, items)


@hatchet.task()
def within_another(input: Any, ctx: Context) -> int:
    with local_runs(LocalOptions()):
        return in_pool(one.run)


@hatchet.task()
def within_another_with_context(input: Any, ctx: Context) -> int:
    with local_runs(LocalOptions()):
        return in_pool(copy_context().run, one.run)


def test_a_pool() -> None:
    assert in_a_pool.run_local() == 2


def test_an_event_loops_executor() -> None:
    assert in_an_executor.run_local() == [1, 1]


def test_several_local_runs_cannot_be_told_apart_without_context() -> None:
    with pytest.raises(BaseExceptionGroup) as caught:
        within_another.run_local()
    [error] = caught.value.exceptions
    assert "contextvars.copy_context().run, function" in str(error)
    assert InvalidRun.__name__ in str(error)
    assert within_another_with_context.run_local() == 1


async def session_from_here() -> Session:
    return await portal.aio_wait(session_of(Target(kubeconfig="/nowhere/at/all")))


async def test_who_waits_for_a_local_run_may_run_others_in_the_cluster() -> None:
    opened = asyncio.Event()
    closing = asyncio.Event()

    async def locally() -> None:
        async with aio_local_runs(LocalOptions()) as session:
            assert await session_from_here() is session
            opened.set()
            await closing.wait()

    beside = asyncio.create_task(locally())
    await opened.wait()
    assert substitute.current() is None
    with pytest.raises(Exception, match="/nowhere/at/all"):
        await session_from_here()
    assert in_pool(substitute.current) is not None
    closing.set()
    await beside
    assert in_pool(substitute.current) is None


def test_so_it_is_in_another_threads_loop() -> None:
    in_pool(asyncio.run, test_who_waits_for_a_local_run_may_run_others_in_the_cluster())
