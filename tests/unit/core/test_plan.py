"""plan_run, situation by situation."""

import copy
import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.run.plan import MANY_TASKS, plan_run
from podhatch.core.workflow.revision import current_revision

from tests.fakes.answers import answered
from tests.fakes.objects import (
    DEFAULTS,
    NOW,
    ago,
    attempt_name,
    container_task,
    job,
    jobs_of,
    pod,
    report,
    result,
    run,
    task,
    terminated,
    workflow,
)

DIAMOND = workflow(task("a"), task("b", "a"), task("c", "a"), task("d", "b", "c"))


def plan(observed: Observed) -> Plan:
    return answered(lambda known: plan_run(replace(observed, answers=known), DEFAULTS, NOW))


def entries(made: Plan) -> dict[str, JsonObject]:
    assert made.status is not None
    return {entry["name"]: entry for entry in made.status["tasks"]}


def created(made: Plan) -> list[tuple[str, str]]:
    return [(item["kind"], item["metadata"]["name"]) for item in made.create]


def old_run() -> JsonObject:
    """Return a run that has waited for a minute."""
    raw = run()
    raw["metadata"]["creationTimestamp"] = ago(60)
    return raw


def observe(flow: JsonObject, raw_run: JsonObject | None = None, **cluster: Any) -> Observed:
    """Show the core a run whose workflow is pinned already, with the given children.

    What is reported has a Job.
    """
    revision = current_revision(flow)
    pinned: JsonObject = {
        "metadata": {"name": revision.name, "labels": {"podhatch.dev/workflow": "flow"}},
        "data": {"spec": flow["spec"]},
    }
    cluster["jobs"] = jobs_of(cluster.get("results", {})) | cluster.get("jobs", {})
    for name in cluster["jobs"]:
        cluster["jobs"][name]["metadata"]["labels"]["podhatch.dev/revision"] = revision.name
    return Observed(raw_run or run(), flow, {revision.name: pinned}, **cluster)


def test_a_new_run_pins_its_workflow_and_starts_the_tasks_without_parents() -> None:
    made = plan(Observed(run(), DIAMOND))
    assert created(made) == [
        ("ControllerRevision", current_revision(DIAMOND).name),
        ("Job", attempt_name("a")),
    ]
    assert made.status is not None
    assert made.status["phase"] == "Running"
    assert made.status["progress"] == "0/4"
    assert not made.urgent
    assert entries(made)["d"]["message"] == "waits for b, c"
    assert made.requeue_at == NOW + timedelta(seconds=300)


def test_the_first_status_of_a_large_run_is_urgent() -> None:
    names = [f"t{number}" for number in range(MANY_TASKS)]
    flow = workflow(
        *[task(name, *names[max(0, place - 1) : place]) for place, name in enumerate(names)]
    )
    begun = plan(Observed(run(), flow))
    assert begun.urgent
    done = {attempt_name("t0"): result("t0")}
    assert not plan(observe(flow, run(begun.status), results=done)).urgent


def test_a_pinned_workflow_is_not_pinned_again() -> None:
    assert created(plan(observe(DIAMOND))) == [("Job", attempt_name("a"))]


def test_children_start_when_all_parents_succeeded_and_get_their_outputs() -> None:
    done = {attempt_name(name): result(name, output=f'{{"from":"{name}"}}') for name in "abc"}
    made = plan(observe(DIAMOND, results=done))
    assert created(made) == [("Job", attempt_name("d"))]
    env = made.create[0]["spec"]["template"]["spec"]["containers"][0]["env"]
    parents = next(item["value"] for item in env if item["name"] == "PODHATCH_PARENTS")
    assert json.loads(parents) == {"b": {"from": "b"}, "c": {"from": "c"}}


def test_the_run_succeeds_with_its_last_task() -> None:
    done = {attempt_name(name): result(name, output="1") for name in "abcd"}
    made = plan(observe(DIAMOND, results=done))
    assert made.status is not None
    assert made.status["phase"] == "Succeeded"
    assert made.status["progress"] == "4/4"
    assert [c["type"] for c in made.status["conditions"]] == ["Accepted", "Succeeded"]
    assert made.urgent
    assert [event["reason"] for event in made.events] == [*["TaskSucceeded"] * 4, "Succeeded"]


