"""What bad input gets on the cluster: the object kept, a clear message, nothing half-started."""

import json

import pytest
from podhatch.api.model import JsonObject

from tests.kube import (
    KubectlError,
    Namespace,
    eventually,
    kubectl,
    real_node,
    shell,
    tasks,
    workflow_manifest,
)

OK = shell("ok", "true")


@pytest.mark.parametrize(
    ("flow_tasks", "words"),
    [
        ([shell("a", "true", "nobody")], "parent"),
        ([shell("a", "true", "a")], "parent"),
        ([OK, OK], "Duplicate"),
        ([], "spec.tasks"),
        ([{**OK, "python": "m:f"}], "either python or container"),
        ([{"name": "neither"}], "either python or container"),
    ],
)
def test_a_misshapen_workflow_is_refused_at_once(
    namespace: Namespace, flow_tasks: list[JsonObject], words: str
) -> None:
    with pytest.raises(KubectlError, match=words):
        namespace.apply(workflow_manifest("bad", *flow_tasks))


def test_a_cycle_is_told_in_workflow_and_run(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("round", shell("a", "true", "b"), shell("b", "true", "a")))
    namespace.run("round-1", "round")
    run = namespace.wait("round-1", "Pending")
    assert "cycle" in run["status"]["message"]
    assert namespace.list("jobs") == []
    condition = eventually(
        lambda: namespace.get("wf", "round").get("status", {}).get("conditions"), 10, "conditions"
    )[0]
    assert (condition["type"], condition["status"]) == ("Valid", "False")
    namespace.apply(workflow_manifest("round", shell("a", "true"), shell("b", "true", "a")))
    namespace.wait("round-1", "Succeeded")


def test_a_run_waits_for_its_workflow(namespace: Namespace) -> None:
    namespace.run("early-1", "late")
    run = namespace.wait("early-1", "Pending")
    assert "no Workflow 'late'" in run["status"]["message"]
    namespace.apply(workflow_manifest("late", OK))
    namespace.wait("early-1", "Succeeded")


def test_input_that_does_not_fit_fails_before_anything_starts(namespace: Namespace) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    namespace.apply(workflow_manifest("typed", OK, inputSchema=schema))
    namespace.run("typed-1", "typed", input={"n": "seven"})
    run = namespace.wait("typed-1", "Failed")
    accepted = run["status"]["conditions"][0]
    assert (accepted["reason"], accepted["status"]) == ("InputInvalid", "False")
    assert "spec.input.n: 'seven' is not of type 'integer'" in accepted["message"]
    assert namespace.list("jobs") == []
    described = namespace.kubectl("describe", "wfr", "typed-1")
    assert "InputInvalid" in described


def test_an_input_that_is_too_large_is_told(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("small", OK))
    # Not by apply: its annotation would hold the input a second time, which kubectl refuses.
    run = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {"name": "small-1"},
        "spec": {"workflow": "small", "input": {"blob": "x" * 300_000}},
    }
    namespace.kubectl("create", "-f", "-", stdin=json.dumps(run))
    stands = namespace.wait("small-1", "Failed")
    assert "262144" in stands["status"]["message"]


@pytest.mark.parametrize(
    ("location", "words"),
    [("no_such_module:f", "no_such_module"), ("json:no_such_function", "no_such_function")],
)
def test_unknown_code_is_named(namespace: Namespace, location: str, words: str) -> None:
    namespace.apply(workflow_manifest("lost", {"name": "t", "python": location}))
    namespace.run("lost-1", "lost")
    run = namespace.wait("lost-1", "Failed")
    error = tasks(run)["t"]["error"]
    assert words in error["message"]
    assert location in error["message"]
    assert "traceback" not in error


def test_an_image_that_cannot_be_pulled_is_named_until_time_is_up(namespace: Namespace) -> None:
    missing = {
        "name": "t",
        "container": {"image": "registry.invalid/none:1"},
        "scheduleTimeoutSeconds": 5,
    }
    namespace.apply(workflow_manifest("missing", missing))
    namespace.run("missing-1", "missing")
    entry = namespace.wait_for_reason("missing-1", "t", "ImagePull")
    assert "registry.invalid/none:1" in entry["message"]
    run = namespace.wait("missing-1", "Cancelled")
    assert tasks(run)["t"]["reason"] == "ScheduleTimedOut"
    assert "registry.invalid/none:1" in run["status"]["message"]
    eventually(lambda: namespace.list("jobs") == [], 30, "the Job to be deleted")


def test_a_node_label_that_no_node_has_is_told(namespace: Namespace) -> None:
    wishes = [{"key": "gpu", "value": "many", "required": True}]
    namespace.apply(workflow_manifest("picky", {**OK, "desiredWorkerLabels": wishes}))
    namespace.run("picky-1", "picky")
    entry = namespace.wait_for_reason("picky-1", "ok", "Unschedulable")
    assert "desiredWorkerLabels" in entry["message"]
    node: str = real_node()["metadata"]["name"]
    kubectl("label", "node", node, "gpu=many")
    try:
        assert tasks(namespace.wait("picky-1", "Succeeded"))["ok"]["node"] == node
    finally:
        kubectl("label", "node", node, "gpu-")


@pytest.mark.parametrize(
    ("script", "reason", "words"),
    [
        ("echo hello > $PODHATCH_OUTPUT", "OutputNotJSON", "hello"),
        ("head -c 6000 /dev/zero | tr '\\0' x > $PODHATCH_OUTPUT", "OutputTooLarge", "4096"),
        ("echo went wrong; exit 3", "ExitCode", "exit code 3: went wrong"),
    ],
)
def test_a_container_that_fails_says_how(
    namespace: Namespace, script: str, reason: str, words: str
) -> None:
    namespace.apply(workflow_manifest("wrong", shell("t", script)))
    namespace.run("wrong-1", "wrong")
    entry = tasks(namespace.wait("wrong-1", "Failed"))["t"]
    assert entry["reason"] == reason
    assert words in entry["message"]


def test_a_container_that_runs_too_long_times_out(namespace: Namespace) -> None:
    slow = shell("t", "sleep 600", executionTimeoutSeconds=2)
    namespace.apply(workflow_manifest("slow", slow, shell("after", "true", "t")))
    namespace.run("slow-1", "slow")
    run = namespace.wait("slow-1", "Failed")
    assert tasks(run)["t"]["reason"] == "TimedOut"
    assert tasks(run)["after"]["reason"] == "ParentFailed"


def test_a_quota_that_is_full_is_told_and_waited_for(namespace: Namespace) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "none"},
        "spec": {"hard": {"count/jobs.batch": "0"}},
    }
    namespace.apply(quota, workflow_manifest("queue", OK))
    eventually(
        lambda: namespace.get("resourcequota", "none").get("status", {}).get("hard"), 20, "quota"
    )
    namespace.run("queue-1", "queue")
    entry = namespace.wait_for_reason("queue-1", "ok", "Refused")
    assert "quota" in entry["message"]
    namespace.kubectl("delete", "resourcequota", "none")
    namespace.wait("queue-1", "Succeeded")
