"""Timeouts and SIGTERM: what ends by itself, what is ended, and what is said of it."""

import pytest
from podhatch.api import pod

from tests.unit.runner.conftest import Pod

# Coverage is saved at the end of a process; while a function loops, that takes seconds, and is
# tried again by the thread that limits it.
pytestmark = pytest.mark.usefixtures("unmeasured")

SYNC_LOOP = """
def charge(input, ctx):
    print("started", flush=True)
    work()

def work():
    while True:
        pass
"""
SYNC_SLEEP = """
import time

def charge(input, ctx):
    print("started", flush=True)
    work()

def work():
    time.sleep(600)
"""
ASYNC_SLEEP = """
import asyncio

async def charge(input, ctx):
    print("started", flush=True)
    await work()

async def work():
    await asyncio.sleep(600)
"""
ASYNC_LOOP = """
async def charge(input, ctx):
    print("started", flush=True)
    work()

def work():
    while True:
        pass
"""
EVERYTHING_CAUGHT = """
import threading

def charge(input, ctx):
    print("started", flush=True)
    work()

def work():
    while True:
        try:
            threading.Event().wait()
        except BaseException:
            pass
"""
NEVER_ENDING = {
    "loop": SYNC_LOOP,
    "sleep": SYNC_SLEEP,
    "async loop": ASYNC_LOOP,
    "async sleep": ASYNC_SLEEP,
    "catches everything": EVERYTHING_CAUGHT,
}


@pytest.fixture
def hasty_pod(task_pod: Pod) -> Pod:
    """A pod with little grace."""
    task_pod.overrides["podhatch.runner.pod_attempt.CANCEL_SECONDS"] = 0.1
    task_pod.overrides["podhatch.runner.pod_attempt.GRACE_SECONDS"] = 0.3
    return task_pod


@pytest.mark.parametrize("code", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_a_timeout_ends_what_never_returns(task_pod: Pod, code: str) -> None:
    ended = task_pod.run(code, PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.5")
    assert ended.exit_code == pod.EXIT_TIMED_OUT, ended.stderr
    assert ended.message["outcome"] == "TimedOut"
    assert ended.error["type"] == "TimedOut"
    assert ended.error["message"] == "Task exceeded timeout of 0.5s"
    assert "in work" in ended.error["traceback"]
    assert "podhatch/runner" not in ended.error["traceback"]
    assert ended.stdout == "started\n"


def test_the_clock_starts_when_the_function_does(task_pod: Pod) -> None:
    ended = task_pod.run(
        "import time\ntime.sleep(0.3)\ndef charge(input, ctx): return 1",
        PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.25",
    )
    assert ended.output == 1


def test_a_task_without_a_timeout_has_no_clock(task_pod: Pod) -> None:
    del task_pod.variables[pod.EXECUTION_TIMEOUT]
    assert task_pod.run("def charge(input, ctx): return 1").output == 1


def test_a_function_that_ends_by_itself_after_sigterm_succeeded(task_pod: Pod) -> None:
    running = task_pod.start("""
        def charge(input, ctx):
            print("started", flush=True)
            while not ctx.is_cancelled:
                pass
            return "saved"
    """)
    running.await_line("started")
    running.terminate()
    ended = running.wait()
    assert (ended.exit_code, ended.output) == (pod.EXIT_SUCCEEDED, "saved")


def test_a_function_that_raises_after_sigterm_is_cancelled(task_pod: Pod) -> None:
    running = task_pod.start("""
        def charge(input, ctx):
            print("started", flush=True)
            while not ctx.is_cancelled:
                pass
            raise RuntimeError("stopped half way")
    """)
    running.await_line("started")
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.message["outcome"] == "Cancelled"
    assert ended.error["message"] == "stopped half way"


def test_an_async_function_is_cancelled_at_sigterm(hasty_pod: Pod) -> None:
    hasty_pod.overrides["podhatch.runner.pod_attempt.GRACE_SECONDS"] = 20
    running = hasty_pod.start("""
        import asyncio

        async def charge(input, ctx):
            print("started", flush=True)
            try:
                await asyncio.sleep(600)
            finally:
                print("cleaned up", ctx.is_cancelled)
    """)
    running.await_line("started")
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.stdout == "cleaned up True\n"
    assert ended.message["outcome"] == "Cancelled"
    assert ended.error["message"] == "the task was cancelled while it ran"


@pytest.mark.parametrize("code", NEVER_ENDING.values(), ids=NEVER_ENDING)
def test_what_ignores_sigterm_is_ended_before_the_kill(hasty_pod: Pod, code: str) -> None:
    running = hasty_pod.start(code)
    running.await_line("started")
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.message["outcome"] == "Cancelled"
    assert "in work" in ended.error["traceback"]


def test_a_second_sigterm_changes_nothing(hasty_pod: Pod) -> None:
    running = hasty_pod.start(SYNC_LOOP)
    running.await_line("started")
    running.terminate()
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED, ended.stderr


def test_sigterm_while_loading_ends_at_once(task_pod: Pod) -> None:
    running = task_pod.start("""
        import threading
        print("loading", flush=True)
        threading.Event().wait()
    """)
    running.await_line("loading")
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.message["outcome"] == "Cancelled"
    assert "startedAt" not in ended.message


def test_sigterm_reaches_a_function_that_replaced_the_wakeup_descriptor(task_pod: Pod) -> None:
    running = task_pod.start("""
        import signal

        def charge(input, ctx):
            signal.set_wakeup_fd(-1)
            print("started", flush=True)
            while not ctx.is_cancelled:
                pass
            return 1
    """)
    running.await_line("started")
    running.terminate()
    assert running.wait().output == 1


def test_worker_processes_end_at_sigterm_and_do_not_cancel_the_task(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import multiprocessing

        def double(number): return 2 * number

        def charge(input, ctx):
            with multiprocessing.get_context("fork").Pool(2) as pool:  # ends them by SIGTERM
                doubled = pool.map(double, [1, 2])
            return [doubled, ctx.is_cancelled]
    """)
    assert ended.output == [[2, 4], False]


def test_spawned_processes_find_the_users_functions(task_pod: Pod) -> None:
    ended = task_pod.run("""
        import multiprocessing

        def double(number): return 2 * number

        def charge(input, ctx):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                return pool.map(double, [1, 2])
    """)
    assert ended.output == [2, 4]
