"""Events that start runs: keys, filters, metadata, and each run once whoever dies meanwhile."""

import json
from collections import Counter
from pathlib import Path

from podhatch.api.model import JsonObject

from tests.e2e.conftest import RunScript
from tests.e2e.killing import operator_killed
from tests.e2e.shipped import event
from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest

INVOICES = Path(__file__).parent / "flows" / "invoices.py"
EVENTS = 20
KILLS = 2


def handled(namespace: Namespace, name: str) -> JsonObject:
    """Wait until the operator is done with an event, and return its status."""

    def status() -> JsonObject | None:
        found: JsonObject = namespace.get("wfe", name).get("status", {})
        return found if "handledAt" in found else None

    return eventually(status, 90, f"event {name} to be handled")


def started_by(namespace: Namespace, name: str) -> list[JsonObject]:
    """Return the runs that an event started."""
    field = f"--field-selector=spec.trigger.event.id={name}"
    found: list[JsonObject] = json.loads(namespace.kubectl("get", "wfr", "-o", "json", field))[
        "items"
    ]
    return found


def test_an_event_starts_a_run_for_each_filter_that_lets_it_in(
    run_script: RunScript, namespace: Namespace
) -> None:
    assert run_script(INVOICES, "define").err == ""
    done = run_script(INVOICES, "push")
    assert done.code == 0, done.err
    both, second, *others = json.loads(done.out)

    for event_id, keys in ((both, ["code", "object"]), (second, ["object"])):
        runs = [
            namespace.wait(run["metadata"]["name"], "Succeeded")
            for run in started_by_all(namespace, event_id)
        ]
        outputs = [json.loads(tasks(run)["told"]["output"]) for run in runs if "told" in tasks(run)]
        assert sorted(output["payload"]["from"] for output in outputs) == keys
        for output in outputs:
            assert output["by_event"] is True
            assert output["event"] == event_id
            assert output["metadata"] == {
                "team": "billing",
                "shop": "a",
                "hatchet__event_id": event_id,
                "hatchet__event_key": output["key"],
            }
    unfiltered = [
        run for run in started_by(namespace, both) if run["spec"]["workflow"] == "unfiltered"
    ]
    assert len(unfiltered) == 1
    for name in others:
        assert handled(namespace, name).get("triggeredRuns", []) == []
        assert started_by(namespace, name) == []


def started_by_all(namespace: Namespace, name: str) -> list[JsonObject]:
    """Return the runs of an event once all of them are there, and on record."""
    status = handled(namespace, name)
    runs = started_by(namespace, name)
    assert {each["run"] for each in status["triggeredRuns"]} == {
        run["metadata"]["name"] for run in runs
    }
    return runs


def test_a_filter_that_cannot_be_asked_starts_nothing_and_says_so(namespace: Namespace) -> None:
    rule = {"expression": "input.nowhere > 1", "scope": "s"}
    namespace.apply(
        workflow_manifest("asked", shell("t", "true"), onEvents=["a"], defaultFilters=[rule]),
        event("a-1", "a", scope="s"),
    )
    status = handled(namespace, "a-1")
    assert status.get("triggeredRuns", []) == []
    assert "nowhere" in status["message"]


def test_an_event_starts_each_run_once_although_operators_die(namespace: Namespace) -> None:
    filters = [{"expression": "true", "scope": "s", "payload": {"n": n}} for n in (1, 2)]
    namespace.apply(
        workflow_manifest("twice", shell("t", "true"), onEvents=["shop:*"], defaultFilters=filters),
        workflow_manifest("once", shell("t", "true"), onEvents=["shop:order:*"]),
    )
    with operator_killed(KILLS):
        for number in range(EVENTS):
            namespace.apply(event(f"e-{number}", f"shop:order:{number}", scope="s"))
    for number in range(EVENTS):
        runs = started_by_all(namespace, f"e-{number}")
        assert Counter(run["spec"]["workflow"] for run in runs) == {"twice": 2, "once": 1}
        payloads = {
            run["spec"]["trigger"]["event"].get("filterPayload", {}).get("n") for run in runs
        }
        assert payloads == {1, 2, None}
    for run in namespace.list("wfr"):
        namespace.wait(run["metadata"]["name"], "Succeeded", seconds=180)


def test_kubectl_shows_a_filter_that_no_event_can_pass(namespace: Namespace) -> None:
    spec = {"workflow": "bill", "scope": "eu", "expression": "input.amount >"}
    large = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "EventFilter",
        "metadata": {"name": "large"},
        "spec": spec,
    }
    namespace.apply(workflow_manifest("bill", shell("print", "true"), onEvents=["paid"]), large)
    namespace.kubectl("wait", "evf/large", "--for=condition=Valid=false", "--timeout=30s")
    table = namespace.kubectl("get", "evf", "-o", "wide")
    assert "spec.expression: 'input.amount >' is not CEL" in table
    namespace.apply({**large, "spec": {**spec, "expression": "input.amount > 1"}})
    namespace.kubectl("wait", "evf/large", "--for=condition=Valid", "--timeout=30s")