def test_a_failure_cancels_what_depends_on_it_and_lets_the_rest_go_on() -> None:
    failed = result("b", "Failed", error={"type": "ValueError", "message": "bad", "traceback": "T"})
    done = {attempt_name("a"): result("a"), attempt_name("b"): failed}
    made = plan(observe(DIAMOND, results=done))
    assert created(made) == [("Job", attempt_name("c"))]
    assert entries(made)["b"]["error"] == {
        "type": "ValueError",
        "message": "bad",
        "traceback": "T",
    }
    assert entries(made)["d"]["state"] == "Pending"
    done[attempt_name("c")] = result("c", finishedAt="2026-11-23T11:59:59.500000Z")
    made = plan(observe(DIAMOND, results=done))
    assert made.status is not None
    assert made.status["phase"] == "Failed"
    assert made.status["message"] == "task b: ValueError: bad"
    assert entries(made)["d"]["reason"] == "ParentFailed"


def test_a_job_that_exists_without_a_status_is_adopted() -> None:
    made = plan(observe(DIAMOND, jobs={attempt_name("a"): job("a")}))
    assert made.create == ()
    assert entries(made)["a"]["state"] == "Queued"
    assert entries(made)["a"]["queuedAt"] == "2026-11-23T11:59:59.000000Z"


def test_a_run_goes_on_with_the_revision_its_jobs_were_made_from() -> None:
    changed = workflow(task("other"))
    observed = observe(DIAMOND, jobs={attempt_name("a"): job("a")})
    made = plan(Observed(run(), changed, observed.revisions, observed.jobs))
    assert list(entries(made)) == ["a", "b", "c", "d"]


def test_a_revision_that_is_not_in_the_cache_is_read_from_the_unchanged_workflow() -> None:
    status: JsonObject = {"phase": "Running", "revision": current_revision(DIAMOND).name}
    made = plan(Observed(run(status), DIAMOND))
    assert created(made)[0] == ("ControllerRevision", current_revision(DIAMOND).name)


@pytest.mark.parametrize("flow", [None, workflow(task("other"))])
def test_a_run_whose_revision_was_deleted_fails(flow: JsonObject | None) -> None:
    made = plan(Observed(run({"phase": "Running", "revision": "flow-gone"}), flow))
    assert made.status is not None
    assert made.status["phase"] == "Failed"
    assert "flow-gone" in made.status["message"]


def test_a_run_whose_workflow_is_deleted_goes_on() -> None:
    observed = observe(DIAMOND, results={attempt_name("a"): result("a")})
    status: JsonObject = {"phase": "Running", "revision": current_revision(DIAMOND).name}
    made = plan(
        Observed(
            run(status), None, observed.revisions, jobs=observed.jobs, results=observed.results
        )
    )
    assert created(made) == [("Job", attempt_name("b")), ("Job", attempt_name("c"))]


def test_a_run_waits_in_silence_while_its_workflow_may_still_be_on_its_way() -> None:
    fresh = run()
    assert plan(Observed(fresh, None)) == Plan(requeue_at=NOW + timedelta(seconds=2))
    fresh["metadata"]["annotations"] = {"podhatch.dev/workflow-generation": "2"}
    assert plan(Observed(fresh, DIAMOND)) == Plan(requeue_at=NOW + timedelta(seconds=2))


def test_a_run_never_starts_with_an_older_workflow_than_its_creator_applied() -> None:
    late = old_run()
    late["metadata"]["annotations"] = {"podhatch.dev/workflow-generation": "2"}
    made = plan(Observed(late, DIAMOND))
    assert made.create == ()
    assert made.status is not None
    assert made.status["conditions"][0]["reason"] == "WorkflowOutdated"
    newer = copy.deepcopy(DIAMOND)
    newer["metadata"]["generation"] = 2
    assert len(plan(Observed({**late, "status": made.status}, newer)).create) == 2


