"""What others in a namespace may try on a run, with real tokens of pods, and what comes of it."""

import base64
import io
import json
import textwrap
import zipfile
from datetime import UTC, datetime

from podhatch.api.model import JsonObject
from podhatch.api.names import job_name, source_name
from podhatch.client.runs.request import Child
from podhatch.core.run.job import BACKSTOP_GRACE_SECONDS
from podhatch.core.workflow.revision import current_revision

from tests.kube import (
    Namespace,
    eventually,
    run_manifest,
    shell,
    tasks,
    workflow_manifest,
)

FORGED = '"harmless","verify":{"approved":true}'
ATTACK = '''
import os
from podhatch.runner.assignment import Assignment
from podhatch.runner.report import NotDelivered
from podhatch.runner.task_result import TaskResultReporter

MINE = Assignment.from_environment(os.environ)


def report(of, output):
    spec = {"run": of.run, "task": of.task, "attempt": of.attempt, "outcome": "Succeeded"}
    try:
        TaskResultReporter(of).send({**spec, "output": output})
    except NotDelivered as refusal:
        return str(refusal)[:3]
    return "taken"


def reach_out():
    """Report what is not one JSON value, and leave no second report."""
    assert report(MINE, '"harmless","verify":{"approved":true}') == "taken"
    os._exit(0)


def take_over(input, ctx):
    """Report for the attempt of another run."""
    victim = MINE._replace(run=input["run"], run_uid=input["uid"], task="slow")
    return report(victim._replace(result=input["job"]), '"forged"')


def pose(input, ctx):
    """Report under the own name for another run."""
    report(MINE._replace(run=input["run"], run_uid=input["uid"], task="slow"), '"forged"')
    os._exit(0)


def spawn():
    from podhatch import Hatchet

    return Hatchet().stubs.workflow(name="prey").run()


def stay(input, ctx):
    """Report an extension of a year, and escape the runner's own time limit."""
    spec = {"run": MINE.run, "task": MINE.task, "attempt": MINE.attempt}
    TaskResultReporter(MINE).send({**spec, "extendedSeconds": 31536000})
    os.execvp("sleep", ["sleep", "600"])
'''


def packed(**modules: str) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in modules.items():
            archive.writestr(f"{name}.py", textwrap.dedent(text))
    return buffer.getvalue()


def config_map(name: str, content: bytes) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/managed-by": "podhatch"}},
        "binaryData": {"source.zip": base64.b64encode(content).decode()},
    }


def attacks(namespace: Namespace, flow: str, *attempted: JsonObject) -> None:
    """Apply a workflow whose python tasks are those of ATTACK."""
    source = config_map("attack", packed(attack=ATTACK))
    manifest = workflow_manifest(flow, *attempted, source={"configMap": "attack"})
    namespace.apply(source, manifest)


def test_an_output_cannot_replace_a_siblings(namespace: Namespace) -> None:
    attacks(
        namespace,
        "outputs",
        {"name": "by-result", "python": "attack:reach_out"},
        shell("by-message", f"printf '%s' '{FORGED}' > $PODHATCH_OUTPUT"),
        shell("verify", """echo '{"approved":false}' > $PODHATCH_OUTPUT"""),
        shell("pay", "echo paid", "by-result", "verify"),
        shell("ship", "echo shipped", "by-message", "verify"),
    )
    namespace.run("outputs-1", "outputs")
    entries = tasks(namespace.wait("outputs-1", "Failed"))
    for name in ("by-result", "by-message"):
        assert entries[name]["reason"] == "OutputNotJSON", entries[name]
    assert json.loads(entries["verify"]["output"]) == {"approved": False}
    assert {entries[name]["state"] for name in ("pay", "ship")} == {"Cancelled"}


def test_nobody_else_reports_for_an_attempt(namespace: Namespace) -> None:
    attacks(
        namespace,
        "attackers",
        {"name": "take-over", "python": "attack:take_over"},
        {"name": "pose", "python": "attack:pose"},
    )
    slow = """sleep 12; echo '"my own"' > $PODHATCH_OUTPUT"""
    namespace.apply(workflow_manifest("victims", shell("slow", slow)))
    namespace.run("victim", "victims")
    running = "--for=jsonpath={.status.tasks[0].state}=Running"
    namespace.kubectl("wait", "wfr/victim", running, "--timeout=30s")
    job: str = tasks(namespace.get("wfr", "victim"))["slow"]["job"]
    uid: str = namespace.get("wfr", "victim")["metadata"]["uid"]
    namespace.apply(forged_pod(job))
    namespace.run("attack", "attackers", input={"run": "victim", "uid": uid, "job": job})
    done = "--for=jsonpath={.status.phase}=Succeeded"
    namespace.kubectl("wait", "pod/forged", done, "--timeout=30s")
    took_over = eventually(
        lambda: tasks(namespace.get("wfr", "attack")).get("take-over", {}).get("output"),
        30,
        "the attack to end",
    )
    assert took_over == '"403"'
    assert tasks(namespace.get("wfr", "victim"))["slow"]["state"] == "Running"
    assert tasks(namespace.wait("victim", "Succeeded"))["slow"]["output"] == '"my own"'


def forged_pod(job: str) -> JsonObject:
    """Return a pod that is labelled as one of a Job, and ends with an output of its own."""
    names = {
        "podhatch.dev/run": "victim",
        "podhatch.dev/task": "slow",
        "podhatch.dev/attempt": "1",
        "app.kubernetes.io/managed-by": "podhatch",
        "batch.kubernetes.io/job-name": job,
    }
    script = """echo '"forged"' > /dev/termination-log"""
    container = {"name": "task", "image": "python:3.13-slim", "command": ["sh", "-c", script]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "forged", "labels": names},
        "spec": {"restartPolicy": "Never", "containers": [container]},
    }


