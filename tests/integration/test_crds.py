"""What a real API server makes of the definitions: it takes them, good objects, and no bad ones."""

import json
from collections.abc import Iterator
from uuid import uuid4

import pytest
import yaml
from podhatch.api.crds import DEFINITIONS, REPOSITORY, ResourceDefinition
from podhatch.api.model import JsonObject
from podhatch.api.names import rate_limit_name
from podhatch.api.result import TaskResult
from podhatch.api.run import WorkflowRun
from podhatch.api.task import MAX_TASKS
from podhatch.api.workflow import Workflow

from tests.helm import RELEASE
from tests.kube import OPERATOR_NAMESPACE
from tests.kubectl import Kubectl, Refused, apply_all
from tests.unit.api import examples

API = "podhatch.dev/v1alpha1"
NAMESPACE = f"crds-{uuid4().hex[:8]}"


@pytest.fixture(scope="module")
def kubectl() -> Kubectl:
    """The cluster with the definitions of this clone in it; no policy keeps us from any object."""
    administrator = Kubectl()
    files = sorted((REPOSITORY / "crds").glob("*.yaml"))
    apply_all(administrator, [yaml.safe_load(path.read_text()) for path in files])
    names = [f"crd/{definition.plural}.podhatch.dev" for definition in DEFINITIONS]
    administrator("wait", "--for=condition=Established", "--timeout=30s", *names)
    operator = f"system:serviceaccount:{OPERATOR_NAMESPACE}:{RELEASE}"
    return administrator.impersonating(operator, "system:masters")


@pytest.fixture(scope="module", autouse=True)
def namespace(kubectl: Kubectl) -> Iterator[str]:
    kubectl("create", "namespace", NAMESPACE)
    yield NAMESPACE
    kubectl("delete", "namespace", NAMESPACE, "--wait=false")


def workflow(*tasks: object, name: str = "orders", **spec: object) -> JsonObject:
    """A Workflow as a user writes it."""
    metadata = {"name": name, "namespace": NAMESPACE}
    body = {"tasks": list(tasks), **spec}
    return {"apiVersion": API, "kind": "Workflow", "metadata": metadata, "spec": body}


def run(name: str = "orders-1", namespace: str = NAMESPACE, **spec: object) -> JsonObject:
    """A WorkflowRun as a user writes it."""
    metadata = {"name": name, "namespace": namespace}
    body = {"workflow": "orders", **spec}
    return {"apiVersion": API, "kind": "WorkflowRun", "metadata": metadata, "spec": body}


def result(**spec: object) -> JsonObject:
    """A TaskResult as a pod writes it."""
    metadata = {"name": "orders-1-a-abcdef-1", "namespace": NAMESPACE}
    body = {"run": "orders-1", "task": "a", "attempt": 1, "outcome": "Succeeded", **spec}
    return {"apiVersion": API, "kind": "TaskResult", "metadata": metadata, "spec": body}


def rate_limit(name: str, key: str) -> JsonObject:
    """A RateLimit as a user writes it."""
    metadata = {"name": name, "namespace": NAMESPACE}
    spec = {"key": key, "limit": 1}
    return {"apiVersion": API, "kind": "RateLimit", "metadata": metadata, "spec": spec}


def python(name: str, *parents: str, **fields: object) -> JsonObject:
    """A python task."""
    return {"name": name, "python": "m:f", "parents": list(parents), **fields}


CONTAINER = {"image": "python:3.13-slim"}
TASK = python("a")


@pytest.mark.parametrize("definition", DEFINITIONS, ids=lambda d: d.plural)
def test_kubectl_knows_the_kind(
    kubectl: Kubectl, namespace: str, definition: ResourceDefinition
) -> None:
    assert kubectl("get", definition.short_name, "-n", namespace, "-o", "name") == ""
    explained = kubectl("explain", f"{definition.model.__name__.lower()}.spec")
    [version] = definition.to_wire()["spec"]["versions"]
    description = version["schema"]["openAPIV3Schema"]["properties"]["spec"]["description"]
    assert description in " ".join(explained.split())


def test_the_kinds_are_a_category(kubectl: Kubectl) -> None:
    listed = kubectl("api-resources", "--categories=podhatch", "-o", "name").split()
    assert set(listed) == {f"{definition.plural}.podhatch.dev" for definition in DEFINITIONS}


@pytest.mark.parametrize("example", examples.ALL, ids=lambda e: e.metadata.name)
def test_a_full_object_is_stored_as_it_is(
    kubectl: Kubectl, namespace: str, example: Workflow | WorkflowRun | TaskResult
) -> None:
    wire = example.to_wire()
    wire["metadata"]["namespace"] = namespace
    assert type(example).model_validate(kubectl.try_create(wire)).spec == example.spec


