"""The core's smaller decisions: shape, placement, pods, diagnosis, schema, conditions."""

import json
from datetime import datetime, timedelta

import pytest
from podhatch.api import pod as contract
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.api.task import DesiredWorkerLabel, TaskSpec
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.condition import find_condition, with_condition
from podhatch.core.common.observed import Defaults
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems, schema_problem
from podhatch.core.pod.affinity import node_affinity
from podhatch.core.pod.pods import newest
from podhatch.core.run.attempt import Attempt, Surroundings, attempt_manifests
from podhatch.core.run.diagnosis import diagnose, lookup_due
from podhatch.core.run.transition import transitions
from podhatch.core.workflow.dag import shape_problems
from podhatch.core.workflow.revision import current_revision
from podhatch.core.workflow.validate import plan_workflow

from tests.fakes.answers import answered
from tests.fakes.objects import DEFAULTS, NOW, ago, container_task, job, pod, run, task, workflow

ASKED = Questions(IN_PROCESS)


def checked(flow: JsonObject, now: datetime) -> JsonObject | None:
    return answered(lambda known: plan_workflow(flow, now, answers=known)).status


def spec_of(*tasks: JsonObject, **fields: object) -> WorkflowSpec:
    return WorkflowSpec.model_validate(workflow(*tasks, **fields)["spec"])


@pytest.mark.parametrize(
    ("tasks", "words"),
    [
        ([task("a", "b")], "spec.tasks[a].parents: no task is named 'b'"),
        ([task("a", "c"), task("b", "a"), task("c", "b")], "cycle, a -> b -> c -> a"),
        (
            [
                task(
                    "a",
                    desiredWorkerLabels=[{"key": "k", "value": "x", "comparator": "LessThan"}],
                )
            ],
            "spec.tasks[a].desiredWorkerLabels[k].value: LessThan compares whole numbers",
        ),
    ],
)
def test_a_misshapen_workflow_is_described(tasks: list[JsonObject], words: str) -> None:
    problems = shape_problems(spec_of(*tasks), ASKED)
    assert len(problems) == 1
    # Where a cycle begins to be told is the library's choice.
    assert words in problems[0] or ("cycle" in words and "cycle" in problems[0])


def test_a_good_shape_has_no_problems() -> None:
    numbers = [{"key": "k", "value": "-3", "comparator": "GreaterThan"}]
    assert (
        shape_problems(spec_of(task("b", "a"), task("a", desiredWorkerLabels=numbers)), ASKED) == []
    )


@pytest.mark.parametrize(
    ("comparator", "operator", "value"),
    [
        ("Equal", "In", "7"),
        ("NotEqual", "NotIn", "7"),
        ("GreaterThan", "Gt", "7"),
        ("GreaterThanOrEqual", "Gt", "6"),
        ("LessThan", "Lt", "7"),
        ("LessThanOrEqual", "Lt", "8"),
    ],
)
def test_comparators_become_node_expressions(comparator: str, operator: str, value: str) -> None:
    raw = {"key": "size", "value": "7", "comparator": comparator}
    wish = DesiredWorkerLabel.model_validate({**raw, "weight": 40})
    must = DesiredWorkerLabel.model_validate({**raw, "required": True})
    expression = {"key": "size", "operator": operator, "values": [value]}
    assert node_affinity([wish, must]) == {
        "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [{"matchExpressions": [expression]}]
            },
            "preferredDuringSchedulingIgnoredDuringExecution": [
                {"weight": 40, "preference": {"matchExpressions": [expression]}}
            ],
        }
    }


def test_required_and_wished_labels_stand_alone_too() -> None:
    must = DesiredWorkerLabel.model_validate({"key": "k", "value": "v", "required": True})
    wish = DesiredWorkerLabel.model_validate({"key": "k", "value": "v"})
    assert list(node_affinity([must])["nodeAffinity"]) == [
        "requiredDuringSchedulingIgnoredDuringExecution"
    ]
    assert list(node_affinity([wish])["nodeAffinity"]) == [
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]


