"""What the token of a task's pod may do by its clusterAccess, and what nothing lets it do."""

import json

import pytest
from podhatch.api.model import JsonObject

from tests.e2e.conftest import Podhatch
from tests.e2e.shipped import NAME, event, source
from tests.kube import Namespace, kubectl, shell, tasks, workflow_manifest

CODE = """
import json, os, ssl, urllib.request, urllib.error

ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
NAMESPACE, RUN = os.environ["PODHATCH_NAMESPACE"], os.environ["PODHATCH_RUN"]
JOB, UID = os.environ.get("PODHATCH_RESULT", ""), os.environ["PODHATCH_RUN_UID"]
OTHERS = os.environ.get("OTHERS", "somebody-elses-1")
GROUP = "/apis/podhatch.dev/v1alpha1/namespaces/"
API, ELSEWHERE = GROUP + NAMESPACE, GROUP + "default"
OWNER = {"apiVersion": "podhatch.dev/v1alpha1", "kind": "WorkflowRun", "name": RUN, "uid": UID}
CHILD = RUN + "-bcdfghjklmnp"
ME = "system:serviceaccount:" + NAMESPACE + ":podhatch-spawn"


def made(kind, name, spec, **metadata):
    return {"apiVersion": "podhatch.dev/v1alpha1", "kind": kind,
        "metadata": {"name": name, **metadata}, "spec": spec}


def result(name, **metadata):
    labels = {"podhatch.dev/run": RUN, "podhatch.dev/task": "ask"}
    spec = {"run": RUN, "task": "ask", "attempt": 1, "outcome": "Succeeded", "output": "7"}
    metadata = {"labels": labels, "ownerReferences": [OWNER], **metadata}
    return made("TaskResult", name, spec, **metadata)


def child(name=CHILD, job=JOB, spec=(), **metadata):
    parent = {"run": RUN, "task": "ask", "job": job, "index": 0}
    metadata = {"ownerReferences": [OWNER], **metadata}
    spec = {"workflow": "probe", "parent": parent, **dict(spec)}
    return made("WorkflowRun", name, spec, **metadata)


def pushed(name, by=None, **metadata):
    spec = {"key": "go", "pushedBy": by} if by else {"key": "go"}
    return made("WorkflowEvent", name, spec, **metadata)


def ask(method, path, body=None):
    url = "https://" + os.environ["KUBERNETES_SERVICE_HOST"] + ":443" + path
    kind = "merge-patch+json" if method == "PATCH" else "json"
    headers = {"Authorization": "Bearer " + open(ACCOUNT + "/token").read(),
        "Content-Type": "application/" + kind}
    context = ssl.create_default_context(cafile=ACCOUNT + "/ca.crt")
    data = None if body is None else json.dumps(body).encode()
    try:
        request = urllib.request.Request(url, data, headers, method=method)
        return urllib.request.urlopen(request, context=context).status
    except urllib.error.HTTPError as error:
        return error.code


def forbidden_to_all():
    stay = {"finalizers": ["evil.example/stay"]}
    foreign = {"ownerReferences": [{**OWNER, "kind": "Workflow", "name": "probe"}]}
    mine = API + "/taskresults/" + JOB
    return {
        "secrets": ask("GET", "/api/v1/namespaces/" + NAMESPACE + "/secrets"),
        "config maps": ask("GET", "/api/v1/namespaces/" + NAMESPACE + "/configmaps"),
        "pods": ask("GET", "/api/v1/namespaces/" + NAMESPACE + "/pods"),
        "another pod": ask("POST", "/api/v1/namespaces/" + NAMESPACE + "/pods", {}),
        "a token": ask("POST", "/api/v1/namespaces/" + NAMESPACE
            + "/serviceaccounts/podhatch-spawn/token", {}),
        "workflows": ask("GET", API + "/workflows"),
        "crons": ask("GET", API + "/cronworkflows"),
        "runs elsewhere": ask("GET", ELSEWHERE + "/workflowruns"),
        "delete runs": ask("DELETE", API + "/workflowruns/" + RUN),
        "cancel its run": ask("PATCH", API + "/workflowruns/" + RUN,
            {"spec": {"desiredState": "Cancelled"}}),
        "all results": ask("GET", API + "/taskresults"),
        "watch results": ask("GET", API + "/taskresults?watch=true&timeoutSeconds=1"),
        "delete its result": ask("DELETE", mine),
        "a result elsewhere": ask("POST", ELSEWHERE + "/taskresults", result(JOB)),
        "another's result": ask("POST", API + "/taskresults", result("somebody-elses-1")),
        "another's result, changed": ask("PATCH", API + "/taskresults/" + OTHERS, {"spec": {}}),
        "another's result, shown": ask("PATCH", API + "/taskresults/" + OTHERS, {}),
        "the next attempt's": ask("POST", API + "/taskresults", result(JOB[:-1] + "2")),
        "a finalizer": ask("POST", API + "/taskresults", result(JOB, **stay)),
        "a foreign owner": ask("POST", API + "/taskresults", result(JOB, **foreign)),
        "no owner": ask("POST", API + "/taskresults", result(JOB, ownerReferences=[])),
        "a run of nobody": ask("POST", API + "/workflowruns",
            made("WorkflowRun", "nobodys", {"workflow": "probe"})),
        "a child of another": ask("POST", API + "/workflowruns", child(job="another-1")),
        "a tick's name": ask("POST", API + "/workflowruns", child("tick-1")),
        "a triggered child": ask("POST", API + "/workflowruns",
            child(spec={"trigger": {"event": {"id": "a", "key": "b"}}})),
        "a child that stays": ask("POST", API + "/workflowruns", child(**stay)),
        "a child of a foreign owner": ask("POST", API + "/workflowruns", child(**foreign)),
        "a child elsewhere": ask("POST", ELSEWHERE + "/workflowruns", child()),
        "an event of nobody": ask("POST", API + "/workflowevents", pushed("a")),
        "an event of alice": ask("POST", API + "/workflowevents", pushed("b", {"user": "alice"})),
        "an event of no task": ask("POST", API + "/workflowevents", pushed("c", {"user": ME})),
        "an event of another": ask("POST", API + "/workflowevents",
            pushed("d", {"user": ME, "job": "another-1"})),
        "an event that stays": ask("POST", API + "/workflowevents",
            pushed("e", {"user": ME, "job": JOB}, **stay)),
    }


def only_to_those_that_spawn():
    return {
        "runs": ask("GET", API + "/workflowruns"),
        "its run": ask("GET", API + "/workflowruns/" + RUN),
        "another's result": ask("GET", API + "/taskresults/" + OTHERS),
        "a child": ask("POST", API + "/workflowruns?dryRun=All", child()),
        "its event": ask("POST", API + "/workflowevents?dryRun=All",
            pushed("f", {"user": ME, "job": JOB})),
    }


def say(input, ctx):
    return "secret"


def probe(input, ctx):
    mine = ask("POST", API + "/taskresults?dryRun=All", result(JOB))
    return {"mine": mine, "never": forbidden_to_all(), "spawn": only_to_those_that_spawn()}


def tries_to_approve(input, ctx):
    from podhatch import Hatchet
    Hatchet().event.push("approved", {})
    return "pushed"


def starts_without_asking(input, ctx):
    from podhatch import Hatchet
    return Hatchet().event.push("approved", {})
"""