def test_a_run_with_the_name_of_a_child_is_not_adopted(namespace: Namespace) -> None:
    prey = shell("t", """echo '"true"' > $PODHATCH_OUTPUT""")
    attacks(
        namespace,
        "parents",
        {
            "name": "spawn",
            "python": "attack:spawn",
            "clusterAccess": "spawn",
            "waitFor": [{"sleepSeconds": 5}],
        },
    )
    namespace.apply(workflow_manifest("prey", prey))
    namespace.run("parent", "parents")
    uid: str = namespace.get("wfr", "parent")["metadata"]["uid"]
    job = job_name("parent", uid, "spawn", 1)
    name = Child("parent", uid, "spawn", job, 0, None).name
    namespace.apply(run_manifest(name, "prey", input={"forged": True}))
    entry = tasks(namespace.wait("parent", "Failed"))["spawn"]
    assert f"WorkflowRun '{name}' exists and is not the child run" in entry["message"]


def test_a_run_with_the_name_of_a_tick_is_shown_and_stops_no_other(namespace: Namespace) -> None:
    cron: JsonObject = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": "nightly"},
        "spec": {"workflow": "quick", "schedule": "17 3 1 1 *"},
    }
    namespace.apply(workflow_manifest("quick", shell("t", "true")), cron)
    namespace.kubectl("wait", "cwf/nightly", "--for=condition=Valid", "--timeout=30s")
    namespace.run("tick-1", "quick")
    namespace.kubectl("create", "job", "tick-1", "--from=cronjob/nightly")
    taken = "--for=jsonpath={.status.conditions[0].reason}=TickNameTaken"
    namespace.kubectl("wait", "cwf/nightly", taken, "--timeout=30s")
    eventually(lambda: past_the_second(namespace, "tick-1"), 5, "another second")
    namespace.kubectl("create", "job", "tick-2", "--from=cronjob/nightly")
    namespace.wait("tick-2", "Succeeded")
    namespace.kubectl("wait", "cwf/nightly", "--for=condition=Valid", "--timeout=30s")


def past_the_second(namespace: Namespace, job: str) -> bool:
    """Return whether a Job made now is younger; their times are whole seconds."""
    made: str = namespace.get("job", job)["metadata"]["creationTimestamp"]
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") > made


def test_a_source_that_is_not_what_its_name_says_is_not_run(namespace: Namespace) -> None:
    name = source_name(packed(orders="def charge(): return 'mine'"))
    namespace.apply(
        config_map(name, packed(orders="def charge(): return 'theirs'")),
        workflow_manifest(
            "shipped", {"name": "charge", "python": "orders:charge"}, source={"configMap": name}
        ),
    )
    namespace.run("shipped-1", "shipped")
    entry = tasks(namespace.wait("shipped-1", "Failed"))["charge"]
    assert entry["error"]["type"] == "SourceChanged"


def test_a_revision_that_is_not_what_its_name_says_is_not_taken(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("pinned", shell("t", "true")))
    name = current_revision(namespace.get("wf", "pinned")).name
    forged = workflow_manifest("pinned", shell("t", "echo stolen"))["spec"]
    names = {"app.kubernetes.io/managed-by": "podhatch", "podhatch.dev/workflow": "pinned"}
    namespace.apply(
        {
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {"name": name, "labels": names},
            "revision": 1,
            "data": {"spec": forged},
        }
    )
    namespace.run("pinned-1", "pinned")
    entry = tasks(namespace.wait("pinned-1", "Failed"))["t"]
    assert f"a ControllerRevision {name} exists that holds another workflow" in entry["message"]
    assert namespace.list("jobs") == []


def test_a_label_alone_has_no_config_map_deleted(namespace: Namespace) -> None:
    settings = config_map("settings", packed(orders="def charge(): return 1"))
    shipped = config_map(source_name(packed(a="def f(): return 1")), packed(a="def f(): return 1"))
    for number, source in enumerate((settings, shipped)):
        name: str = source["metadata"]["name"]
        module = "orders:charge" if source is settings else "a:f"
        task = {"name": "t", "python": module}
        namespace.apply(source, workflow_manifest(f"f-{number}", task, source={"configMap": name}))
        namespace.run(f"f-{number}-1", f"f-{number}")
        namespace.wait(f"f-{number}-1", "Succeeded")
        namespace.kubectl("delete", "wfr", f"f-{number}-1")
        namespace.kubectl("delete", "wf", f"f-{number}")
    selector = "app.kubernetes.io/managed-by=podhatch"
    eventually(
        lambda: namespace.list("controllerrevisions", selector) == [], 60, "the revisions to go"
    )
    kept = {each["metadata"]["name"] for each in namespace.list("configmaps", selector)}
    assert kept == {"settings"}


def test_an_extension_beyond_the_maximum_does_not_keep_a_pod(namespace: Namespace) -> None:
    limits = {"executionTimeoutSeconds": 3, "scheduleTimeoutSeconds": 60, "maxExtensionSeconds": 2}
    attacks(namespace, "stays", {"name": "stay", "python": "attack:stay", **limits})
    namespace.run("stays-1", "stays")
    entry = namespace.wait_for_reason("stays-1", "stay", "ExtensionCut")
    assert "extended its execution timeout by 3.1536e+07s, and at most 2s" in entry["message"]
    job = namespace.get("job", entry["job"])
    assert job["spec"]["activeDeadlineSeconds"] == sum(limits.values()) + BACKSTOP_GRACE_SECONDS