def test_a_workflow_that_was_made_anew_since_is_not_waited_for() -> None:
    """Schedules may outlive it: its generations are counted from 1 again."""
    scheduled, anew = old_run(), copy.deepcopy(DIAMOND)
    scheduled["metadata"]["annotations"] = {"podhatch.dev/workflow-generation": "7"}
    anew["metadata"]["creationTimestamp"] = ago(0)
    assert len(plan(Observed(scheduled, anew)).create) == 2


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


REJECTED: list[tuple[str, JsonObject | None, JsonObject, str, str, str]] = [
    (
        "no workflow",
        None,
        old_run(),
        "WorkflowNotFound",
        "Pending",
        "no Workflow 'flow' in namespace",
    ),
    (
        "cycle",
        workflow(task("a", "b"), task("b", "a")),
        run(),
        "WorkflowInvalid",
        "Pending",
        "cycle",
    ),
    (
        "input of another shape",
        workflow(task("a"), inputSchema={"properties": {"n": {"type": "integer"}}}),
        run(input={"n": "x"}),
        "InputInvalid",
        "Failed",
        "spec.input.n: 'x' is not of type 'integer'",
    ),
    (
        "input nested too deeply",
        workflow(task("a")),
        run(input={"a": nested(5000)}),
        "InputInvalid",
        "Failed",
        "more than 200 levels deep",
    ),
    (
        "input too large",
        workflow(task("a")),
        run(input={"blob": "x" * 300_000}),
        "InputTooLarge",
        "Failed",
        "at most 262144 are allowed",
    ),
    (
        "metadata too large, together with the workflow's",
        workflow(task("a"), defaultAdditionalMetadata={"a": "x" * 4_000}),
        run(additionalMetadata={str(number): "x" * 4_000 for number in range(8)}),
        "MetadataTooLarge",
        "Failed",
        "spec.additionalMetadata: 36064 bytes as JSON, the workflow's included, and at most 32768",
    ),
]


@pytest.mark.parametrize(
    ("flow", "raw_run", "reason", "phase", "words"),
    [case[1:] for case in REJECTED],
    ids=[case[0] for case in REJECTED],
)
def test_a_run_that_cannot_start_says_why(
    flow: JsonObject | None, raw_run: JsonObject, reason: str, phase: str, words: str
) -> None:
    made = plan(Observed(raw_run, flow))
    assert made.status is not None
    assert made.create == ()
    assert made.urgent
    assert made.status["phase"] == phase
    assert words in made.status["message"]
    accepted = made.status["conditions"][0]
    assert (accepted["type"], accepted["status"], accepted["reason"]) == (
        "Accepted",
        "False",
        reason,
    )
    assert [event["type"] for event in made.events] == ["Warning"]
    assert plan(Observed({**raw_run, "status": made.status}, flow)).status is None


def test_a_waiting_run_starts_when_its_workflow_appears() -> None:
    waiting = plan(Observed(old_run(), None)).status
    made = plan(Observed(run(waiting), DIAMOND))
    assert made.status is not None
    assert made.status["phase"] == "Running"
    assert made.status["conditions"][0]["status"] == "True"


def test_the_same_status_is_not_written_twice() -> None:
    observed = observe(DIAMOND, jobs={attempt_name("a"): job("a")})
    first = plan(observed).status
    again = plan(observe(DIAMOND, run(first), jobs={attempt_name("a"): job("a")}))
    assert again.status is None
    assert again.events == ()
    assert again.requeue_at is not None


def only(status: JsonObject | None, *names: str) -> JsonObject:
    """Return the status as it was before any other task was looked at."""
    assert status is not None
    return status | {"tasks": [entry for entry in status["tasks"] if entry["name"] in names]}