def flow_of(name: str, *parts: JsonObject) -> JsonObject:
    return workflow_manifest(name, *parts, source={"configMap": NAME})


def python(name: str, function: str, *parents: str, **fields: object) -> JsonObject:
    relation = {"parents": list(parents)} if parents else {}
    return {"name": name, "python": f"flow:{function}", **relation, **fields}


@pytest.mark.parametrize(("access", "allowed"), [("report", {403}), ("spawn", {200, 201})])
def test_a_tasks_token_can_do_what_its_access_says_and_nothing_else(
    namespace: Namespace, access: str, allowed: set[int]
) -> None:
    said = flow_of("said", python("say", "say"))
    namespace.apply(source(CODE), said)
    namespace.run("said-1", "said")
    job = tasks(namespace.wait("said-1", "Succeeded"))["say"]["job"]
    asking = python("ask", "probe", clusterAccess=access)
    asking["pod"] = {"env": [{"name": "OTHERS", "value": job}]}
    namespace.apply(flow_of("probe", asking))
    namespace.run("probe-1", "probe")
    answers = json.loads(tasks(namespace.wait("probe-1", "Succeeded"))["ask"]["output"])
    assert answers["mine"] == 201
    assert {name: code for name, code in answers["never"].items() if code != 403} == {}
    spawned = answers["spawn"]
    assert {name: code for name, code in spawned.items() if code not in allowed} == {}


