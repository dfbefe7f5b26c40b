"""Conditions as a user writes them in YAML: sleeps, events, parents' outputs, either of them."""

from datetime import datetime

from podhatch.api.model import JsonObject

from tests.e2e.shipped import event
from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest

FIRST = shell("first", 'echo "{\\"n\\": 7}" > $PODHATCH_OUTPUT')


def parent(expression: str) -> JsonObject:
    return {"parent": {"name": "first", "expression": expression}}


def test_a_condition_on_parents_skips_cancels_or_starts_a_task(namespace: Namespace) -> None:
    seen = 'echo "$PODHATCH_PARENTS" > $PODHATCH_OUTPUT'
    namespace.apply(
        workflow_manifest(
            "fork",
            FIRST,
            shell("big", "true", "first", skipIf=[parent("output.n < 10")]),
            shell("small", "true", "first", skipIf=[parent("output.n >= input.limit")]),
            shell("below", "true", "big"),
            shell("join", seen, "big", "small"),
            shell(
                "never",
                "true",
                "first",
                cancelIf=[parent("output.n == 7")],
                skipIf=[parent("true")],
            ),
        )
    )
    namespace.run("fork-1", "fork", input={"limit": 10})
    entries = tasks(namespace.wait("fork-1", "Cancelled"))
    assert {name: entry["state"] for name, entry in entries.items()} == {
        "first": "Succeeded",
        "big": "Skipped",
        "small": "Succeeded",
        "below": "Skipped",
        "join": "Succeeded",
        "never": "Cancelled",
    }
    assert entries["big"]["message"] == "skipIf holds: output.n < 10 of first"
    assert '"big":{"skipped":true}' in entries["join"]["output"]
    assert entries["never"]["reason"] == "CancelIf"


def test_a_sleep_begins_when_the_parents_have_ended(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("naps", FIRST, shell("t", "true", "first", waitFor=[{"sleepSeconds": 5}]))
    )
    namespace.run("naps-1", "naps")
    waiting = namespace.wait_for_reason("naps-1", "t", "WaitingForConditions")
    assert waiting["message"] == "waits for 5s to pass"
    entries = tasks(namespace.wait("naps-1", "Succeeded"))
    slept = datetime.fromisoformat(entries["t"]["queuedAt"]) - datetime.fromisoformat(
        entries["first"]["finishedAt"]
    )
    # A Job's creation is known to the second.
    assert 4 < slept.total_seconds() < 20


def test_an_event_pushed_with_kubectl_starts_the_tasks_that_wait_for_it(
    namespace: Namespace,
) -> None:
    asked = {"key": "paid", "expression": "input.amount >= 10", "scope": "customer-7"}
    either = {"or": [{"event": {"key": "paid-by-hand"}}, {"sleepSeconds": 600}]}
    namespace.apply(
        workflow_manifest(
            "pay",
            shell("ship", "true", waitFor=[{"event": asked}]),
            shell("note", "true", waitFor=[either]),
        )
    )
    namespace.run("pay-1", "pay")
    entry = namespace.wait_for_reason("pay-1", "ship", "WaitingForConditions")
    assert entry["message"] == "waits for event paid"
    namespace.apply(
        event("e1", "paid", payload={"amount": 5}, scope="customer-7"),
        event("e2", "paid", payload={"amount": 50}, scope="customer-8"),
        event("e3", "paid-by-hand"),
    )
    eventually(
        lambda: tasks(namespace.get("wfr", "pay-1"))["note"]["state"] == "Succeeded", 30, "note"
    )
    assert tasks(namespace.get("wfr", "pay-1"))["ship"]["state"] == "Pending"
    namespace.apply(event("e4", "paid", payload={"amount": 50}, scope="customer-7"))
    namespace.wait("pay-1", "Succeeded")


def test_an_event_from_before_the_parents_ended_counts_if_asked_for(namespace: Namespace) -> None:
    early = {"event": {"key": "early", "considerEventsSince": "RunStart"}}
    gate = {"event": {"key": "gate"}}
    namespace.apply(
        workflow_manifest(
            "look",
            shell("first", "true", waitFor=[gate]),
            shell("t", "true", "first", waitFor=[early]),
        )
    )
    namespace.run("look-1", "look")
    namespace.wait_for_reason("look-1", "first", "WaitingForConditions")
    namespace.apply(event("e1", "early"), event("e2", "gate"))
    namespace.wait("look-1", "Succeeded")


def test_an_expression_that_fails_at_run_time_names_the_key(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest(
            "typo", FIRST, shell("t", "true", "first", skipIf=[parent("output.m > 1")])
        )
    )
    namespace.run("typo-1", "typo")
    entry = tasks(namespace.wait("typo-1", "Failed"))["t"]
    assert entry["reason"] == "ExpressionFailed"
    assert "output.m > 1" in entry["message"]
    assert '"m"' in entry["message"]


def test_an_expression_that_does_not_compile_makes_the_workflow_invalid(
    namespace: Namespace,
) -> None:
    namespace.apply(
        workflow_manifest("bad", FIRST, shell("t", "true", "first", skipIf=[parent("output.n >")]))
    )
    namespace.run("bad-1", "bad")
    run = namespace.wait("bad-1", "Pending")
    assert "spec.tasks[t].skipIf: 'output.n >' is not CEL: 1:" in run["status"]["message"]