def test_a_large_output_stays_in_its_result_and_still_reaches_the_children() -> None:
    large = json.dumps("x" * 5000)
    done = {attempt_name("a"): result("a", output=large)}
    first = plan(observe(DIAMOND, results=done))
    assert entries(first)["a"]["outputRef"] == attempt_name("a")
    assert "output" not in entries(first)["a"]
    later = plan(observe(DIAMOND, run(only(first.status, "a")), results=done))
    for made in (first, later):
        env = made.create[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
        assert any(large in item["value"] for item in env)


def test_a_child_whose_parents_result_was_deleted_fails_and_says_so() -> None:
    done = {attempt_name("a"): result("a", output=json.dumps("x" * 5000))}
    status = plan(observe(DIAMOND, results=done)).status
    made = plan(observe(DIAMOND, run(only(status, "a"))))
    assert made.create == ()
    assert entries(made)["b"]["reason"] == "ParentOutputLost"


def test_an_attempt_whose_job_was_deleted_is_made_again_and_costs_no_retry() -> None:
    status = plan(observe(DIAMOND)).status
    made = plan(observe(DIAMOND, run(status)))
    assert created(made) == []
    entry = entries(made)["a"]
    assert (entry["disruptions"], entry.get("retries", 0)) == (1, 0)
    assert [record["reason"] for record in entry["attempts"]] == ["JobDeleted"]
    assert created(plan(observe(DIAMOND, run(made.status)))) == [("Job", attempt_name("a", 2))]


def test_tracebacks_and_outputs_share_the_room_of_the_status() -> None:
    names = [f"t{number}" for number in range(60)]
    flow = workflow(*(task(name) for name in names))
    error: JsonObject = {"type": "E", "message": "m", "traceback": "x" * 8000}
    failed = {attempt_name(name): result(name, "Failed", error=error) for name in names}
    status = plan(observe(flow, results=failed)).status
    assert len(json.dumps(status)) < 256 * 1024
    assert status is not None
    assert "traceback" in status["tasks"][0]["error"]
    assert "traceback" not in status["tasks"][-1]["error"]


def test_a_refused_attempt_waits_while_a_quota_may_become_free() -> None:
    refused = {attempt_name("a"): ApiRefusal(403, "exceeded quota: jobs")}
    made = plan(observe(DIAMOND, refusals=refused))
    entry = entries(made)["a"]
    assert (entry["state"], entry["reason"]) == ("Queued", "Refused")
    assert "exceeded quota" in entry["message"]
    assert "job" not in entry
    assert made.requeue_at == NOW + timedelta(seconds=300)
    again = plan(observe(DIAMOND, run(made.status)))
    assert created(again) == [("Job", attempt_name("a"))]
    assert entries(again)["a"]["queuedAt"] == entry["queuedAt"]


def test_a_refused_attempt_is_given_up_at_its_schedule_timeout() -> None:
    flow = workflow(task("a", scheduleTimeoutSeconds=1))
    waiting: JsonObject = {"name": "a", "state": "Queued", "queuedAt": ago(2)}
    raw = run({"revision": current_revision(flow).name, "tasks": [waiting]})
    made = plan(observe(flow, raw, refusals={attempt_name("a"): ApiRefusal(403, "quota")}))
    assert entries(made)["a"]["reason"] == "ScheduleTimedOut"
    assert made.status is not None
    assert made.status["phase"] == "Cancelled"


def test_an_attempt_that_can_never_be_created_fails() -> None:
    made = plan(observe(DIAMOND, refusals={attempt_name("a"): ApiRefusal(422, "invalid label")}))
    assert entries(made)["a"]["state"] == "Failed"
    assert made.status is not None
    assert made.status["phase"] == "Failed"


def test_a_task_that_does_not_start_in_time_is_cancelled_and_its_job_deleted() -> None:
    flow = workflow(task("a", scheduleTimeoutSeconds=30))
    waiting = pod({"waiting": {"reason": "ImagePullBackOff", "message": "not found"}})
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a", ago(31))},
        "pods": {attempt_name("a"): [waiting]},
    }
    made = plan(observe(flow, **children))
    entry = entries(made)["a"]
    assert (entry["state"], entry["reason"]) == ("Cancelled", "ScheduleTimedOut")
    assert "cannot be pulled: not found" in entry["message"]
    assert made.status is not None
    assert made.status["phase"] == "Cancelled"
    assert made.delete == ()
    after = plan(observe(flow, run(made.status), **children))
    assert after == Plan((Delete("Job", attempt_name("a")),))