def make_job(
    raw_task: JsonObject, run_spec: JsonObject | None = None, **spec: object
) -> JsonObject:
    """Return the Job of a task's first attempt, which comes last of what is created for it."""
    flow = workflow(raw_task, **spec)
    attempt = Attempt(
        WorkflowRun.model_validate(run(**(run_spec or {}))), TaskSpec.model_validate(raw_task), 1
    )
    made = attempt_manifests(attempt, current_revision(flow), DEFAULTS, Surroundings())
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
def test_the_user_of_the_process(user: int | None, non_root: bool) -> None:
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
    attempt = Attempt(
        WorkflowRun.model_validate(run(input={"blob": "x" * 40_000})),
        TaskSpec.model_validate(raw_task),
        1,
    )
    config_map, made = attempt_manifests(
        attempt, current_revision(flow), Defaults("runner"), Surroundings({"p": None})
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


DIAGNOSES: list[tuple[JsonObject | None, str, str]] = [
    (None, "WaitingForPod", "kubectl get events --field-selector involvedObject.name=j"),
    (pod({"waiting": {"reason": "ImagePullBackOff"}}), "ImagePull", "image any:1 cannot be pulled"),
    (
        pod({"waiting": {"reason": "CreateContainerConfigError", "message": "no secret x"}}),
        "ContainerConfig",
        "no secret x",
    ),
    (
        pod(
            node=None,
            conditions=[
                {
                    "type": "PodScheduled",
                    "status": "False",
                    "reason": "Unschedulable",
                    "message": "0/1 nodes",
                }
            ],
        ),
        "Unschedulable",
        "0/1 nodes",
    ),
    (
        pod(
            node=None,
            conditions=[{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
        ),
        "SchedulingGated",
        "held back",
    ),
    (pod(node=None), "Scheduling", "looks for a node"),
    (
        pod(conditions=[{"type": "PodScheduled", "status": "True"}]),
        "Starting",
        "on node node-1",
    ),
]


@pytest.mark.parametrize(("its_pod", "reason", "words"), DIAGNOSES)
def test_why_an_attempt_is_not_running(its_pod: JsonObject | None, reason: str, words: str) -> None:
    diagnosis = diagnose(its_pod, None, "j")
    assert diagnosis.reason == reason
    assert words in diagnosis.message


def with_init(state: JsonObject, **fields: object) -> JsonObject:
    """Return a pod whose task waits for an init container in this state."""
    waiting = pod({"waiting": {"reason": "PodInitializing"}})
    waiting["spec"]["initContainers"] = [{"name": "fetch", "image": "fetch:1", **fields}]
    waiting["status"]["initContainerStatuses"] = [{"name": "fetch", "state": state}]
    return waiting


def note(reason: str, words: str, **fields: object) -> JsonObject:
    return {"reason": reason, "note": words, "deprecatedLastTimestamp": ago(9), **fields}


MOUNT = 'MountVolume.SetUp failed for volume "data" : secret "x" not found'


@pytest.mark.parametrize(
    ("its_pod", "notes", "reason", "message"),
    [
        (
            with_init({"waiting": {"reason": "ErrImagePull", "message": "no such host"}}),
            [],
            "ImagePull",
            "image fetch:1 of container fetch cannot be pulled: no such host. Check its name, and "
            "that this cluster's nodes may pull it",
        ),
        (
            with_init({"waiting": {"reason": "CrashLoopBackOff"}}, restartPolicy="Always"),
            [],
            "ContainerConfig",
            "the container fetch cannot start: CrashLoopBackOff",
        ),
        (
            with_init({"running": {}}),
            [],
            "Starting",
            "init container fetch is running on node node-1",
        ),
        (
            with_init({"running": {}}, restartPolicy="Always"),
            [],
            "Starting",
            "the container is being started on node node-1",
        ),
        (
            pod(),
            [
                note("FailedMount", "older"),
                note("Pulled", "x"),
                note("FailedMount", MOUNT, series={"lastObservedTime": ago(1)}),
            ],
            "FailedMount",
            f"the pod cannot start on node node-1: {MOUNT}",
        ),
        (
            None,
            [note("FailedCreate", 'pods "j-1" is forbidden: exceeded quota', series=None)],
            "FailedCreate",
            'the Job controller cannot create the pod: pods "j-1" is forbidden: exceeded quota',
        ),
    ],
)
def test_the_message_names_what_keeps_an_attempt_from_running(
    its_pod: JsonObject | None, notes: list[JsonObject], reason: str, message: str
) -> None:
    diagnosis = diagnose(its_pod, None, "j", notes)
    assert (diagnosis.reason, diagnosis.message) == (reason, message)


SCHEDULED = {"type": "PodScheduled", "status": "True", "lastTransitionTime": ago(3)}


@pytest.mark.parametrize(
    ("its_pod", "seconds"),
    [
        (pod(conditions=[SCHEDULED]), 2),
        (pod(), 4),
        (pod(node=None), None),
        (pod({"waiting": {"reason": "ImagePullBackOff"}}), None),
        (with_init({"running": {}}), None),
        (None, 4),
    ],
)
def test_events_are_asked_for_only_where_nothing_else_explains(
    its_pod: JsonObject | None, seconds: int | None
) -> None:
    due = lookup_due(its_pod, job("a"), NOW)
    assert due == (NOW + timedelta(seconds=seconds) if seconds else None)


def test_no_events_are_asked_for_without_a_job_or_while_it_is_suspended() -> None:
    suspended = job("a")
    suspended["spec"]["suspend"] = True
    assert lookup_due(None, suspended, NOW) is None
    assert lookup_due(None, None, NOW) is None


def test_the_newest_pod_counts() -> None:
    old, new = pod(), pod()
    new["metadata"]["creationTimestamp"] = "2027-01-01T00:00:00Z"
    assert newest([new, old]) is new
    assert newest([]) is None


def test_a_schema_is_checked_and_never_fetches() -> None:
    assert schema_problem({"type": "objekt"}, ASKED) is not None
    assert schema_problem({"type": "object"}, ASKED) is None
    assert schema_problem({"properties": {"a": {"items": [1]}}}, ASKED) is not None
    remote = {"properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}}
    assert "refers to what is not in it" in fit_problems({"a": 1}, remote, ASKED)[0]


def test_an_endless_regular_expression_is_left_to_the_pod() -> None:
    schema = {
        "properties": {"a": {"pattern": "(x+x+)+y"}},
        "patternProperties": {"(x+x+)+y": {"type": "string"}},
    }
    assert fit_problems({"a": "x" * 64, "x" * 64: 1}, schema, ASKED) == ()


def test_problems_of_an_input_name_their_place() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}, "required": ["b"]}
    problems = fit_problems({"a": ["x", 1]}, schema, ASKED)
    assert problems == (
        "spec.input.a[1]: 1 is not of type 'string'",
        "spec.input: 'b' is a required property",
    )


def test_a_valid_workflow_is_said_to_be_valid_once() -> None:
    flow = workflow(task("a"), inputSchema={"type": "object"})
    status = checked(flow, NOW)
    assert status is not None
    assert status["conditions"][0]["status"] == "True"
    assert checked({**flow, "status": status}, NOW + timedelta(seconds=9)) is None


def test_an_invalid_workflow_says_all_that_is_wrong() -> None:
    flow = workflow(task("a", "a"), inputSchema={"type": "objekt"})
    status = checked(flow, NOW)
    assert status is not None
    condition = status["conditions"][0]
    assert (condition["status"], condition["reason"]) == ("False", "WorkflowInvalid")
    assert "cycle" in condition["message"]
    assert "inputSchema.type" in condition["message"]


def test_a_conditions_time_moves_with_its_status_only() -> None:
    later = NOW + timedelta(seconds=5)

    first = with_condition([], type="T", status=True, reason="A", message="", now=NOW, generation=1)
    other = with_condition(
        first, type="U", status=True, reason="A", message="", now=NOW, generation=1
    )
    same = with_condition(
        other, type="T", status=True, reason="B", message="", now=later, generation=2
    )
    moved = with_condition(
        same, type="T", status=False, reason="C", message="", now=later, generation=2
    )
    assert [item.type for item in moved] == ["T", "U"]
    kept, changed = find_condition(same, "T"), find_condition(moved, "T")
    assert kept is not None
    assert (kept.reason, kept.last_transition_time) == ("B", NOW)
    assert changed is not None
    assert changed.last_transition_time == later


def test_a_status_that_says_nothing_yet_is_no_transition() -> None:
    assert transitions(WorkflowRunStatus(phase="Running"), WorkflowRunStatus()) == []
    assert transitions(None, WorkflowRunStatus(phase="Pending"))[0].reason == "Pending"
