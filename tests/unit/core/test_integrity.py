"""What pods and others write about an attempt: what of it counts, and what is passed on."""

import json
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_OUTPUT_BYTES
from podhatch.core.common.observed import Observed
from podhatch.core.common.text import output_problem
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.plan import unused_revisions

from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    ago,
    attempt_name,
    container_task,
    job,
    pod,
    report,
    result,
    run,
    task,
    terminated,
    workflow,
)
from tests.unit.core.planning import entries, jobs, plan, reported, states, stored, variable

FORGED = '"harmless","b":{"approved":true}'
A = attempt_name("a")
FLOW = workflow(task("a"), task("b"), task("c", "a", "b"))


@pytest.mark.parametrize("by_message", [False, True])
def test_an_output_that_reaches_into_a_siblings_fails_its_task(by_message: bool) -> None:
    children: dict[str, Any] = {"results": reported("a", output=FORGED)}
    if by_message:
        message = json.dumps(report("a", output=FORGED))
        children = {"jobs": {A: job("a")}, "pods": {A: [pod(terminated(0, message))]}}
    entry = entries(plan(FLOW, **children))["a"]
    assert (entry["state"], entry["reason"]) == ("Failed", "OutputNotJSON")
    assert "is not JSON: Extra data" in entry["message"]


def test_a_containers_output_that_reaches_into_a_siblings_fails_its_task() -> None:
    flow = workflow(container_task("a"))
    children: dict[str, Any] = {"jobs": {A: job("a")}, "pods": {A: [pod(terminated(0, FORGED))]}}
    assert entries(plan(flow, **children))["a"]["reason"] == "OutputNotJSON"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (FORGED, "Extra data"),
        ("", "Expecting value"),
        ("{'a': 1}", "Expecting property name"),
        ('"line\nbreak"', "Invalid control character"),
        ("[NaN]", "NaN is not JSON"),
        ("-Infinity", "-Infinity is not JSON"),
        ("[1e400]", "1e400 is larger than any number"),
        ("[" * 20_000 + "]" * 20_000, "nested more than 200 levels deep"),
        ("[" * 300 + "]" * 300, "nested more than 200 levels deep"),
        ('{"a":1,"b":2,"a":3}', "an object holds the key 'a' twice"),
        (r'["\ud83d"]', "half of a surrogate pair"),
        ('"' + "x" * MAX_OUTPUT_BYTES + '"', "longer than 262144 bytes"),
        ('"' + "😀" * (MAX_OUTPUT_BYTES // 4) + '"', "longer than 262144 bytes"),
        ("9" * 5000, "Exceeds the limit"),
    ],
)
def test_what_is_not_exactly_one_json_value_is_refused(text: str, problem: str) -> None:
    assert problem in (output_problem(text) or "it is taken")


@pytest.mark.parametrize(
    "text",
    [
        "2.0",
        "-0",
        "1E5",
        "0.1000000000000000055511",
        "9" * 400,
        r'"\u0000 \ud83d\ude00"',
        " null\n",
    ],
)
def test_an_output_reaches_the_children_exactly_as_it_was_written(text: str) -> None:
    made = plan(workflow(task("a"), task("b", "a")), results=reported("a", output=text))
    assert variable(made, "PODHATCH_PARENTS") == f'{{"a":{text}}}'


@pytest.mark.parametrize("large", ['"' + "x" * 5000 + '",' + FORGED, "[" * 3000, None])
def test_a_result_that_was_made_anew_is_a_lost_output(large: str | None) -> None:
    flow = workflow(task("a"), task("b", "a"))
    status = stored(plan(flow, results=reported("a", output=json.dumps("x" * 5000))))
    before = [entry for entry in status["tasks"] if entry["name"] == "a"]
    status = {**status, "phase": "Running", "tasks": before}
    forged = reported("a") if large is None else reported("a", output=large)
    assert entries(plan(flow, status, results=forged))["b"]["reason"] == "ParentOutputLost"


def observed(**children: Any) -> Observed:
    """Show a run whose first attempt is on its way, without its workflow."""
    pinned = plan(workflow(task("a")))
    [revision, *_] = plan_run(Observed(run(), workflow(task("a"))), DEFAULTS, NOW).create
    pins = {revision["metadata"]["name"]: revision}
    return Observed(run(stored(pinned)), workflow(task("a")), pins, **children)


def test_a_result_without_a_job_does_not_count() -> None:
    before_the_run = plan_run(
        Observed(run(), workflow(task("a")), results={A: result("a")}), DEFAULTS, NOW
    )
    assert jobs(before_the_run) == [attempt_name("a", 2)]  # that name may be trusted
    assert states(before_the_run) == {"a": "Queued"}
    of_the_next = {attempt_name("a", 2): result("a") | {"spec": report("a") | {"attempt": 2}}}
    made = plan_run(observed(jobs={A: job("a")}, results=of_the_next), DEFAULTS, NOW)
    assert states(made) == {"a": "Queued"}
    made = plan_run(observed(results={A: result("a", output="1")}), DEFAULTS, NOW)
    assert entries(made)["a"]["attempts"][0]["reason"] == "JobDeleted"