@pytest.mark.parametrize("state", ["gone", "being deleted", "over"])
def test_a_job_that_needs_no_deletion_is_left_alone(state: str) -> None:
    flow = workflow(task("a", scheduleTimeoutSeconds=30))
    status = plan(observe(flow, jobs={attempt_name("a"): job("a", ago(31))})).status
    left = job("a", Failed="DeadlineExceeded") if state == "over" else job("a")
    if state == "being deleted":
        left["metadata"]["deletionTimestamp"] = ago(0)
    jobs: JsonObject = {} if state == "gone" else {attempt_name("a"): left}
    assert plan(observe(flow, run(status), jobs=jobs)) == Plan()


def test_a_waiting_task_says_why_and_an_event_tells_once() -> None:
    flow = workflow(task("a"))
    waiting = pod({"waiting": {"reason": "ErrImagePull", "message": "no such image"}})
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [waiting]},
    }
    made = plan(observe(flow, **children))
    assert entries(made)["a"]["reason"] == "ImagePull"
    assert [event["reason"] for event in made.events] == ["ImagePull", "Started"]
    assert made.urgent
    assert made.status is not None
    assert "cannot be pulled" in made.status["message"]
    assert plan(observe(flow, run(made.status), **children)).events == ()


def test_a_running_pod_makes_the_task_running() -> None:
    running = pod({"running": {"startedAt": ago(0)}})
    made = plan(
        observe(
            DIAMOND,
            jobs={attempt_name("a"): job("a")},
            pods={attempt_name("a"): [running]},
        )
    )
    entry = entries(made)["a"]
    assert (entry["state"], entry["node"]) == ("Running", "node-1")
    assert entry["startedAt"] == "2026-11-23T12:00:00.000000Z"


def test_a_report_that_may_still_arrive_is_awaited_then_judged() -> None:
    flow = workflow(task("a"))
    killed = pod(terminated(137))
    children: dict[str, Any] = {
        "jobs": {attempt_name("a"): job("a")},
        "pods": {attempt_name("a"): [killed]},
    }
    made = plan(observe(flow, **children))
    assert entries(made)["a"]["state"] == "Running"
    assert made.requeue_at == NOW + timedelta(seconds=5)
    late = plan_run(observe(flow, **children), DEFAULTS, NOW + timedelta(seconds=6))
    assert entries(late)["a"]["reason"] == "ExitCode"
    assert entries(late)["a"]["exitCode"] == 137


def test_a_termination_message_counts_when_no_result_came() -> None:
    message = json.dumps(report("a", output='{"x":1}'))
    made = plan(
        observe(
            workflow(task("a")),
            jobs={attempt_name("a"): job("a")},
            pods={attempt_name("a"): [pod(terminated(0, message))]},
        )
    )
    assert entries(made)["a"]["output"] == '{"x":1}'
    assert [event["reason"] for event in made.events] == ["Succeeded"]


def test_a_container_tasks_output_is_its_termination_message() -> None:
    made = plan(
        observe(
            workflow(container_task("a")),
            jobs={attempt_name("a"): job("a")},
            pods={attempt_name("a"): [pod(terminated(0, '{"ok": true}\n'))]},
        )
    )
    assert entries(made)["a"]["output"] == '{"ok": true}'


def test_a_finished_run_is_left_alone() -> None:
    assert plan(Observed(run({"phase": "Succeeded"}), DIAMOND)) == Plan()


def test_a_run_that_is_being_deleted_is_left_alone() -> None:
    raw = run()
    raw["metadata"]["deletionTimestamp"] = ago(0)
    assert plan(Observed(raw, DIAMOND)) == Plan()


def test_every_status_is_a_status() -> None:
    """What the plan writes is what the model reads."""
    made = plan(Observed(run(), DIAMOND))
    parsed = WorkflowRun.model_validate({**run(), "status": made.status})
    assert parsed.status is not None
    assert parsed.status.to_wire() == made.status