@pytest.mark.parametrize("example", [examples.WORKFLOW, examples.RUN], ids=lambda e: e.kind)
def test_a_full_status_is_stored_as_it_is(
    kubectl: Kubectl, namespace: str, example: Workflow | WorkflowRun
) -> None:
    wire = example.to_wire()
    wire["metadata"]["namespace"] = namespace
    kubectl("create", "-f", "-", manifests=[wire])
    answer = kubectl(
        *("replace", "--subresource=status", "--dry-run=server", "-o", "yaml", "-f", "-"),
        manifests=[wire],
    )
    assert yaml.safe_load(answer)["status"] == wire["status"]


def test_what_a_task_does_not_say_has_the_defaults_of_the_models(kubectl: Kubectl) -> None:
    task = kubectl.try_create(workflow(TASK))["spec"]["tasks"][0]
    assert task["scheduleTimeoutSeconds"] == 300
    assert task["executionTimeoutSeconds"] == 60
    assert task["clusterAccess"] == "report"
    assert "durable" not in task
    durable = workflow(python("a", durable={}, clusterAccess="spawn"))
    task = kubectl.try_create(durable)["spec"]["tasks"][0]
    assert task["durable"] == {"evictionTtlSeconds": 15}


@pytest.mark.parametrize(
    "manifest",
    [
        workflow(python("Task.0"), python("Task.1", "Task.0"), python("Task.2", "Task.1")),
        workflow({"name": "a", "container": CONTAINER}),
        workflow(python("a", durable={}, clusterAccess="spawn")),
        workflow(python("late", "early"), python("early")),
        workflow(python("x" * 63), python("0_.-9", "x" * 63)),
        workflow(TASK, name="w" * 63, inputSchema={"$ref": "#/x", "anyOf": [{"a": 1}]}),
        run("r" * 63),
        run("early", startAt="1970-01-01T00:00:00Z"),
        run("exact", startAt="2999-12-31T23:59:59.123456789+05:30"),
        run("with.dots", input={"any": [{"thing": None}], "n": 1.5}),
        result(output='{"a": 1}'),
        result(outcome="TimedOut", error={"type": "TimeoutError"}),
        rate_limit("mail.example", "mail.example"),
        rate_limit(rate_limit_name("Mail EU"), "Mail EU"),
    ],
)
def test_good_objects_are_taken(kubectl: Kubectl, manifest: JsonObject) -> None:
    assert kubectl.try_create(manifest)["metadata"]["name"] == manifest["metadata"]["name"]


def test_the_largest_workflow_fits_the_servers_budget_for_rules(kubectl: Kubectl) -> None:
    first = [python(f"a-rather-long-name-for-a-task-{n}") for n in range(MAX_TASKS - 1)]
    join = python("join", *(task["name"] for task in first))
    assert len(kubectl.try_create(workflow(*first, join))["spec"]["tasks"]) == MAX_TASKS
    with pytest.raises(Refused, match="must have at most 1000 items"):
        kubectl.try_create(workflow(*first, join, python("one-more")))


@pytest.mark.parametrize(
    ("manifest", "field", "words"),
    [
        (workflow(), "spec.tasks", "at least 1 items"),
        (workflow(python("a", "a")), "spec.tasks[0]", "cannot be its own parent"),
        (workflow(TASK, python("a")), "spec.tasks[1]", "Duplicate value"),
        (workflow(python("b", "a", "a"), TASK), "spec.tasks[0].parents[1]", "Duplicate value"),
        (workflow({**TASK, "container": CONTAINER}), "spec.tasks[0]", "python or container"),
        (workflow({"name": "a"}), "spec.tasks[0]", "python or container"),
        (
            workflow({"name": "a", "container": CONTAINER, "image": "x"}),
            "spec.tasks[0]",
            "container.image instead",
        ),
        (workflow({"name": "a", "container": {}}), "spec.tasks[0].container.image", "Required"),
        (workflow(python("a", durable={})), "spec.tasks[0]", "clusterAccess: spawn for its log"),
        (
            workflow(python("a", durable={}, clusterAccess="report")),
            "spec.tasks[0]",
            "clusterAccess: spawn for its log",
        ),
        (
            workflow(
                {"name": "a", "container": CONTAINER, "durable": {}, "clusterAccess": "spawn"}
            ),
            "spec.tasks[0]",
            "a durable task needs python",
        ),
        (
            workflow(python("a", durable={"evictionTtlSeconds": 0}, clusterAccess="spawn")),
            "spec.tasks[0].durable.evictionTtlSeconds",
            "greater than 0",
        ),
        (workflow({"python": "m:f"}), "spec.tasks[0].name", "Required value"),
        (workflow(python("-a")), "spec.tasks[0].name", "should match"),
        (workflow(python("a b")), "spec.tasks[0].name", "should match"),
        (workflow(python("x" * 64)), "spec.tasks[0].name", "Too long"),
        (workflow({"name": "a", "python": "no-colon"}), "spec.tasks[0].python", "should match"),
        (workflow(TASK, name="w" * 64), "metadata.name", "at most 63 characters"),
        (
            workflow(python("a", executionTimeoutSeconds=0)),
            "spec.tasks[0].executionTimeoutSeconds",
            "greater than 0",
        ),
        (
            workflow(python("a", executionTimeoutSeconds="60s")),
            "spec.tasks[0].executionTimeoutSeconds",
            "must be of type number",
        ),
        (
            workflow(python("a", desiredWorkerLabels=[{"key": "k", "value": "v", "weight": 0}])),
            "spec.tasks[0].desiredWorkerLabels[0].weight",
            "greater than or equal to 1",
        ),
        (workflow(TASK, imagePullPolicy="never"), "spec.imagePullPolicy", "supported values"),
        (workflow(TASK, inputSchema=[]), "spec.inputSchema", "must be of type object"),
        (workflow(python("a", retires=3)), "spec.tasks[0].retires", "unknown field"),
        (workflow(TASK, task=[]), "spec.task", "unknown field"),
        (rate_limit("mial", "mail"), "metadata.name", "must be its key"),
        (run("r" * 64), "metadata.name", "at most 63 characters"),
        (run(workflow=""), "spec.workflow", "at least 1 chars"),
        (run(input="text"), "spec.input", "must be of type object"),
        (run(additionalMetadata={"a": 1}), "spec.additionalMetadata.a", "of type string"),
        (run(inputs={}), "spec.inputs", "unknown field"),
        (run(startAt="tomorrow"), "spec.startAt", "must be of type date-time"),
        (run(startAt="0001-01-01T00:00:00Z"), "spec.startAt", "should match"),
        (run(startAt="2027-01-01t12:00:00z"), "spec.startAt", "should match"),
        (run(startAt="9999-12-31T23:59:59-12:00"), "spec.startAt", "should match"),
        (run(startAt="2027-01-01T12:00:00+99:00"), "spec.startAt", "should match"),
        (result(startedAt="0001-01-01T00:00:00Z"), "spec.startedAt", "should match"),
        (result(outcome="Fine"), "spec.outcome", "supported values"),
        (result(attempt=0), "spec.attempt", "greater than or equal to 1"),
        (result(output=1), "spec.output", "must be of type string"),
        (result(output="x" * 262145), "spec.output", "Too long"),
    ],
)
def test_bad_objects_are_refused_with_words_that_help(
    kubectl: Kubectl, manifest: JsonObject, field: str, words: str
) -> None:
    with pytest.raises(Refused) as refusal:
        kubectl.try_create(manifest)
    message = str(refusal.value)
    assert field in message
    assert words in message