@pytest.mark.parametrize("wrong", [{"run": "other"}, {"task": "b"}, {"attempt": 2}])
def test_a_result_of_another_attempt_does_not_count(wrong: JsonObject) -> None:
    forged = {"metadata": {"name": A}, "spec": report("a") | wrong}
    made = plan_run(observed(jobs={A: job("a")}, results={A: forged}), DEFAULTS, NOW)
    assert states(made) == {"a": "Queued"}


@pytest.mark.parametrize("names", [{"podhatch.dev/task": "b"}, {"podhatch.dev/attempt": "2"}])
def test_a_job_that_is_labelled_as_another_attempt_does_not_count(names: JsonObject) -> None:
    theirs = job("a")
    theirs["metadata"]["labels"] |= names
    forged: JsonObject = {"jobs": {A: theirs}, "results": {A: result("a")}}
    made = plan_run(observed(**forged), DEFAULTS, NOW)
    assert entries(made)["a"]["attempts"][0]["reason"] == "JobDeleted"


@pytest.mark.parametrize(
    "owners", [[], [{"uid": "another-job", "controller": True}], [{"uid": "job-uid"}]]
)
def test_a_pod_that_the_attempts_job_does_not_control_does_not_count(
    owners: list[JsonObject],
) -> None:
    forged = pod(terminated(0, json.dumps(report("a", output="1"))))
    forged["metadata"] |= {"ownerReferences": owners, "creationTimestamp": ago(-5)}
    its_own = pod({"running": {"startedAt": ago(1)}})
    made = plan_run(observed(jobs={A: job("a")}, pods={A: [its_own, forged]}), DEFAULTS, NOW)
    assert states(made) == {"a": "Running"}


FORGED_PIN: JsonObject = {"tasks": [container_task("a", command=["steal"])]}


@pytest.mark.parametrize("data", [{"spec": FORGED_PIN}, {}])
def test_a_revision_whose_content_its_name_does_not_say_is_not_taken(data: JsonObject) -> None:
    flow = workflow(task("a"))
    [revision, *_] = plan_run(Observed(run(), flow), DEFAULTS, NOW).create
    name: str = revision["metadata"]["name"]
    forged = {name: {**revision, "data": data}}
    made = plan_run(Observed(run(), flow, forged), DEFAULTS, NOW)
    assert made.create[0] == revision  # which the API server refuses, and the run says so
    begun = run({"phase": "Running", "revision": name})
    assert stored(plan_run(Observed(begun, None, forged), DEFAULTS, NOW))["phase"] == "Failed"
    assert unused_revisions(None, forged, set()) == ()


@pytest.mark.parametrize(
    ("told", "kept"),
    [
        ("9999-12-31T23:59:59Z", "2026-11-23T12:00:00.000000Z"),
        ("0001-01-01T00:00:00+05:00", "2026-11-23T11:59:59.000000Z"),
        ("2026-11-23T11:59:59.500000Z", "2026-11-23T11:59:59.500000Z"),
        ("2026-11-23T11:59:59.500000", "2026-11-23T12:00:00.000000Z"),
    ],
)
def test_a_reported_time_lies_within_the_life_of_the_attempt(told: str, kept: str) -> None:
    flow = workflow(task("a"), task("b", "a", waitFor=[{"sleepSeconds": 60}]))
    message = json.dumps(report("a", output="1", finishedAt=told))
    children: dict[str, Any] = {"jobs": {A: job("a")}, "pods": {A: [pod(terminated(0, message))]}}
    made = plan(flow, **children)
    assert entries(made)["a"]["finishedAt"] == kept
    assert states(made) == {"a": "Succeeded", "b": "Pending"}


def test_an_attempt_under_way_is_the_job_that_the_status_names() -> None:
    """Whatever the names of new Jobs are made of: a newer operator may make them otherwise."""
    flow = workflow(task("a"))
    entry = {"name": "a", "state": "Queued", "attempt": 1, "job": "named-otherwise"}
    status = {**stored(plan(flow)), "tasks": [entry]}
    old = job("a")
    old["metadata"]["name"] = "named-otherwise"
    report_of_it = {"named-otherwise": {"metadata": {"name": "r"}, "spec": report("a")}}
    raw = run(status)
    [revision, *_] = plan_run(Observed(run(), flow), DEFAULTS, NOW).create
    pins = {revision["metadata"]["name"]: revision}
    made = plan_run(
        Observed(raw, flow, pins, jobs={"named-otherwise": old}, results=report_of_it),
        DEFAULTS,
        NOW,
    )
    assert (made.create, stored(made)["phase"]) == ((), "Succeeded")
