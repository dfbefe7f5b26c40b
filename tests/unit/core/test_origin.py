"""Where a run comes from, and what its pods are told of it: parent, event, priority, metadata."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.common.observed import Observed
from podhatch.core.run.acceptance import ancestors_of
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import DEFAULTS, NOW, container_task, run, task, workflow
from tests.unit.core.planning import plan, stored, variable

PARENT: JsonObject = {"run": "parent-1", "task": "spawn", "job": "parent-1-spawn-x-1"}


def pod_of(
    flow: JsonObject, spec: JsonObject | None = None, *, with_classes: bool = True
) -> JsonObject:
    """Return the spec of the pod of the workflow's first task."""
    first = TaskSpec.model_validate(flow["spec"]["tasks"][0])
    attempt = AttemptSpec(WorkflowRun.model_validate(run(**(spec or {}))), first, 1)
    defaults = replace(DEFAULTS, priority_classes=with_classes)
    made = attempt_manifests(attempt, current_revision(flow), defaults, AttemptInput())
    return made[-1]["spec"]["template"]["spec"]


def environment(pod: JsonObject) -> dict[str, str]:
    return {item["name"]: item["value"] for item in pod["containers"][0]["env"]}


@pytest.mark.parametrize(
    ("own", "default", "name"),
    [
        (None, None, None),
        (None, 3, "podhatch-high"),
        (1, 3, "podhatch-low"),
        (2, None, "podhatch-medium"),
    ],
)
def test_the_runs_priority_counts_before_its_workflows(
    own: int | None, default: int | None, name: str | None
) -> None:
    flow = workflow(task("a"), defaultPriority=default) if default else workflow(task("a"))
    spec = {"priority": own} if own else {}
    assert pod_of(flow, spec).get("priorityClassName") == name
    assert "priorityClassName" not in pod_of(flow, spec, with_classes=False)


def test_the_users_own_class_stays() -> None:
    template = {"spec": {"priorityClassName": "mine"}}
    flow = workflow(task("a", pod={"podTemplate": template}), defaultPriority=1)
    assert pod_of(flow)["priorityClassName"] == "mine"


def test_the_runs_metadata_lies_over_its_workflows() -> None:
    flow = workflow(task("a"), defaultAdditionalMetadata={"team": "a", "tier": "1"})
    env = environment(pod_of(flow, {"additionalMetadata": {"tier": "2"}}))
    assert json.loads(env["PODHATCH_METADATA"]) == {"team": "a", "tier": "2"}


def test_a_run_that_nothing_triggered_has_nothing_to_tell() -> None:
    assert "PODHATCH_TRIGGER" not in environment(pod_of(workflow(task("a"))))


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ({"priority": 3}, {"priority": 3}),
        ({"parent": {**PARENT, "index": 0}}, {"parentRun": "parent-1", "childIndex": 0}),
        ({"parent": {**PARENT, "key": "k"}}, {"parentRun": "parent-1", "childKey": "k"}),
        (
            {"trigger": {"event": {"id": "e-1", "key": "paid", "filterPayload": {"n": "$(X)"}}}},
            {"eventId": "e-1", "eventKey": "paid", "filterPayload": {"n": "$$(X)"}},
        ),
        (
            {"trigger": {"event": {"id": "e-1", "key": "paid"}}},
            {"eventId": "e-1", "eventKey": "paid"},
        ),
    ],
)
def test_a_task_is_told_how_its_run_came_about(spec: JsonObject, told: JsonObject) -> None:
    for each in (task("a"), container_task("a")):
        env = environment(pod_of(workflow(each), spec))
        assert json.loads(env["PODHATCH_TRIGGER"]) == told


def test_a_task_is_told_the_workflow_object_that_goes_by_another_name() -> None:
    env = environment(pod_of(workflow(task("a"), name="Monthly Report")))
    assert json.loads(env["PODHATCH_TRIGGER"]) == {"workflow": "flow"}


def test_a_task_knows_its_revision_and_a_python_task_its_lifespan() -> None:
    for each, lifespan in ((task("a"), "app:lifespan"), (container_task("a"), None)):
        flow = workflow(each, lifespan="app:lifespan")
        env = environment(pod_of(flow))
        assert env["PODHATCH_REVISION"] == current_revision(flow).name
        assert env.get("PODHATCH_LIFESPAN") == lifespan
    assert "PODHATCH_LIFESPAN" not in environment(pod_of(workflow(task("a"))))


def parent_job(of_run: str, of_task: str) -> JsonObject:
    return {"metadata": {"labels": {labels.RUN: of_run, labels.TASK: of_task}}}