def test_a_large_input_and_a_parents_large_output_reach_a_task_that_only_reports(
    namespace: Namespace,
) -> None:
    code = """
def large(input, ctx):
    return "x" * 250_000


def count(input, ctx):
    return [len(ctx.task_output("large")), len(ctx.input["text"])]
"""
    namespace.apply(
        source(code),
        flow_of("large", python("large", "large"), python("count", "count", "large")),
    )
    namespace.run("large-1", "large", input={"text": "y" * 200_000})
    run = namespace.wait("large-1", "Succeeded")
    assert json.loads(tasks(run)["count"]["output"]) == [250_000, 200_000]


def test_a_task_does_not_approve_what_waits_for_people(
    namespace: Namespace, podhatch: Podhatch
) -> None:
    gate = {"event": {"key": "approved", "fromPeople": True, "considerEventsSince": "RunStart"}}
    namespace.apply(
        source(CODE),
        flow_of(
            "gated",
            python("push", "tries_to_approve", clusterAccess="spawn"),
            {**shell("deploy", "true", "push"), "waitFor": [gate]},
        ),
    )
    namespace.run("gated-1", "gated")
    entry = namespace.wait_for_reason("gated-1", "deploy", "WaitingForConditions")
    (pushed,) = namespace.list("wfe")
    assert pushed["spec"]["pushedBy"]["user"].endswith(":podhatch-spawn")
    assert pushed["spec"]["pushedBy"]["job"].startswith("gated-1-push-")
    assert "event approved from people" in entry["message"]
    namespace.apply(event("of-nobody", "approved"))
    namespace.kubectl("wait", "wfe/of-nobody", "--for=jsonpath={.status.handledAt}")
    assert tasks(namespace.get("wfr", "gated-1"))["deploy"]["state"] == "Pending"
    approved = podhatch("events", "push", "approved")
    assert approved.code == 0, approved.err
    by = namespace.get("wfe", approved.out.strip())["spec"]["pushedBy"]
    assert "job" not in by
    namespace.wait("gated-1", "Succeeded")


def test_a_task_that_may_only_report_is_told_what_to_set(namespace: Namespace) -> None:
    namespace.apply(
        source(CODE),
        flow_of("refused", python("push", "starts_without_asking")),
        flow_of("alone", python("push", "starts_without_asking", clusterAccess="none")),
    )
    namespace.run("refused-1", "refused")
    namespace.run("alone-1", "alone")
    for run in ("refused-1", "alone-1"):
        error = tasks(namespace.wait(run, "Failed"))["push"]["error"]
        assert 'set cluster_access="spawn" on the task' in error["message"]


def test_a_run_and_all_that_its_tasks_wrote_go_with_their_namespace(
    namespace: Namespace,
) -> None:
    namespace.apply(source(CODE), flow_of("said", python("say", "say")))
    namespace.run("said-1", "said")
    namespace.wait("said-1", "Succeeded")
    kubectl("delete", "namespace", namespace.name, "--timeout=120s")
    kubectl("create", "namespace", namespace.name)
