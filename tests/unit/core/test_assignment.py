"""What a run gives its pods: trigger, parent, priority, metadata, revision."""

import json
from dataclasses import replace

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import DEFAULTS, container_task, run, task, workflow
from tests.unit.core.planning import plan, stored

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
def test_the_priority_of_a_run_overrides_that_of_its_workflow(
    own: int | None, default: int | None, name: str | None
) -> None:
    flow = workflow(task("a"), defaultPriority=default) if default else workflow(task("a"))
    spec = {"priority": own} if own else {}
    assert pod_of(flow, spec).get("priorityClassName") == name
    assert "priorityClassName" not in pod_of(flow, spec, with_classes=False)


def test_a_priority_class_of_the_user_is_kept() -> None:
    template = {"spec": {"priorityClassName": "mine"}}
    flow = workflow(task("a", pod={"podTemplate": template}), defaultPriority=1)
    assert pod_of(flow)["priorityClassName"] == "mine"


def test_the_metadata_of_a_run_overrides_that_of_its_workflow() -> None:
    flow = workflow(task("a"), defaultAdditionalMetadata={"team": "a", "tier": "1"})
    env = environment(pod_of(flow, {"additionalMetadata": {"tier": "2"}}))
    assert json.loads(env["PODHATCH_METADATA"]) == {"team": "a", "tier": "2"}


def test_the_pod_of_a_run_without_a_trigger_has_no_trigger_variable() -> None:
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
def test_a_pod_gets_the_trigger_of_its_run(spec: JsonObject, told: JsonObject) -> None:
    for each in (task("a"), container_task("a")):
        env = environment(pod_of(workflow(each), spec))
        assert json.loads(env["PODHATCH_TRIGGER"]) == told


def test_a_pod_gets_the_name_of_the_workflow_object_if_it_differs() -> None:
    env = environment(pod_of(workflow(task("a"), name="Monthly Report")))
    assert json.loads(env["PODHATCH_TRIGGER"]) == {"workflow": "flow"}


def test_a_pod_gets_its_revision_and_a_python_task_its_lifespan() -> None:
    for each, lifespan in ((task("a"), "app:lifespan"), (container_task("a"), None)):
        flow = workflow(each, lifespan="app:lifespan")
        env = environment(pod_of(flow))
        assert env["PODHATCH_REVISION"] == current_revision(flow).name
        assert env.get("PODHATCH_LIFESPAN") == lifespan
    assert "PODHATCH_LIFESPAN" not in environment(pod_of(workflow(task("a"))))


def test_a_filter_payload_that_is_too_large_for_a_variable_fails_the_run() -> None:
    event = {"id": "e-1", "key": "paid", "filterPayload": {"long": "x" * 40_000}}
    made = plan(workflow(task("a")), spec={"trigger": {"event": event}})
    assert stored(made)["phase"] == "Failed"
    assert "spec.trigger.event.filterPayload" in stored(made)["message"]
