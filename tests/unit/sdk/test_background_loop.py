"""The background thread: one for all callers, new in a forked process, closed at the end."""

import asyncio
import os
import signal
import sys
import threading
import warnings
from collections.abc import Generator
from pathlib import Path

import pytest
from podhatch import RunCancelled
from podhatch.client import background_loop


@pytest.fixture(autouse=True)
def fresh_background_loop() -> Generator[None]:
    background_loop.shut_down()
    yield
    background_loop.shut_down()


async def thread_name() -> str:
    return threading.current_thread().name


async def cancelled() -> None:
    raise RunCancelled("orders-1")


def test_sync_callers_share_one_thread() -> None:
    assert background_loop.wait(thread_name()) == "podhatch"
    first = background_loop.get()
    assert background_loop.wait(thread_name()) == "podhatch"
    assert background_loop.get() is first


async def test_callers_in_a_loop_share_it_too() -> None:
    first = background_loop.get()
    assert await background_loop.aio_wait(thread_name()) == "podhatch"
    assert background_loop.wait(thread_name()) == "podhatch"  # a sync call in a running loop
    assert background_loop.get() is first


async def test_errors_reach_both_kinds_of_callers() -> None:
    with pytest.raises(RunCancelled, match="orders-1"):
        background_loop.wait(cancelled())
    with pytest.raises(RunCancelled, match="orders-1"):
        await background_loop.aio_wait(cancelled())


async def test_cancelling_the_caller_cancels_the_work() -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    caller = asyncio.create_task(background_loop.aio_wait(work()))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    assert ended.wait(5)


def block_of_main_thread() -> object:
    """Return where the main thread waits for a lock; None while it is on its way.

    A signal that comes right before the thread sleeps does not wake it, and on a busy machine it
    may stand there for long: the kernel knows whether it sleeps.
    """
    main = threading.main_thread()
    stat = Path(f"/proc/self/task/{main.native_id}/stat")
    if stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "S":
        return None
    frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage]
    frame = frames[main.ident or 0]
    return (frame.f_code, frame.f_lasti) if frame.f_code.co_name == "wait" else None


@pytest.fixture
def interrupts() -> Generator[None]:
    """SIGINT interrupts, also where a shell started the tests in the background and ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("interrupts")
def test_an_interrupt_ends_the_wait() -> None:
    ended = threading.Event()

    async def work() -> None:
        try:
            before, now = None, block_of_main_thread()
            while now is None or now != before:
                await asyncio.sleep(0.01)
                before, now = now, block_of_main_thread()
            os.kill(os.getpid(), signal.SIGINT)
            await asyncio.Event().wait()
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        background_loop.wait(work())
    assert ended.wait(5)


def test_shut_down_closes_what_is_open_and_a_new_one_may_start() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append(await thread_name())

    first = background_loop.get()
    first.resources.push_async_callback(close)
    background_loop.shut_down()
    assert closed == ["podhatch"]
    assert first.loop.is_closed()
    assert background_loop.wait(thread_name()) == "podhatch"


def test_a_wait_in_the_loops_own_thread_is_refused() -> None:
    async def wait_here() -> str:
        return background_loop.wait(thread_name())

    with pytest.raises(RuntimeError, match="in its own background thread"):
        background_loop.wait(wait_here())


def test_a_forked_process_has_its_own_loop() -> None:
    background_loop.wait(thread_name())
    inherited = background_loop.get()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # threads and fork, from 3.12
        child = os.fork()
    if child == 0:
        works = (
            background_loop.wait(thread_name()) == "podhatch"
            and background_loop.get() is not inherited
        )
        background_loop.shut_down()
        os._exit(0 if works else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert background_loop.get() is inherited
    assert background_loop.wait(thread_name()) == "podhatch"
