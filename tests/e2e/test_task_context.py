"""What a task's code knows, says and gets: on the real node, with the real operator."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.stream import decode_chunk

from tests.e2e.conftest import RunScript
from tests.e2e.shipped import NAME, event, source
from tests.kube import Namespace, eventually, tasks, workflow_manifest

SCRIPT = Path(__file__).parent / "flows" / "in_the_task.py"

CODE = """
import asyncio
import threading
import time


def facts(input, ctx):
    return {
        "run": ctx.workflow_run_id,
        "job": ctx.task_run_id,
        "workflow": ctx.workflow_name,
        "revision": ctx.workflow_version_id,
        "pod": ctx.worker_id,
        "uid": ctx.run_uid,
        "metadata": ctx.additional_metadata,
        "input": ctx.workflow_input,
        "priority": ctx.priority,
        "event": [ctx.was_triggered_by_event, ctx.triggering_event_key],
        "payload": ctx.filter_payload,
        "attempts": [ctx.attempt_number, ctx.retry_count, ctx.max_attempts],
        "lifespan": ctx.lifespan,
    }


def talk(input, ctx):
    def work(name):
        for number in range(100):
            ctx.put_stream(f"{name}{number}")
            print(name, number)

    ctx.log({"starts": True})
    ctx.log("x" * 20_000)
    print("no end of line", end="")
    ctx.put_stream(b"\\x00\\xff" * 20_000)
    threads = [threading.Thread(target=work, args=(name,)) for name in "abc"]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]


async def cancel(input, ctx):
    await ctx.aio_cancel()
    await asyncio.sleep(600)


def cancel_and_return(input, ctx):
    ctx.cancel()
    return {"cancelled": ctx.is_cancelled}


async def lifespan():
    yield {"made": "by the lifespan"}
    await asyncio.sleep(3)
    print("cleaned up")


async def broken_lifespan():
    raise OSError("no database")
    yield


def fails(input, ctx):
    raise ValueError(ctx.lifespan["made"])
"""


def python_task(name: str, **spec: object) -> JsonObject:
    return {"name": name, "python": f"flow:{name}", **spec}


def flow(name: str, *python_tasks: JsonObject, **spec: object) -> JsonObject:
    return workflow_manifest(name, *python_tasks, source={"configMap": NAME}, **spec)


def log_of(namespace: Namespace, run: JsonObject, task: str, end: str = "Complete") -> str:
    """Return the log of a task's last attempt, once its Job has ended; the run may end before."""
    job = f"job/{tasks(run)[task]['job']}"
    namespace.kubectl("wait", job, f"--for=condition={end}", "--timeout=30s")
    return namespace.kubectl("logs", job)


@pytest.fixture
def shipped(namespace: Namespace) -> Namespace:
    """A namespace with the tasks' code."""
    namespace.apply(source(CODE))
    return namespace


def test_a_task_knows_its_run(shipped: Namespace) -> None:
    defaults = {"defaultAdditionalMetadata": {"team": "red", "stage": "test"}}
    shipped.apply(flow("knows", python_task("facts", retries=2), **defaults))
    fields = {"priority": 3, "additionalMetadata": {"team": "blue"}, "input": {"n": 1}}
    shipped.run("knows-1", "knows", **fields)
    run = shipped.wait("knows-1", "Succeeded")
    entry = tasks(run)["facts"]
    facts = json.loads(entry["output"])
    assert (facts["run"], facts["job"], facts["workflow"]) == ("knows-1", entry["job"], "knows")
    assert facts["uid"] == run["metadata"]["uid"]
    assert shipped.get("controllerrevision", facts["revision"])
    assert shipped.get("pod", facts["pod"])["metadata"]["labels"]["job-name"] == entry["job"]
    assert facts["metadata"] == {"team": "blue", "stage": "test"}
    assert (facts["input"], facts["priority"], facts["event"]) == ({"n": 1}, 3, [False, None])
    assert (facts["payload"], facts["attempts"], facts["lifespan"]) == ({}, [1, 0, 3], None)


