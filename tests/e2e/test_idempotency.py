"""Idempotency keys on the real node: who starts a run whose key is held is told which run it is."""

import json
import re
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject

from tests.e2e.conftest import Podhatch, RunScript
from tests.e2e.shipped import event
from tests.kube import KubectlError, Namespace, eventually, run_manifest, shell, workflow_manifest

KEYS = Path(__file__).parent / "flows" / "keys.py"
HELD = {"key": "a", "fallbackTtlSeconds": 600}
SLOW = workflow_manifest(
    "slow",
    shell("t", "trap exit TERM; sleep 600 & wait", executionTimeoutSeconds=900),
    idempotency={"keyExpression": "input.id", "fallbackTtlSeconds": 600},
    onEvents=["go"],
)
YEARLY: JsonObject = {
    "apiVersion": "podhatch.dev/v1alpha1",
    "kind": "CronWorkflow",
    "metadata": {"name": "yearly"},
    "spec": {"workflow": "slow", "schedule": "@yearly", "input": {"id": "a"}},
}


def names_of_runs(namespace: Namespace) -> list[str]:
    return [run["metadata"]["name"] for run in namespace.list("wfr")]


def test_a_caller_gets_the_run_that_holds_the_key(run_script: RunScript) -> None:
    done = run_script(KEYS, "callers", seconds=180)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["holders"] == [told["first"]] * 2
    assert told["outputs"] == ["booked y", "booked z", "booked x", "booked x"]


def test_a_retry_finds_its_child_and_another_child_of_the_key_is_refused(
    run_script: RunScript, namespace: Namespace
) -> None:
    done = run_script(KEYS, "children", seconds=180)
    assert done.code == 0, done.err
    mine, *others = json.loads(done.out)
    assert others == ["", "booked a", "booked b"]
    booked = {
        run["metadata"]["name"]: (run["spec"]["parent"]["key"], run["spec"]["idempotency"]["key"])
        for run in namespace.list("wfr")
        if run["spec"]["workflow"] == "book"
    }
    assert booked[mine] == ("mine", "a")
    assert sorted(booked.values()) == [("another", "a"), ("later", "b"), ("mine", "a")]


def test_events_and_ticks_of_a_held_key_start_no_run_and_say_who_holds_it(
    namespace: Namespace,
) -> None:
    namespace.apply(SLOW, YEARLY, event("go-1", "go", payload={"id": "a"}))
    [holder] = eventually(lambda: names_of_runs(namespace) or None, 30, "the first event's run")

    namespace.apply(event("go-2", "go", payload={"id": "a"}))
    namespace.kubectl("wait", "wfe/go-2", "--for=jsonpath={.status.handledAt}", "--timeout=30s")
    collision = {"workflow": "slow", "key": "a", "heldBy": holder}
    assert namespace.get("wfe", "go-2")["status"]["collisions"] == [collision]

    namespace.kubectl("wait", "cronjob/yearly", "--for=create", "--timeout=30s")
    namespace.kubectl("create", "job", "tick-1", "--from=cronjob/yearly")
    namespace.kubectl("wait", "job/tick-1", "--for=condition=Complete", "--timeout=30s")
    conditions = namespace.get("job", "tick-1")["status"]["conditions"]
    [tick] = [each for each in conditions if each["type"] == "Complete"]
    assert tick["reason"] == "IdempotencyCollision"
    assert f"WorkflowRun {holder} holds the idempotency key 'a'" in tick["message"]
    assert names_of_runs(namespace) == [holder]

    cancel = '{"spec":{"desiredState":"Cancelled"}}'
    namespace.kubectl("patch", "wfr", holder, "--type=merge", "-p", cancel)
    namespace.wait(holder, "Cancelled")
    namespace.kubectl("create", "job", "tick-2", "--from=cronjob/yearly")
    eventually(lambda: len(names_of_runs(namespace)) == 2, 30, "the run of the second tick")


def test_a_run_of_kubectl_holds_the_key_that_it_names(
    namespace: Namespace, podhatch: Podhatch
) -> None:
    namespace.apply(SLOW, run_manifest("slow-a", "slow", input={"id": "a"}, idempotency=HELD))
    held = eventually(lambda: namespace.get("wfr", "slow-a").get("status"), 30, "the run to start")
    assert held

    refused = podhatch("run", "slow", "--input", '{"id": "a"}')
    assert (refused.code, "slow-a holds the idempotency key 'a'" in refused.err) == (5, True)
    again = run_manifest("slow-a", "slow", input={"id": "a"}, idempotency=HELD)
    with pytest.raises(KubectlError, match="AlreadyExists"):
        namespace.kubectl("create", "-f", "-", stdin=json.dumps(again))
    assert names_of_runs(namespace) == ["slow-a"]
    assert re.search("Key: +a *\n", podhatch("get", "slow-a").out)