@pytest.mark.parametrize(
    ("job", "refused"),
    [
        (None, False),
        (parent_job("parent-1", "spawn"), False),
        (parent_job("other", "spawn"), True),
        (parent_job("parent-1", "other"), True),
        ({"metadata": {}}, True),
    ],
)
def test_a_child_of_a_stranger_is_refused(job: JsonObject | None, refused: bool) -> None:
    flow = workflow(task("a"))
    raw = run(parent={**PARENT, "index": 0}, startAt="2030-01-01T00:00:00Z")
    made = plan_run(Observed(raw, flow, parent_job=job), DEFAULTS, NOW)
    reason = stored(made)["conditions"][0]["reason"]
    assert (reason, stored(made)["phase"]) == (
        ("ParentInvalid", "Failed") if refused else ("Scheduled", "Pending")
    )


def parents(*depths: int | None) -> list[JsonObject]:
    """Return runs that are each the child of the next, the last of nobody; None: no depth yet."""
    chain = [run({"depth": depth} if depth else None, parent=PARENT) for depth in depths]
    chain[-1]["spec"].pop("parent")
    return chain


@pytest.mark.parametrize(
    ("ancestors", "depth"),
    [
        ([], 1),
        (parents(None), 1),
        (parents(None, None, None), 3),
        ([run({"depth": 15}, parent=PARENT)], 16),
        ([run({"depth": 16}, parent=PARENT)], 17),
        ([run(parent=PARENT), run({"depth": 16}, parent=PARENT)], 18),
        ([run(parent=PARENT)] * 16, 17),
    ],
)
def test_a_child_run_is_one_deeper_than_its_parent(ancestors: list[JsonObject], depth: int) -> None:
    raw = run(parent={**PARENT, "index": 0})
    made = plan_run(Observed(raw, workflow(task("a")), ancestors=ancestors), DEFAULTS, NOW)
    assert stored(made)["depth"] == depth
    assert bool(made.create) == (depth <= DEFAULTS.max_depth)
    if depth > DEFAULTS.max_depth:
        assert stored(made)["phase"] == "Failed"
        assert stored(made)["conditions"][0]["reason"] == "TooDeep"
        assert "at most 16 are allowed (chart value maxRunDepth)" in stored(made)["message"]


def test_a_run_keeps_the_depth_that_its_status_holds() -> None:
    raw = run({"depth": 3}, parent={**PARENT, "index": 0})
    made = plan_run(Observed(raw, workflow(task("a"))), DEFAULTS, NOW)
    assert stored(made)["depth"] == 3


def test_a_run_without_a_parent_has_no_depth() -> None:
    assert "depth" not in stored(plan(workflow(task("a"))))


def test_runs_that_name_each_other_as_parents_are_too_deep() -> None:
    mine = run(parent={**PARENT, "index": 0})
    ancestors = [*ancestors_of(mine, lambda _: mine)]
    made = plan_run(Observed(mine, workflow(task("a")), ancestors=ancestors), DEFAULTS, NOW)
    assert stored(made)["conditions"][0]["reason"] == "TooDeep"


def test_the_runs_above_end_where_the_depth_is_known() -> None:
    top, parent = run({"depth": 4}, parent=PARENT), run(parent={**PARENT, "run": "top"})
    runs = {"parent-1": parent, "top": top}
    assert [*ancestors_of(run(parent=PARENT), runs.get)] == [parent, top]
    assert [*ancestors_of(run(parent=PARENT), lambda _: None)] == []


@pytest.mark.parametrize(("uid", "phase"), [("parent-uid", "Running"), ("other-uid", "Failed")])
def test_a_child_belongs_to_the_run_whose_task_has_asked_for_it(uid: str, phase: str) -> None:
    job = parent_job("parent-1", "spawn")
    job["metadata"]["ownerReferences"] = [{"uid": "parent-uid", "controller": True}]
    raw = run(parent={**PARENT, "index": 0})
    owner = {"apiVersion": labels.API_VERSION, "kind": "WorkflowRun", "name": "parent-1"}
    raw["metadata"]["ownerReferences"] = [{**owner, "uid": uid}]
    made = plan_run(Observed(raw, workflow(task("a")), parent_job=job), DEFAULTS, NOW)
    assert made.status is not None
    assert made.status["phase"] == phase
    if phase == "Failed":
        assert "the owner is not the run 'parent-1' of spec.parent" in made.status["message"]


def test_a_child_that_runs_is_not_asked_for_its_parent_again() -> None:
    flow = workflow(task("a"))
    begun = plan(flow, spec={"parent": {**PARENT, "index": 0}})
    raw = run(begun.status, parent={**PARENT, "index": 0})
    observed = Observed(raw, flow, parent_job=parent_job("other", "other"))
    later = plan_run(observed, DEFAULTS, NOW + timedelta(seconds=1))
    assert variable(begun, "PODHATCH_TRIGGER")
    assert later.status is None or later.status["phase"] == "Running"


def test_a_filters_payload_that_fits_no_variable_fails_the_run() -> None:
    event = {"id": "e-1", "key": "paid", "filterPayload": {"long": "x" * 40_000}}
    made = plan(workflow(task("a")), spec={"trigger": {"event": event}})
    assert stored(made)["phase"] == "Failed"
    assert "spec.trigger.event.filterPayload" in stored(made)["message"]
