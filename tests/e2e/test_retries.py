"""What a user sees of retries: waits, records, what is not retried, and whose failure it was."""

from datetime import datetime

from tests.e2e.shipped import NAME, source
from tests.kube import Namespace, shell, tasks, workflow_manifest

SECOND_TIME = 'test "$PODHATCH_RETRY_COUNT" = 1'
CODE = """
from podhatch import NonRetryableException, RetryAfter


def never(input, ctx):
    raise NonRetryableException("no use")


def later(input, ctx):
    if ctx.retry_count == 0:
        raise RetryAfter("busy", 3)
    return {"attempt": ctx.attempt_number}
"""


def test_a_retry_waits_its_backoff_and_is_on_record(namespace: Namespace) -> None:
    flaky = shell("t", SECOND_TIME, retries=3, backoffFactor=3)
    namespace.apply(workflow_manifest("flaky", flaky))
    namespace.run("flaky-1", "flaky")
    waiting = namespace.wait_for_reason("flaky-1", "t", "Retrying")
    assert waiting["message"].startswith("retry 1 of 3 after: exit code 1")
    ended = datetime.fromisoformat(waiting["attempts"][0]["finishedAt"])
    next_at = datetime.fromisoformat(waiting["nextAttemptAt"])
    assert (next_at - ended).total_seconds() == 3
    entry = tasks(namespace.wait("flaky-1", "Succeeded"))["t"]
    assert (entry["attempt"], entry["retries"]) == (2, 1)
    [record] = entry["attempts"]
    assert (record["attempt"], record["reason"], record["exitCode"]) == (1, "ExitCode", 1)
    assert record["node"] == entry["node"]
    assert datetime.fromisoformat(entry["queuedAt"]) >= next_at


def test_exceptions_say_whether_and_when(namespace: Namespace) -> None:
    namespace.apply(
        source(CODE),
        workflow_manifest(
            "says",
            {"name": "never", "python": "flow:never", "retries": 5},
            {"name": "later", "python": "flow:later", "retries": 1},
            source={"configMap": NAME},
        ),
    )
    namespace.run("says-1", "says")
    entries = tasks(namespace.wait("says-1", "Failed"))
    assert entries["never"]["attempt"] == 1
    assert entries["never"]["error"]["type"] == "NonRetryableException"
    assert entries["later"]["output"] == '{"attempt":2}'
    [record] = entries["later"]["attempts"]
    waited = datetime.fromisoformat(entries["later"]["queuedAt"]) - datetime.fromisoformat(
        record["finishedAt"]
    )
    # A Job's creation is known to the second.
    assert waited.total_seconds() > 2


def test_too_much_memory_is_the_tasks_own_failure(namespace: Namespace) -> None:
    hungry = shell(
        "t",
        "exec python3 -c 'x = bytearray(400_000_000)'",
        retries=1,
        pod={"resources": {"limits": {"memory": "48Mi"}}},
    )
    namespace.apply(workflow_manifest("hungry", hungry))
    namespace.run("hungry-1", "hungry")
    entry = tasks(namespace.wait("hungry-1", "Failed"))["t"]
    assert (entry["reason"], entry["retries"]) == ("OOMKilled", 1)
    assert entry["message"] == "the container used more memory than its limit"
    assert [record["reason"] for record in entry["attempts"]] == ["OOMKilled"]
    assert "disruptions" not in entry
