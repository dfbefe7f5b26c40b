"""Durable tasks in the real runner: how a pod of one ends, and how the next one goes on."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from podhatch.api import pod
from podhatch.api.model import JsonObject

from tests.fakes.durable_pod import STATE
from tests.unit.runner.conftest import Ended, Pod, Running

REPOSITORY = Path(__file__).parents[3]
CODE = """
import asyncio
import time
from datetime import timedelta
from podhatch import DurableContext, Hatchet
from podhatch.client import background_loop
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import DURABLE_LOG

hatchet = Hatchet()
approvals = hatchet.workflow(name="Approvals")

@approvals.durable_task()
async def nap(input, ctx: DurableContext):
    began = await ctx.aio_memo(time.time)
    print("begun", flush=True)
    await ctx.aio_sleep_for(timedelta(seconds=1))
    return {"began": began, "invocation": ctx.invocation_count, "attempt": ctx.attempt_number}

@approvals.durable_task()
async def forever(input, ctx: DurableContext):
    print("begun", flush=True)
    await ctx.aio_wait_for_event("never")

@approvals.durable_task()
async def busy(input, ctx: DurableContext):
    print("begun", flush=True)
    await asyncio.gather(ctx.aio_wait_for_event("never"), ctx.aio_memo(asyncio.sleep, None, 60))

@approvals.durable_task()
async def fails(input, ctx: DurableContext):
    await ctx.aio_now()
    raise LookupError("no such order")

async def take_the_log_away():
    session = await session_of(Target())
    change = {"spec": {"invocation": 9}}
    await session.cluster.merge_patch(DURABLE_LOG, session.namespace, "orders-1-log-0", change)

@approvals.durable_task()
async def loses(input, ctx: DurableContext):
    await ctx.aio_now()
    await background_loop.aio_wait(take_the_log_away())
    try:
        await ctx.aio_sleep_for(timedelta(seconds=60))
    finally:
        print("cleaned up", flush=True)

@approvals.durable_task()
def plain(input, ctx: DurableContext):
    return ctx.invocation_count
"""


class DurablePod(Pod):
    """A pod whose log is in a file."""

    @property
    def pages(self) -> list[JsonObject]:
        return json.loads(self.state.read_text())

    @property
    def state(self) -> Path:
        return self.folder / "cluster.json"

    def begin(self, task: str, number: int = 1, ttl: float = 10) -> Running:
        self.write("orders.py", CODE)
        if self.message_file.exists():
            self.message_file.unlink()
        return self.start(
            module="tests.fakes.durable_pod",
            **{
                pod.WORKFLOW: "Approvals",
                pod.TASK: task,
                pod.PYTHON: f"orders:{task}",
                pod.DURABLE_LOG: "orders-1-log",
                pod.EVICTION_TTL: str(ttl),
                pod.ATTEMPT: str(number),
                pod.RUN_UID: "6d1c",
                STATE: str(self.state),
                "PYTHONPATH": str(REPOSITORY),
            },
        )

    def invoke(self, task: str, number: int = 1, ttl: float = 10) -> Ended:
        return self.begin(task, number, ttl).wait()


@pytest.fixture
def durable_pod(tmp_path: Path) -> DurablePod:
    (tmp_path / "code").mkdir()
    return DurablePod(tmp_path)


def test_a_short_sleep_stays_in_the_pod(durable_pod: DurablePod) -> None:
    ended = durable_pod.invoke("nap")
    assert ended.exit_code == pod.EXIT_SUCCEEDED
    output: Any = ended.output
    assert output["invocation"] == 1
    [page] = durable_pod.pages
    assert [call["kind"] for call in page["spec"]["calls"]] == ["Memo", "WaitFor"]


def test_a_long_sleep_gives_up_the_pod_and_the_next_one_goes_on(durable_pod: DurablePod) -> None:
    ended = durable_pod.invoke("nap", ttl=0.1)
    assert ended.exit_code == pod.EXIT_EVICTED
    assert (ended.message["outcome"], ended.message["waitsOver"]) == ("Evicted", 0)
    assert "Traceback" not in ended.stderr
    [page] = durable_pod.pages
    time.sleep(1.0)  # the sleep goes on without a pod
    before = time.monotonic()
    resumed: Any = durable_pod.invoke("nap", 2, ttl=0.5).output
    assert time.monotonic() - before < 10
    assert resumed["began"] == json.loads(page["spec"]["values"][0]["value"])
    assert resumed["invocation"] == 2


def test_sigterm_gives_up_the_pod_of_a_task_that_only_waits(durable_pod: DurablePod) -> None:
    running = durable_pod.begin("forever", ttl=60)
    running.await_line("begun")
    while not durable_pod.state.exists():
        time.sleep(0.01)
    running.terminate()
    ended = running.wait()
    assert (ended.exit_code, ended.message["outcome"]) == (pod.EXIT_EVICTED, "Evicted")


def test_sigterm_cancels_a_task_that_does_something(durable_pod: DurablePod) -> None:
    running = durable_pod.begin("busy")
    running.await_line("begun")
    running.terminate()
    ended = running.wait()
    assert (ended.exit_code, ended.message["outcome"]) == (pod.EXIT_CANCELLED, "Cancelled")


def test_a_pod_that_has_a_successor_reports_nothing(durable_pod: DurablePod) -> None:
    durable_pod.invoke("nap", 3)
    ended = durable_pod.invoke("nap", 2)
    assert (ended.exit_code, ended.message) == (pod.EXIT_TAKEN_OVER, {})
    assert "a later pod has taken over" in ended.stderr


def test_a_pod_whose_task_is_reset_cleans_up_and_reports_nothing(durable_pod: DurablePod) -> None:
    ended = durable_pod.invoke("loses")
    assert (ended.exit_code, ended.message) == (pod.EXIT_TAKEN_OVER, {})
    assert "the task was reset" in ended.stderr
    assert "cleaned up" in ended.stdout


def test_an_error_is_the_users_alone(durable_pod: DurablePod) -> None:
    ended = durable_pod.invoke("fails")
    assert ended.error["type"] == "LookupError"
    trace = ended.error["traceback"]
    assert "podhatch/" not in trace
    assert "asyncio" not in trace


def test_a_durable_task_may_be_synchronous(durable_pod: DurablePod) -> None:
    assert durable_pod.invoke("plain").output == 1


def test_a_damaged_log_fails_the_attempt(durable_pod: DurablePod) -> None:
    durable_pod.invoke("nap")
    [page] = durable_pod.pages
    del page["spec"]["calls"][0]
    durable_pod.state.write_text(json.dumps([page]))
    ended = durable_pod.invoke("nap", 2)
    assert ended.exit_code == pod.EXIT_FAILED
    assert "the log orders-1-log is damaged: expected call 1, got call 2" in ended.error["message"]
