"""The Job that is created for an attempt."""

import json

import pytest
from podhatch.api import pod as contract
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.common.observed import Defaults
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import DEFAULTS, container_task, run, task, workflow


def make_job(
    raw_task: JsonObject, run_spec: JsonObject | None = None, **spec: object
) -> JsonObject:
    """Return the Job of a task's first attempt, which comes last of what is created for it."""
    flow = workflow(raw_task, **spec)
    attempt = AttemptSpec(
        WorkflowRun.model_validate(run(**(run_spec or {}))), TaskSpec.model_validate(raw_task), 1
    )
    made = attempt_manifests(attempt, current_revision(flow), DEFAULTS, AttemptInput())
    assert made[-1]["kind"] == "Job"
    return made[-1]


def container_of(made: JsonObject) -> JsonObject:
    return made["spec"]["template"]["spec"]["containers"][0]


def environment(made: JsonObject) -> dict[str, str]:
    return {item["name"]: item["value"] for item in container_of(made)["env"]}


def test_a_python_task_has_the_runner_and_its_permission() -> None:
    made = make_job(task("a", executionTimeoutSeconds=1.5), name="My Flow")
    assert container_of(made)["command"] == ["python", "-m", "podhatch.runner"]
    assert container_of(made)["image"] == "runner:test"
    assert made["spec"]["template"]["spec"]["serviceAccountName"] == "podhatch-report"
    assert made["spec"]["activeDeadlineSeconds"] == 302 + 60
    assert environment(made)["PODHATCH_WORKFLOW"] == "My Flow"
    assert environment(made)["PODHATCH_EXECUTION_TIMEOUT_SECONDS"] == "1.5"
    assert environment(made)["PODHATCH_RESULT"] == made["metadata"]["name"]
    assert "volumes" not in made["spec"]["template"]["spec"]


def test_a_container_task_is_what_the_user_wrote() -> None:
    made = make_job(container_task("a"))
    assert container_of(made)["image"] == "any:1"
    assert "activeDeadlineSeconds" not in made["spec"]["template"]["spec"]
    assert "PODHATCH_PYTHON" not in environment(made)
    assert environment(made)["PODHATCH_OUTPUT"] == "/dev/termination-log"


@pytest.mark.parametrize(("user", "non_root"), [(None, True), (1000, True), (0, False)])
def test_the_process_has_the_user_of_its_task(user: int | None, non_root: bool) -> None:
    fields: JsonObject = {} if user is None else {"runAsUser": user}
    context = make_job(task("a", **fields))["spec"]["template"]["spec"]["securityContext"]
    assert context["runAsUser"] == (65532 if user is None else user)
    assert context["runAsNonRoot"] is non_root


@pytest.mark.parametrize(
    ("task_image", "workflow_image", "expected", "policy"),
    [
        (None, None, "runner:test", "IfNotPresent"),
        (None, "flow:1", "flow:1", None),
        ("task:1", "flow:1", "task:1", None),
    ],
)
def test_the_nearest_image_counts(
    task_image: str | None, workflow_image: str | None, expected: str, policy: str | None
) -> None:
    fields: JsonObject = {"image": task_image} if task_image else {}
    spec: JsonObject = {"image": workflow_image} if workflow_image else {}
    container = container_of(make_job(task("a", **fields), **spec))
    assert container["image"] == expected
    assert container.get("imagePullPolicy") == policy


def test_the_workflows_pull_policy_counts_for_all() -> None:
    container = container_of(make_job(container_task("a"), imagePullPolicy="Never"))
    assert container["imagePullPolicy"] == "Never"


def test_labels_place_the_pod() -> None:
    wishes = [{"key": "zone", "value": "x", "required": True}]
    pod_spec = make_job(task("a", desiredWorkerLabels=wishes))["spec"]["template"]["spec"]
    assert "nodeAffinity" in pod_spec["affinity"]


def test_a_shipped_source_is_mounted() -> None:
    made = make_job(task("a"), source={"configMap": "src-1"})
    pod_spec = made["spec"]["template"]["spec"]
    assert pod_spec["volumes"] == [{"name": "source", "configMap": {"name": "src-1"}}]
    assert environment(made)["PODHATCH_SOURCE"] == "/podhatch/source/source.zip"


def test_a_large_input_travels_by_file_beside_the_source() -> None:
    raw_task = task("a")
    flow = workflow(raw_task, source={"configMap": "src-1"})
    attempt = AttemptSpec(
        WorkflowRun.model_validate(run(input={"blob": "x" * 40_000})),
        TaskSpec.model_validate(raw_task),
        1,
    )
    config_map, made = attempt_manifests(
        attempt, current_revision(flow), Defaults("runner"), AttemptInput({"p": None})
    )
    assert config_map["metadata"]["name"] == made["metadata"]["name"]
    assert json.loads(config_map["data"]["parents.json"]) == {"p": None}
    assert environment(made)[contract.INPUT_FILE] == "/podhatch/data/input.json"
    assert contract.INPUT not in environment(made)
    volumes = made["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["source", "data"]


def test_an_input_arrives_as_it_is_although_kubernetes_expands_variables() -> None:
    made = make_job(task("a"), {"input": {"price": "$5 $(HOME) $$"}})
    assert environment(made)["PODHATCH_INPUT"] == '{"price":"$$5 $$(HOME) $$$$"}'
