"""What the chart renders: complete for every set of values, locked down, no stray option."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest
import yaml
from podhatch.api import labels
from podhatch.api.crds import DEFINITIONS, REPOSITORY
from podhatch.api.model import JsonObject
from podhatch.cluster import Kind
from podhatch.core.common.observed import Defaults
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.settings import Settings

from tests.helm import CHART, RELEASE, HelmError, helm, render

VALUES_FILES = sorted((CHART / "ci").glob("*-values.yaml"))
CHART_FILE: JsonObject = yaml.safe_load((CHART / "Chart.yaml").read_text())
VALUES: JsonObject = yaml.safe_load((CHART / "values.yaml").read_text())

each_values_file = pytest.mark.parametrize("values", VALUES_FILES, ids=lambda path: path.stem)


def of_kind(manifests: list[JsonObject], kind: str) -> dict[str, JsonObject]:
    return {item["metadata"]["name"]: item for item in manifests if item["kind"] == kind}


def deployment(*flags: str) -> JsonObject:
    return of_kind(render(*flags), "Deployment")[RELEASE]["spec"]


def pod_specs(manifests: list[JsonObject]) -> Iterator[JsonObject]:
    for manifest in manifests:
        if manifest["kind"] == "Deployment":
            yield manifest["spec"]["template"]["spec"]
        if manifest["kind"] == "Pod":
            yield manifest["spec"]


def rules(manifests: list[JsonObject], name: str) -> set[tuple[str, str, str]]:
    """The permissions of a role: API group, resource, verb."""
    kinds = ("Role", "ClusterRole")
    roles = [m for m in manifests if m["kind"] in kinds and m["metadata"]["name"] == name]
    return {
        (group, resource, verb)
        for role in roles
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }


@each_values_file
def test_helm_lint_finds_nothing_wrong(values: Path) -> None:
    helm("lint", "--strict", CHART, "--values", values)


@each_values_file
def test_every_object_is_labelled_as_the_releases(values: Path) -> None:
    for manifest in render(values=[values]):
        assert manifest["metadata"]["labels"]["app.kubernetes.io/instance"] == RELEASE


@each_values_file
def test_every_pod_is_locked_down(values: Path) -> None:
    specs = list(pod_specs(render(values=[values])))
    assert len(specs) == 2
    for spec in specs:
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert spec["serviceAccountName"] != "default"
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"]["requests"]


@each_values_file
def test_no_role_reaches_further_than_it_must(values: Path) -> None:
    for manifest in render(values=[values]):
        for rule in manifest.get("rules", []):
            words = {*rule["apiGroups"], *rule["resources"], *rule["verbs"]}
            assert not words & {"*", "secrets", "escalate", "impersonate", "pods/exec"}
            if "bind" in words:
                assert rule["resourceNames"] == [labels.REPORT_ACCOUNT, labels.SPAWN_ACCOUNT]


@pytest.mark.parametrize("kind", WATCH_LIST.selectors, ids=lambda kind: kind.plural)
def test_the_operator_may_follow_what_it_watches(kind: Kind) -> None:
    allowed = rules(render(), f"{RELEASE}-operator")
    assert {(kind.group, kind.plural, verb) for verb in ("get", "list", "watch")} <= allowed


def test_the_operator_may_do_nothing_that_it_does_not_do() -> None:
    verbs = ("get", "list", "watch")
    reads = {(kind.group, kind.plural, verb) for kind in WATCH_LIST.selectors for verb in verbs}
    assert rules(render(), f"{RELEASE}-operator") - reads == {
        (labels.GROUP, "workflows/status", "update"),
        (labels.GROUP, "workflowruns/status", "update"),
        (labels.GROUP, "workflowevents/status", "update"),
        (labels.GROUP, "eventfilters/status", "update"),
        (labels.GROUP, "cronworkflows/status", "update"),
        (labels.GROUP, "ratelimits/status", "update"),
        (labels.GROUP, "durablelogs/status", "update"),
        (labels.GROUP, "taskresults", "delete"),
        *((labels.GROUP, "ratelimits", verb) for verb in ("create", "patch", "delete")),
        *(("batch", "jobs", verb) for verb in ("create", "patch", "delete")),
        *(("batch", "cronjobs", verb) for verb in ("create", "patch", "delete")),
        ("batch", "jobs/status", "update"),
        *((labels.GROUP, "workflowruns", verb) for verb in ("create", "patch", "delete")),
        *((labels.GROUP, "cronworkflows", verb) for verb in ("create", "patch", "delete")),
        (labels.GROUP, "workflowevents", "delete"),
        ("", "configmaps", "create"),
        ("", "configmaps", "get"),
        ("", "configmaps", "delete"),
        *(("apps", "controllerrevisions", verb) for verb in ("create", "patch", "delete")),
        ("events.k8s.io", "events", "create"),
        ("events.k8s.io", "events", "list"),
        ("", "pods", "patch"),
        ("", "serviceaccounts", "create"),
        ("rbac.authorization.k8s.io", "rolebindings", "create"),
        ("rbac.authorization.k8s.io", "clusterroles", "bind"),
    }


def test_a_task_that_reports_reads_nothing() -> None:
    assert rules(render(), labels.REPORT_ACCOUNT) == {
        (labels.GROUP, "taskresults", verb) for verb in ("create", "patch")
    }


def test_a_task_that_spawns_starts_child_runs_and_pushes_events_and_no_more() -> None:
    assert rules(render(), labels.SPAWN_ACCOUNT) == {
        *((labels.GROUP, "taskresults", verb) for verb in ("create", "patch", "get")),
        *((labels.GROUP, "workflowruns", verb) for verb in ("create", "get", "list", "watch")),
        (labels.GROUP, "workflows", "get"),
        (labels.GROUP, "workflowevents", "create"),
        *(
            (labels.GROUP, "durablelogs", verb)
            for verb in ("create", "patch", "get", "list", "watch")
        ),
    }


def test_roles_to_bind_give_what_their_names_say() -> None:
    manifests = render()
    submit = rules(manifests, f"{RELEASE}-submit")
    assert {verb for _, _, verb in submit} == {"create", "get", "list", "watch"}
    assert {plural for _, plural, verb in submit if verb == "create"} == {"workflowruns"}
    assert rules(manifests, f"{RELEASE}-event-bridge") == {
        (labels.GROUP, "workflowevents", "create")
    }
    author = rules(manifests, f"{RELEASE}-author")
    assert (labels.GROUP, "workflows", "create") in author
    assert not {verb for _, plural, verb in author if plural == "taskresults"} - {
        *("get", "list", "watch"),
    }


@pytest.mark.parametrize(
    ("role", "verb", "plural", "allowed"),
    [
        ("view", "get", "workflowruns", True),
        ("view", "create", "workflowruns", False),
        ("edit", "create", "workflows", True),
        ("edit", "create", "workflowevents", True),
        ("edit", "delete", "cronworkflows", True),
        ("edit", "update", "eventfilters", True),
        ("edit", "update", "ratelimits", True),
        ("view", "update", "ratelimits", False),
        ("view", "list", "cronworkflows", True),
        ("edit", "create", "taskresults", False),
        ("edit", "delete", "taskresults", False),
        ("admin", "delete", "taskresults", True),
        ("view", "watch", "durablelogs", True),
        ("edit", "patch", "durablelogs", True),
        ("edit", "create", "durablelogs", False),
        ("edit", "update", "durablelogs/status", False),
    ],
)
def test_the_clusters_own_roles_grow_by_our_kinds(
    role: str, verb: str, plural: str, allowed: bool
) -> None:
    manifests = render()
    roles = of_kind(manifests, "ClusterRole")
    labelled = roles[f"{RELEASE}-{role}"]["metadata"]["labels"]
    assert labelled[f"rbac.authorization.k8s.io/aggregate-to-{role}"] == "true"
    granted = rules(manifests, f"{RELEASE}-{role}")
    assert ((labels.GROUP, plural, verb) in granted) == allowed


def test_an_operator_of_some_namespaces_has_no_permission_elsewhere() -> None:
    manifests = render("--set", "watchNamespaces={one,two}")
    assert f"{RELEASE}-operator" not in of_kind(manifests, "ClusterRole")
    assert of_kind(manifests, "ClusterRoleBinding") == {}
    for kind in ("Role", "RoleBinding"):
        places = {
            item["metadata"]["namespace"]
            for item in manifests
            if item["kind"] == kind and item["metadata"]["name"] == f"{RELEASE}-operator"
        }
        assert places == {"one", "two"}
    everywhere = rules(render(), f"{RELEASE}-operator")
    assert rules(manifests, f"{RELEASE}-operator") == everywhere


@pytest.mark.parametrize(
    ("namespaces", "expected"),
    [("[]", "podhatch-system"), ('["a", "podhatch-system"]', "podhatch-system"), ('["b"]', "b")],
)
def test_helm_test_runs_where_the_operator_looks(namespaces: str, expected: str) -> None:
    manifests = render("--set-json", f"watchNamespaces={namespaces}")
    hooks = [m for m in manifests if "helm.sh/hook" in m["metadata"].get("annotations", {})]
    assert {m["kind"] for m in hooks} == {
        *("ServiceAccount", "Role", "RoleBinding", "Workflow", "WorkflowRun", "Pod"),
    }
    assert {m["metadata"]["namespace"] for m in hooks} == {expected}
    pod = of_kind(hooks, "Pod")[f"{RELEASE}-test"]
    assert expected in pod["spec"]["containers"][0]["command"]


def test_the_operator_understands_what_the_chart_sets() -> None:
    flags = (
        *("operator.logLevel=DEBUG", "operator.workers=3", "watchNamespaces={one,two}"),
        *("cleanUp.runTTLSeconds=2000000", "cleanUp.jobTTLSeconds=null"),
        *("priorityClasses.create=false", "taskDefaults.maxClusterAccess=none"),
        *("maxRunDepth=5", "maxExtensionSeconds=1000000"),
    )
    spec = deployment("--set", ",".join(flags), "--set", "runner.image.pullPolicy=Never")
    container = spec["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry.get("value", "the pod") for entry in container["env"]}
    assert container["env"][-1]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert Settings.read(environment) == Settings(
        defaults=Defaults(
            runner_image=f"podhatch/runner:{CHART_FILE['appVersion']}",
            runner_pull_policy="Never",
            run_ttl_seconds=2_000_000,
            job_ttl_seconds=None,
            max_cluster_access="none",
            priority_classes=False,
            max_extension_seconds=1_000_000,
            max_depth=5,
        ),
        namespaces=("one", "two"),
        workers=3,
        port=container["ports"][0]["containerPort"],
        metrics_port=container["ports"][1]["containerPort"],
        log_level="DEBUG",
        lease=RELEASE,
        identity="the pod",
    )


def test_of_two_operators_one_stands_by() -> None:
    manifests = render()
    spec = deployment()
    assert spec["replicas"] == 2
    assert spec["strategy"] == {"type": "RollingUpdate"}
    budget = of_kind(manifests, "PodDisruptionBudget")[RELEASE]["spec"]
    assert budget == {"maxUnavailable": 1, "selector": spec["selector"]}
    affinity = spec["template"]["spec"]["affinity"]["podAntiAffinity"]
    (wish,) = affinity["preferredDuringSchedulingIgnoredDuringExecution"]
    assert wish["podAffinityTerm"]["labelSelector"] == spec["selector"]


@pytest.mark.parametrize("namespaces", ["[]", '["one", "two"]'])
def test_the_lease_is_the_operators_in_its_own_namespace_only(namespaces: str) -> None:
    manifests = render("--set-json", f"watchNamespaces={namespaces}")
    role = of_kind(manifests, "Role")[f"{RELEASE}-leader"]
    assert role["metadata"]["namespace"] == "podhatch-system"
    assert rules(manifests, f"{RELEASE}-leader") == {
        ("coordination.k8s.io", "leases", verb) for verb in ("create", "get", "patch")
    }
    named = [rule["resourceNames"] for rule in role["rules"] if "patch" in rule["verbs"]]
    assert named == [[RELEASE]]
    binding = of_kind(manifests, "RoleBinding")[f"{RELEASE}-leader"]
    assert binding["roleRef"]["name"] == f"{RELEASE}-leader"


@pytest.mark.parametrize(
    ("value", "expected"), [("", 604800), ("runTTLSeconds=0", 0), ("runTTLSeconds=", None)]
)
def test_runs_are_kept_for_a_week_unless_told_otherwise(value: str, expected: int | None) -> None:
    flags = ("--set", f"cleanUp.{value}") if value else ()
    container = deployment(*flags)["template"]["spec"]["containers"][0]
    environment = {entry["name"]: entry.get("value", "") for entry in container["env"]}
    assert Settings.read(environment).defaults.run_ttl_seconds == expected


@pytest.mark.parametrize(
    ("flag", "image"),
    [
        ("operator.image.tag=1.2", "podhatch/operator:1.2"),
        (f"operator.image.digest=sha256:{'a' * 64}", f"podhatch/operator@sha256:{'a' * 64}"),
        ("operator.image.repository=r.example/o", f"r.example/o:{CHART_FILE['appVersion']}"),
    ],
)
def test_an_image_is_named_by_tag_or_digest(flag: str, image: str) -> None:
    spec = deployment("--set-string", flag)
    assert spec["template"]["spec"]["containers"][0]["image"] == image


def test_definitions_stay_when_the_release_goes_unless_told_otherwise() -> None:
    kept = of_kind(render(), "CustomResourceDefinition")
    assert len(kept) == len(DEFINITIONS)
    for manifest in kept.values():
        assert manifest["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    let_go = of_kind(render("--set", "crds.keep=false"), "CustomResourceDefinition")
    assert all("annotations" not in manifest["metadata"] for manifest in let_go.values())
    assert of_kind(render("--set", "crds.install=false"), "CustomResourceDefinition") == {}


def test_definitions_are_those_of_the_crds_folder() -> None:
    rendered = of_kind(render(), "CustomResourceDefinition")
    for path in (REPOSITORY / "crds").glob("*.yaml"):
        manifest = yaml.safe_load(path.read_text())
        assert rendered[manifest["metadata"]["name"]]["spec"] == manifest["spec"]


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("", "podhatch-operator"),
        ("operator.priorityClassName=system-cluster-critical", "system-cluster-critical"),
        ("priorityClasses.create=false", None),
    ],
)
def test_the_operator_stands_above_all_tasks(flag: str, expected: str | None) -> None:
    manifests = render(*(("--set", flag) if flag else ()))
    spec = of_kind(manifests, "Deployment")[RELEASE]["spec"]["template"]["spec"]
    assert spec.get("priorityClassName") == expected
    if expected == "podhatch-operator":
        classes = of_kind(manifests, "PriorityClass")
        assert max(classes, key=lambda name: classes[name]["value"]) == expected


def test_nobody_connects_to_the_operator_but_who_reads_its_metrics() -> None:
    manifests = render()
    policy = of_kind(manifests, "NetworkPolicy")[RELEASE]["spec"]
    spec = deployment()
    assert policy["podSelector"] == spec["selector"]
    assert policy["policyTypes"] == ["Ingress"]
    (rule,) = policy["ingress"]
    assert [port["port"] for port in rule["ports"]] == ["metrics"]
    assert rule["from"]
    nobody = of_kind(render("--set-json", "networkPolicy.metricsFrom=[]"), "NetworkPolicy")
    assert "ingress" not in nobody[RELEASE]["spec"]
    assert of_kind(render("--set", "networkPolicy.enabled=false"), "NetworkPolicy") == {}


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ((), ["kube-system", "kube-node-lease"]),
        (("--set", "watchNamespaces={kube-system}"), ["kube-node-lease"]),
        (("--set-json", "closedNamespaces=[]"), None),
    ],
)
def test_workflows_are_refused_beside_the_clusters_own_pods(
    flags: tuple[str, ...], expected: list[str] | None
) -> None:
    found = of_kind(render(*flags), "ValidatingAdmissionPolicy").get("podhatch-closed-namespaces")
    if expected is None:
        assert found is None
    else:
        assert found is not None
        (selected,) = found["spec"]["matchConstraints"]["namespaceSelector"]["matchExpressions"]
        assert (selected["operator"], selected["values"]) == ("In", expected)


def test_pods_of_workflows_are_restricted_when_that_is_asked_for() -> None:
    names = {"podhatch-workflow-pods", "podhatch-job-pods"}
    assert not names & of_kind(render(), "ValidatingAdmissionPolicy").keys()
    manifests = render("--set", "workflowPolicy.enabled=true")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        assert names <= of_kind(manifests, kind).keys()


def test_no_priority_pushes_out_running_pods() -> None:
    classes = of_kind(render(), "PriorityClass")
    del classes["podhatch-operator"]
    values = [classes[f"podhatch-{level}"]["value"] for level in ("low", "medium", "high")]
    assert values == sorted(set(values))
    assert {item["preemptionPolicy"] for item in classes.values()} == {"Never"}


def test_policies_refuse_when_they_cannot_judge() -> None:
    manifests = render()
    policies = of_kind(manifests, "ValidatingAdmissionPolicy")
    bindings = of_kind(manifests, "ValidatingAdmissionPolicyBinding")
    names = {
        *("podhatch-own-results", "podhatch-own-children", "podhatch-event-source"),
        *("podhatch-own-durable-logs", "podhatch-known-parents"),
    }
    assert names <= policies.keys()
    assert policies.keys() == bindings.keys()
    assert all(policy["spec"]["failurePolicy"] == "Fail" for policy in policies.values())
    assert all(b["spec"]["validationActions"] == ["Deny"] for b in bindings.values())


def test_policies_on_what_tasks_write_hold_for_all_but_the_operator_and_whom_the_admin_trusts() -> (
    None
):
    flags = ("--set", "serviceAccount.name=op,trustedIdentities={system:serviceaccount:velero:v}")
    policies = of_kind(render(*flags, namespace="here"), "ValidatingAdmissionPolicy")
    trusted = "['system:serviceaccount:here:op', 'system:serviceaccount:velero:v']"
    names = ("results", "durable-logs", "children")
    for name in (*(f"podhatch-own-{each}" for each in names), "podhatch-event-source"):
        (condition,) = policies[name]["spec"]["matchConditions"]
        assert condition["expression"] == f"!(request.userInfo.username in {trusted})"


@pytest.mark.parametrize(
    ("flag", "words"),
    [
        ("taskDefaults.maxClusterAccess=all", "maxClusterAccess"),
        ("trustedIdentities={it's}", "trustedIdentities"),
        ("operator.image.tagg=1", "tagg"),
        ("operators.workers=1", "operators"),
        ("operator.workers=0", "workers"),
        ("operator.workers=many", "workers"),
        ("operator.logLevel=loud", "logLevel"),
        ("operator.image.pullPolicy=Sometimes", "pullPolicy"),
        ("runner.image.digest=abc", "digest"),
        ("watchNamespaces={Not_A_Name}", "watchNamespaces"),
        ("watchNamespaces=default", "watchNamespaces"),
        ("crds.keep=perhaps", "keep"),
        ("operator.replicas=-1", "replicas"),
        ("cleanUp.runTTLSeconds=soon", "runTTLSeconds"),
        ("cleanUp.jobTTLSeconds=-1", "jobTTLSeconds"),
        ("closedNamespaces={Kube}", "closedNamespaces"),
        ("networkPolicy.enabled=maybe", "networkPolicy"),
        ("workflowPolicy.volumes={host-path}", "volumes"),
        ("workflowPolicy.serviceAccounts={A B}", "serviceAccounts"),
        ("operator.priorityClassName=High", "priorityClassName"),
    ],
)
def test_a_wrong_value_is_refused_by_name(flag: str, words: str) -> None:
    with pytest.raises(HelmError, match=words):
        render("--set", flag)


def test_an_older_kubernetes_is_refused() -> None:
    with pytest.raises(HelmError, match=re.escape("kubeVersion: >=1.32.0-0")):
        render(kubernetes="1.31.9")
    assert render(kubernetes="1.32.0")


def test_the_chart_and_the_package_have_one_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert CHART_FILE["appVersion"] == project["version"]


def leaves(values: JsonObject, path: str = "") -> Iterator[str]:
    """The paths of all values; resources are one value, as Kubernetes has them."""
    for name, value in values.items():
        if isinstance(value, dict) and value and name != "resources":
            yield from leaves(cast("JsonObject", value), f"{path}{name}.")
        else:
            yield f"{path}{name}"


def test_the_readme_describes_every_value() -> None:
    told = re.findall(r"^\| `([\w.]+)` \|", (CHART / "README.md").read_text(), re.MULTILINE)
    assert set(told) == set(leaves(VALUES))


def test_the_catalogue_lists_every_kind_and_shows_valid_examples() -> None:
    annotations = CHART_FILE["annotations"]
    listed = {entry["kind"] for entry in yaml.safe_load(annotations["artifacthub.io/crds"])}
    models = {definition.model.__name__: definition.model for definition in DEFINITIONS}
    assert listed == set(models)
    for example in yaml.safe_load(annotations["artifacthub.io/crdsExamples"]):
        models[example["kind"]].model_validate(example)
