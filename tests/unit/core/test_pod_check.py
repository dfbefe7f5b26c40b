"""What a workflow says of its pods in Kubernetes' own words: checked by shape and by a dry run."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.pod.check import MAX_DRY_RUNS, dry_run_jobs, pod_problems
from podhatch.core.pod.template import stay_on
from podhatch.core.workflow.validate import check_workflow, needs_dry_run

from tests.fakes.objects import DEFAULTS, NOW, container_task, task, workflow

REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
EMPTY: JsonObject = {}
REFUSED = ApiRefusal(422, 'Job.batch "x" is invalid: spec.template.spec.x: Required value')


def containers(*items: object) -> JsonObject:
    return {"spec": {"containers": list(items)}}


def node_affinity(required: object) -> JsonObject:
    return {"spec": {"affinity": {"nodeAffinity": {REQUIRED: required}}}}


@pytest.mark.parametrize(
    ("template", "problem"),
    [
        (containers({"image": "x"}), "spec.containers[0].name: expected a name, got nothing"),
        (containers({"name": 7}), "spec.containers[0].name: expected a name, got 7"),
        (containers(), "spec.containers: expected at least one entry, got an empty list"),
        (containers("task"), "spec.containers[0]: expected a map, got 'task'"),
        (
            containers({"name": "b"}, {"name": "b"}),
            "spec.containers[1].name: 'b' is the name of another entry",
        ),
        ({"spec": {"containers": {"name": "a"}}}, "spec.containers: expected a list, got a map"),
        ({"spec": {"volumes": {}}}, "spec.volumes: expected a list, got a map"),
        ({"spec": ["a"]}, "spec: expected a map, got a list"),
        ({"spec": None}, "spec: expected a map, got nothing"),
        ({"metadata": {"labels": ["a"]}}, "metadata.labels: expected a map, got a list"),
        ({"metadata": {"labels": {"a": 1}}}, "metadata.labels.a: expected a string, got 1"),
        ({"metadata": "text"}, "metadata: expected a map, got 'text'"),
        (
            node_affinity({}) | {"metadata": {"labels": None}},
            "metadata.labels: expected a map, got nothing",
        ),
        (
            node_affinity({"nodeSelectorTerms": []}),
            f"spec.affinity.nodeAffinity.{REQUIRED}.nodeSelectorTerms: expected at least one "
            "entry, got an empty list",
        ),
    ],
)
@pytest.mark.parametrize("place", ["spec", "spec.tasks[a]", "spec.onFailureTask"])
def test_a_pod_template_of_the_wrong_shape_makes_its_workflow_invalid(
    template: JsonObject, problem: str, place: str
) -> None:
    settings = {"pod": {"podTemplate": template}}
    flow = {
        "spec": workflow(task("a"), **settings),
        "spec.tasks[a]": workflow(task("a", **settings)),
        "spec.onFailureTask": workflow(task("a"), onFailureTask=task("h", **settings)),
    }[place]
    status = check_workflow(flow, NOW).status
    assert status is not None
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "WorkflowInvalid")
    assert condition["message"] == f"{place}.pod.podTemplate.{problem}"
    assert not needs_dry_run(flow, IN_PROCESS)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"env": [{"value": "x"}]}, "env[0].name: expected a name, got nothing"),
        (
            {"env": [{"name": "A"}, {"name": "A"}]},
            "env[1].name: 'A' is the name of another entry",
        ),
        ({"volumes": [EMPTY]}, "volumes[0].name: expected a name, got nothing"),
    ],
)
def test_entries_without_names_of_their_own_are_refused(settings: JsonObject, problem: str) -> None:
    spec = WorkflowSpec.model_validate(workflow(task("a"), pod=settings)["spec"])
    assert pod_problems(spec) == [f"spec.pod.{problem}"]


def test_of_many_slips_the_first_are_named() -> None:
    spec = WorkflowSpec.model_validate(
        workflow(task("a"), pod={"env": [EMPTY] * 200, "podTemplate": containers(*[EMPTY] * 1000)})[
            "spec"
        ]
    )
    assert len(pod_problems(spec)) == 5


def test_ordinary_pod_settings_have_no_problem() -> None:
    template = containers({"name": "log", "image": "x", "command": ["sh"], "env": [{"name": "A"}]})
    template["metadata"] = {"labels": {"a": "b"}, "annotations": {}}
    template["spec"] |= node_affinity({"nodeSelectorTerms": [EMPTY]})["spec"]
    spec = WorkflowSpec.model_validate(
        workflow(task("a"), pod={"podTemplate": template, "env": [{"name": "B"}]})["spec"]
    )
    assert pod_problems(spec) == []


@pytest.mark.parametrize("required", [{}, {"nodeSelectorTerms": []}, {"nodeSelectorTerms": None}])
def test_a_sticky_run_stays_where_an_empty_affinity_requires_nothing(required: JsonObject) -> None:
    spec = node_affinity(required)["spec"]
    stay_on(spec, "node-1", "Hard")
    (term,) = spec["affinity"]["nodeAffinity"][REQUIRED]["nodeSelectorTerms"]
    assert term["matchFields"][0]["values"] == ["node-1"]


def condition_of(flow: JsonObject, refused: dict[str, ApiRefusal] | None) -> Any:
    status = check_workflow(flow, NOW, refused_pods=refused).status
    return status["conditions"][0] if status else None


def test_a_pod_that_kubernetes_finds_invalid_makes_its_workflow_invalid() -> None:
    flow = workflow(task("a"))
    assert needs_dry_run(flow, IN_PROCESS)
    condition = condition_of(flow, {"spec.tasks[a]": REFUSED})
    assert (condition["status"], condition["reason"]) == ("False", "PodInvalid")
    assert condition["message"] == (
        "spec.tasks[a]: Kubernetes refuses its pod: spec.template.spec.x: Required value"
    )


def test_the_answer_of_a_dry_run_stays_until_the_workflow_changes() -> None:
    flow = workflow(task("a"))
    status = check_workflow(flow, NOW, refused_pods={"spec.tasks[a]": REFUSED}).status
    told = {**flow, "status": status}
    assert not needs_dry_run(told, IN_PROCESS)
    assert check_workflow(told, NOW + timedelta(seconds=9)).status is None
    changed = {**told, "metadata": {**flow["metadata"], "generation": 2}}
    assert needs_dry_run(changed, IN_PROCESS)
    assert condition_of(changed, {})["status"] == "True"


@pytest.mark.parametrize(
    "refusal",
    [
        ApiRefusal(403, "exceeded quota: pods"),
        ApiRefusal(500, "failed calling webhook"),
        ApiRefusal(400, "admission webhook does not support dry run"),
        ApiRefusal(422, "jobs is forbidden: ValidatingAdmissionPolicy denied request"),
    ],
)
def test_a_refusal_for_other_reasons_leaves_the_workflow_valid(refusal: ApiRefusal) -> None:
    assert condition_of(workflow(task("a")), {"spec.tasks[a]": refusal})["status"] == "True"


def test_a_job_that_cannot_be_read_is_invalid() -> None:
    unreadable = ApiRefusal(400, 'Job in version "v1" cannot be handled as a Job: json: ...')
    assert condition_of(workflow(task("a")), {"spec.tasks[a]": unreadable})["status"] == "False"


def test_each_different_pod_is_tried_once() -> None:
    hooks = {"onFailureTask": task("h", image="hook:1"), "onSuccessTask": task("s")}
    flow = workflow(task("a"), task("b"), container_task("c"), **hooks)
    jobs = dry_run_jobs(flow, DEFAULTS)
    assert list(jobs) == ["spec.tasks[a]", "spec.tasks[c]", "spec.onFailureTask"]
    assert all("ownerReferences" not in job["metadata"] for job in jobs.values())


def test_a_workflow_of_many_different_pods_is_tried_in_part() -> None:
    flow = workflow(*(task(f"t{n}", image=f"i:{n}") for n in range(100)))
    assert len(dry_run_jobs(flow, DEFAULTS)) == MAX_DRY_RUNS
