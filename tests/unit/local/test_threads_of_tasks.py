"""What a task's own threads start is as local as its run, where they have its context."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.client import background_loop, session_override
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs

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


def in_pool_with_context(function: Any) -> Any:
    return in_pool(copy_context().run, function)


@hatchet.task()
def in_a_pool(input: Any, ctx: Context) -> int:
    return in_pool_with_context(one.run) + in_pool_with_context(lambda: one.run_no_wait().result())


@hatchet.task()
async def in_a_thread_of_the_loop(input: Any, ctx: Context) -> list[int]:
    items = [one.create_bulk_run_item()] * 2
    return await asyncio.to_thread(one.run_many, items)


@hatchet.task()
def in_a_thread_without_context(input: Any, ctx: Context) -> bool:
    return session_override.current() is not None and in_pool(session_override.current) is None


@hatchet.task()
def within_another(input: Any, ctx: Context) -> int:
    with local_runs(LocalOptions()):
        return in_pool_with_context(one.run)


def test_a_pool_with_the_tasks_context_runs_locally() -> None:
    assert in_a_pool.run_local() == 2


def test_a_thread_of_asyncio_runs_locally() -> None:
    assert in_a_thread_of_the_loop.run_local() == [1, 1]


def test_a_thread_without_context_knows_no_local_run() -> None:
    assert in_a_thread_without_context.run_local() is True


def test_a_local_run_within_another_is_found_by_its_context() -> None:
    assert within_another.run_local() == 1


async def session_from_here() -> Session:
    return await background_loop.aio_wait(session_of(Target(kubeconfig="/nowhere/at/all")))


async def test_who_waits_for_a_local_run_may_run_others_in_the_cluster() -> None:
    opened = asyncio.Event()
    closing = asyncio.Event()

    async def locally() -> None:
        with local_runs(LocalOptions()) as session:
            assert await session_from_here() is session
            opened.set()
            await closing.wait()

    beside = asyncio.create_task(locally())
    await opened.wait()
    assert session_override.current() is None
    with pytest.raises(Exception, match="/nowhere/at/all"):
        await session_from_here()
    closing.set()
    await beside
    assert in_pool(session_override.current) is None


def test_who_waits_in_another_threads_loop_may_run_others_too() -> None:
    in_pool(asyncio.run, test_who_waits_for_a_local_run_may_run_others_in_the_cluster())