@pytest.mark.parametrize(
    "change",
    [
        {"workflow": "other"},
        {"input": {"id": 2}},
        {"input": {"id": None}},
        {"input": {"more": True}},
        {"input": None},
        {"additionalMetadata": {"customer": "8"}},
        {"additionalMetadata": None},
    ],
    ids=str,
)
def test_the_spec_of_a_run_cannot_change(
    kubectl: Kubectl, namespace: str, change: JsonObject
) -> None:
    fixed = run("fixed", namespace, input={"id": 1}, additionalMetadata={"customer": "7"})
    apply_all(kubectl, [fixed])
    patch = json.dumps({"spec": change})
    with pytest.raises(Refused, match="of a WorkflowRun cannot change: create another run"):
        kubectl("patch", "wfr", "fixed", "-n", namespace, "--type=merge", "-p", patch)


def test_the_rest_of_a_run_can_change(kubectl: Kubectl, namespace: str) -> None:
    apply_all(kubectl, [run("labelled", namespace, input={"id": 1})])
    kubectl("label", "wfr", "labelled", "-n", namespace, "team=data")
    apply_all(kubectl, [run("labelled", namespace, input={"id": 1})])
    labels = kubectl.json("get", "wfr", "labelled", "-n", namespace)["metadata"]["labels"]
    assert labels["team"] == "data"


def test_a_result_cannot_change(kubectl: Kubectl, namespace: str) -> None:
    final = result(output="1")
    final["metadata"]["namespace"] = namespace
    kubectl("create", "-f", "-", manifests=[final])
    with pytest.raises(Refused, match="a TaskResult with an outcome cannot change"):
        kubectl(
            *("patch", "tres", final["metadata"]["name"], "-n", namespace, "--type=merge"),
            *("-p", '{"spec": {"output": "2"}}'),
        )


def test_runs_can_be_selected_by_workflow(kubectl: Kubectl, namespace: str) -> None:
    apply_all(kubectl, [run("mine", namespace, workflow="a"), run("not", namespace, workflow="b")])
    words = ("get", "wfr", "-n", namespace, "-o", "name", "--field-selector=spec.workflow=a")
    assert kubectl(*words).split() == ["workflowrun.podhatch.dev/mine"]


def test_a_list_shows_what_one_wants_to_know(kubectl: Kubectl, namespace: str) -> None:
    apply_all(kubectl, [run("listed", namespace)])
    narrow = kubectl("get", "wfr", "-n", namespace).splitlines()[0].split()
    assert narrow == ["NAME", "WORKFLOW", "PHASE", "PROGRESS", "AGE"]
    wide = kubectl("get", "wfr", "-n", namespace, "-o", "wide").splitlines()[0].split()
    assert {"MESSAGE", "STARTED", "FINISHED"} <= set(wide)
