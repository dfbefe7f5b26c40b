"""Attempts that move their own time limit: how long they run, and what they report."""

import pytest
from podhatch.api import pod
from podhatch.api.result import TaskResult

from tests.unit.runner.api_server import ApiServer
from tests.unit.runner.conftest import Pod

EXTENDS_TWICE = """
def charge(input, ctx):
    ctx.refresh_timeout("10s")
    ctx.refresh_timeout("5s")
    return 1
"""
LOOPS_AFTER_MORE_TIME = """
def charge(input, ctx):
    ctx.refresh_timeout("300ms")
    while True:
        pass
"""
RUNS_LONGER = """
import asyncio, time

async def charge(input, ctx):
    started = time.monotonic()
    await ctx.aio_refresh_timeout("20s")
    while time.monotonic() - started < 0.4:
        await asyncio.sleep(0.01)
    return 1
"""
SHORT = {"PODHATCH_EXECUTION_TIMEOUT_SECONDS": "0.2"}


def test_an_attempt_runs_longer_when_it_asks(task_pod: Pod) -> None:
    ended = task_pod.run(RUNS_LONGER, **SHORT)
    assert ended.output == 1
    assert ended.message["extendedSeconds"] == 20


def test_an_attempt_ends_at_its_new_limit(task_pod: Pod) -> None:
    ended = task_pod.run(LOOPS_AFTER_MORE_TIME, **SHORT)
    assert (ended.exit_code, ended.message["outcome"]) == (pod.EXIT_TIMED_OUT, "TimedOut")
    assert ended.error["message"] == "Task exceeded timeout of 0.5s"


def test_each_report_holds_the_sum_and_the_last_one_the_outcome(
    connected_pod: Pod, api: ApiServer
) -> None:
    ended = connected_pod.run(EXTENDS_TWICE)
    first, second, last = api.requests
    assert (first.method, second.method, last.method) == ("POST", "PATCH", "PATCH")
    spec = TaskResult.model_validate(first.body).spec
    assert (spec.outcome, spec.extended_seconds) == (None, 10)
    assert spec.started_at is not None
    assert second.content_type == last.content_type == "application/merge-patch+json"
    path = "/apis/podhatch.dev/v1alpha1/namespaces/shop/taskresults"
    assert (first.path, second.path) == (path, f"{path}/orders-1-charge-xyz-2")
    assert second.body["spec"]["extendedSeconds"] == 15
    assert "outcome" not in second.body["spec"]
    assert last.body == {"spec": ended.message}
    assert (ended.message["outcome"], ended.message["extendedSeconds"]) == ("Succeeded", 15)


def test_a_report_whose_answer_was_lost_counts(connected_pod: Pod, api: ApiServer) -> None:
    api.answers = [409]  # as the try before it has reached the API server
    ended = connected_pod.run(EXTENDS_TWICE)
    assert [request.method for request in api.requests] == ["POST", "PATCH", "PATCH", "PATCH"]
    assert api.requests[-1].body == {"spec": ended.message}


@pytest.mark.parametrize("status", [403, 422])
def test_when_it_cannot_be_told_the_task_goes_on(
    connected_pod: Pod, api: ApiServer, status: int
) -> None:
    api.answers = [status, status]
    ended = connected_pod.run(EXTENDS_TWICE)
    assert ended.output == 1
    assert ended.stderr.count("the operator was not told of the longer timeout: ") == 2
    assert [request.method for request in api.requests] == ["POST", "POST", "POST"]
    assert api.requests[-1].body["spec"] == ended.message


def test_a_patch_that_conflicts_is_tried_again(connected_pod: Pod, api: ApiServer) -> None:
    api.answers = [201, 409, 200, 200]
    ended = connected_pod.run(EXTENDS_TWICE)
    assert [request.method for request in api.requests] == ["POST", "PATCH", "PATCH", "PATCH"]
    assert ended.exit_code == 0


def test_an_attempt_gets_no_more_time_than_is_allowed(task_pod: Pod) -> None:
    ended = task_pod.run(EXTENDS_TWICE, PODHATCH_MAX_EXTENSION_SECONDS="12")
    assert ended.output == 1
    assert ended.message["extendedSeconds"] == 12
    assert "extended by 2s and not by 5s: 12s in all are allowed" in ended.stderr