def test_a_task_knows_its_event(shipped: Namespace) -> None:
    rule = {"expression": "input.amount > 5", "scope": "eu", "payload": {"limit": 5}}
    shipped.apply(
        flow("paid", python_task("facts"), onEvents=["order:*"], defaultFilters=[rule]),
        event("order-1", "order:paid", scope="eu", payload={"amount": 7}),
    )
    run = eventually(lambda: next(iter(shipped.list("wfr")), None), 30, "the event's run")
    run = shipped.wait(run["metadata"]["name"], "Succeeded")
    facts = json.loads(tasks(run)["facts"]["output"])
    assert facts["event"] == [True, "order:paid"]
    assert facts["payload"] == {"limit": 5}
    assert facts["input"] == {"amount": 7}


def test_chunks_are_whole_and_in_order_in_the_pods_log(shipped: Namespace) -> None:
    shipped.apply(flow("talks", python_task("talk")))
    shipped.run("talks-1", "talks")
    lines = log_of(shipped, shipped.wait("talks-1", "Succeeded"), "talk").split("\n")
    assert lines[:2] == ['{"starts": true}', "x" * 10_000]
    chunks = [chunk for line in lines if (chunk := decode_chunk(line))]
    assert [number for number, _ in chunks] == list(range(len(chunks)))
    data = b"".join(chunk for _, chunk in chunks if isinstance(chunk, bytes))
    assert data == b"\x00\xff" * 20_000
    for name in "abc":
        own = [chunk for _, chunk in chunks if isinstance(chunk, str) and chunk[0] == name]
        assert own == [f"{name}{number}" for number in range(100)]


@pytest.mark.parametrize("task", ["cancel", "cancel_and_return"])
def test_a_task_that_cancels_itself_cancels_the_run(shipped: Namespace, task: str) -> None:
    shipped.apply(flow("cancels", python_task(task, retries=3)))
    shipped.run("cancels-1", "cancels")
    entry = tasks(shipped.wait("cancels-1", "Cancelled"))[task]
    assert (entry["state"], entry["reason"]) == ("Cancelled", "CancelledItself")
    assert (entry["attempt"], entry["message"]) == (1, "the task cancelled itself")


def test_a_lifespan_surrounds_the_task_and_the_run_does_not_await_it(
    shipped: Namespace,
) -> None:
    shipped.apply(flow("lives", python_task("facts"), lifespan="flow:lifespan"))
    shipped.run("lives-1", "lives")
    run = shipped.wait("lives-1", "Succeeded")
    entry = tasks(run)["facts"]
    assert json.loads(entry["output"])["lifespan"] == {"made": "by the lifespan"}
    assert log_of(shipped, run, "facts") == "cleaned up\n"
    [pod] = shipped.list("pod", f"job-name={entry['job']}")
    ended = pod["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"]
    until_end = datetime.fromisoformat(ended) - datetime.fromisoformat(run["status"]["finishedAt"])
    assert until_end.total_seconds() > 1


def test_a_lifespan_outlives_a_failure(shipped: Namespace) -> None:
    shipped.apply(flow("outlives", python_task("fails"), lifespan="flow:lifespan"))
    shipped.run("outlives-1", "outlives")
    run = shipped.wait("outlives-1", "Failed")
    entry = tasks(run)["fails"]
    assert entry["error"]["message"] == "by the lifespan"
    assert "cleaned up" in log_of(shipped, run, "fails", "Failed")


def test_a_lifespan_that_cannot_be_set_up_fails_the_task(shipped: Namespace) -> None:
    shipped.apply(flow("broken", python_task("facts"), lifespan="flow:broken_lifespan"))
    shipped.run("broken-1", "broken")
    error = tasks(shipped.wait("broken-1", "Failed"))["facts"]["error"]
    assert error["type"] == "LifespanSetupError"
    assert "OSError: no database" in error["message"]


def test_dependencies_logs_and_packed_values_work_in_a_pod(
    run_script: RunScript, namespace: Namespace
) -> None:
    done = run_script(SCRIPT)
    assert done.code == 0, done.err
    text, name = done.out.splitlines()
    assert text == r"'[send]abc\x00'"
    run = namespace.get("wfr", name)
    assert run["spec"]["input"] == {"text": "cba"}
    assert json.loads(tasks(run)["send"]["output"]) == {"text": "\x00cba]dnes["}
    lines = log_of(namespace, run, "send").splitlines()
    assert lines[:4] == [
        "stamp taken",
        "envelope opened",
        "INFO letters: sends abc",
        "ERROR letters: no signature",
    ]
    assert lines[-3:] == ["ValueError: out of ink", "envelope closed", "stamp put back"]
