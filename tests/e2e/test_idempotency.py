"""Idempotency keys on the real node: of children, and of runs that kubectl creates."""

import json
import re
from pathlib import Path

import pytest

from tests.e2e.conftest import Podhatch, RunScript
from tests.kube import KubectlError, Namespace, eventually, run_manifest, shell, workflow_manifest

KEYS = Path(__file__).parent / "flows" / "keys.py"
HELD = {"key": "a", "fallbackTtlSeconds": 600}
SLOW = workflow_manifest(
    "slow",
    shell("t", "exec sleep 600", executionTimeoutSeconds=900),
    idempotency={"keyExpression": "input.id", "fallbackTtlSeconds": 600},
)


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
    assert [run["metadata"]["name"] for run in namespace.list("wfr")] == ["slow-a"]
    assert re.search("Key: +a *\n", podhatch("get", "slow-a").out)
