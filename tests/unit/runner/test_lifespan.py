"""The lifespan around a task: what it gives, when its rest runs, and what its failures do."""

import time

import pytest
from podhatch.api import pod

from tests.unit.runner.api_server import ApiServer
from tests.unit.runner.conftest import Pod

LIFESPAN = """
import asyncio

async def lifespan():
    loop = asyncio.get_running_loop()
    print("up")
    yield {"loop": loop}
    print("down")
    assert asyncio.get_running_loop() is loop

"""
SYNC = "def charge(input, ctx):\n    print('task'); "
ASYNC = "async def charge(input, ctx):\n    print('task'); "


def flow(task: str, lifespan: str = LIFESPAN) -> str:
    return lifespan + task


@pytest.fixture
def lifespan_pod(task_pod: Pod) -> Pod:
    task_pod.variables[pod.LIFESPAN] = "orders:lifespan"
    return task_pod


@pytest.mark.parametrize(
    "task",
    [
        SYNC + "return ctx.lifespan['loop'].is_running()",
        ASYNC + "return ctx.lifespan['loop'] is not asyncio.get_running_loop()",
    ],
)
def test_a_lifespan_is_around_the_task_in_one_loop(lifespan_pod: Pod, task: str) -> None:
    ended = lifespan_pod.run(flow(task))
    assert ended.output is False
    assert ended.stdout.splitlines() == ["up", "task", "down"]
    assert ended.stderr == ""


@pytest.mark.parametrize("kind", [SYNC, ASYNC])
def test_the_rest_of_a_lifespan_runs_after_a_failure(lifespan_pod: Pod, kind: str) -> None:
    ended = lifespan_pod.run(flow(kind + "raise ValueError('no')"))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "ValueError"
    assert ended.stdout.splitlines()[-1] == "down"


def test_the_rest_of_a_lifespan_runs_after_an_async_timeout(lifespan_pod: Pod) -> None:
    ended = lifespan_pod.run(
        flow(ASYNC + "await asyncio.sleep(600)"), PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.25"
    )
    assert ended.exit_code == pod.EXIT_TIMED_OUT
    assert ended.error["type"] == "TimedOut"
    assert ended.stdout.splitlines() == ["up", "task", "down"]


@pytest.mark.parametrize("kind", [SYNC, ASYNC])
def test_the_rest_of_a_lifespan_runs_after_a_cancellation(lifespan_pod: Pod, kind: str) -> None:
    lifespan_pod.overrides["podhatch.runner.pod_attempt.CANCEL_SECONDS"] = 0.1
    body = "\n    while not ctx.is_cancelled: pass\n    raise KeyError"
    running = lifespan_pod.start(
        flow(kind + (body if kind is SYNC else "await asyncio.sleep(600)"))
    )
    running.await_line("task")
    running.terminate()
    ended = running.wait()
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.stdout.splitlines() == ["down"]


@pytest.mark.parametrize(
    ("lifespan", "words"),
    [
        ("async def lifespan():\n    raise OSError('no db')\n    yield\n", "OSError: no db"),
        ("async def lifespan():\n    return\n    yield\n", "ended without a yield"),
        ("def lifespan():\n    pass\n", "not an async generator function"),
    ],
)
def test_a_failed_set_up_fails_the_task(lifespan_pod: Pod, lifespan: str, words: str) -> None:
    ended = lifespan_pod.run(flow(SYNC, lifespan))
    assert ended.exit_code == pod.EXIT_FAILED
    assert ended.error["type"] == "LifespanSetupError"
    assert words in ended.error["message"]
    assert ended.stdout == ""


def test_the_workflows_own_lifespan_counts_where_the_cluster_names_none(task_pod: Pod) -> None:
    code = """
from podhatch import Hatchet

shop = Hatchet().workflow("Orders")
shop.lifespan = lifespan

@shop.task()
def charge(input, ctx):
    return list(ctx.lifespan)
"""
    ended = task_pod.run(flow(code))
    assert ended.output == ["loop"]
    assert ended.stdout.splitlines() == ["up", "down"]


def test_a_missing_lifespan_fails_the_task(task_pod: Pod) -> None:
    ended = task_pod.run(SYNC, PODHATCH_LIFESPAN="orders:gone")
    assert ended.error["type"] == "FunctionNotFound"
    assert "no function gone" in ended.error["message"]


@pytest.mark.parametrize(
    ("rest", "words"),
    [("raise OSError('gone')", "OSError: gone"), ("yield 2", "yielded twice")],
)
def test_what_goes_wrong_afterwards_is_logged_only(
    lifespan_pod: Pod, rest: str, words: str
) -> None:
    lifespan = f"async def lifespan():\n    yield 1\n    {rest}\n"
    ended = lifespan_pod.run(flow(SYNC + "return ctx.lifespan", lifespan))
    assert ended.output == 1
    assert words in ended.stderr


def test_the_set_up_of_a_lifespan_is_not_on_the_tasks_clock(lifespan_pod: Pod) -> None:
    lifespan = """
import asyncio

async def lifespan():
    await asyncio.sleep(0.5)
    yield
    await asyncio.sleep(0.5)

"""
    ended = lifespan_pod.run(
        flow(SYNC + "return 1", lifespan), PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.3"
    )
    assert ended.output == 1


WAITS = """
import os, time

async def lifespan():
    yield
    while not os.path.exists("go on"):
        time.sleep(0.01)
    print("down")

"""


def test_the_report_does_not_wait_for_the_rest(connected_pod: Pod, api: ApiServer) -> None:
    connected_pod.variables[pod.LIFESPAN] = "orders:lifespan"
    running = connected_pod.start(flow(SYNC + "return 1", WAITS))
    deadline = time.monotonic() + 10
    while not api.requests and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [request.method for request in api.requests] == ["POST"]
    connected_pod.write("go on", "")
    ended = running.wait()
    assert ended.output == 1
    assert ended.stdout.splitlines() == ["task", "down"]


def test_a_rest_that_hangs_is_given_up(lifespan_pod: Pod) -> None:
    lifespan_pod.overrides["podhatch.runner.pod_attempt.CLEAN_UP_SECONDS"] = 0.2
    ended = lifespan_pod.run(flow(SYNC + "return 1", WAITS))
    assert (ended.exit_code, ended.output) == (pod.EXIT_SUCCEEDED, 1)
    assert "did not end within 0.2s" in ended.stderr
