"""`ctx.cancel()`: the task ends as cancelled whatever it does next, and is not tried again."""

import pytest
from podhatch.api import pod

from tests.unit.runner.conftest import Pod

SYNC = """
def charge(input, ctx):
    ctx.cancel()
    assert ctx.is_cancelled
    {then}
"""
ASYNC = """
import asyncio

async def charge(input, ctx):
    await ctx.aio_cancel()
    try:
        await asyncio.sleep(600)
    finally:
        print("cleaned up")
"""
TIMED_OUT = "import time; time.sleep(600)"


@pytest.mark.parametrize("then", ["return 1", "raise ValueError", TIMED_OUT])
def test_what_a_function_does_afterwards_does_not_count(task_pod: Pod, then: str) -> None:
    task_pod.overrides["podhatch.runner.pod_attempt.GRACE_SECONDS"] = 0.2
    ended = task_pod.run(SYNC.replace("{then}", then))
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.message["outcome"] == "Cancelled"
    assert ended.message["retryable"] is False
    assert ended.error["type"] == "Cancelled"
    assert "output" not in ended.message


def test_an_async_function_is_cancelled(task_pod: Pod) -> None:
    task_pod.overrides["podhatch.runner.pod_attempt.CANCEL_SECONDS"] = 0.1
    ended = task_pod.run(ASYNC)
    assert ended.exit_code == pod.EXIT_CANCELLED
    assert ended.message["retryable"] is False
    assert ended.error["message"] == "the task cancelled itself"
    assert ended.stdout == "cleaned up\n"


def test_a_pod_that_is_drained_may_be_tried_again(task_pod: Pod) -> None:
    running = task_pod.start(
        "def charge(input, ctx):\n    print('up')\n    while not ctx.is_cancelled: pass\n    1 / 0"
    )
    running.await_line("up")
    running.terminate()
    ended = running.wait()
    assert ended.message["outcome"] == "Cancelled"
    assert "retryable" not in ended.message
