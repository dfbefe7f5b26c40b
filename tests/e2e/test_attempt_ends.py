"""How attempts end on a real kubelet: limits, init containers, sidecars, lost pods, dark nodes."""

from datetime import UTC, datetime, timedelta

from podhatch.api.model import JsonObject

from tests.e2e.test_disruptions import node_is_ready, tell_cluster, wait_until_running
from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest

IMAGE = "python:3.13-slim"
STUBBORN = 'echo begun; trap "exit 0" TERM; sleep 600 & wait'
"""A program that ends with exit code 0 when it is told to stop."""


def beside(name: str, script: str) -> JsonObject:
    return {"name": name, "image": IMAGE, "command": ["sh", "-c", script]}


def template(**spec: object) -> JsonObject:
    """Return the settings of a pod whose template has these fields."""
    return {"podTemplate": {"spec": spec}}


def log_of(namespace: Namespace, entry: JsonObject) -> str:
    return namespace.kubectl("logs", f"job/{entry['job']}", "-c", "task")


def has_ended(namespace: Namespace, job: str) -> bool:
    conditions = namespace.get("job", job)["status"].get("conditions", [])
    return any(each["type"] in ("Complete", "Failed") for each in conditions)


def test_exit_code_0_does_not_hide_a_time_limit_and_the_log_stays(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("late", shell("t", STUBBORN, executionTimeoutSeconds=2)))
    namespace.run("late-1", "late")
    entry = tasks(namespace.wait("late-1", "Failed"))["t"]
    assert entry["reason"] == "TimedOut"
    assert entry["message"] == "task exceeded its execution timeout of 2s"
    assert (entry["exitCode"], log_of(namespace, entry)) == (0, "begun\n")


def test_exit_code_0_does_not_hide_a_deletion(namespace: Namespace) -> None:
    script = f'test "$PODHATCH_ATTEMPT" = 1 || exit 0; {STUBBORN}'
    namespace.apply(workflow_manifest("taken", shell("t", script)))
    namespace.run("taken-1", "taken")
    wait_until_running(namespace, "taken-1")
    namespace.kubectl("delete", "pods", "--all", "--wait=false")
    entry = tasks(namespace.wait("taken-1", "Succeeded"))["t"]
    assert (entry["attempt"], entry["disruptions"]) == (2, 1)
    assert entry["attempts"][0]["reason"] == "PodDeleted"


def test_a_failing_init_container_uses_retries_and_says_why(namespace: Namespace) -> None:
    fetch = beside("fetch", "echo no such host >&2; exit 3")
    settings = template(initContainers=[fetch])
    namespace.apply(workflow_manifest("init", shell("t", "true", retries=1, pod=settings)))
    namespace.run("init-1", "init")
    entry = tasks(namespace.wait("init-1", "Failed"))["t"]
    assert (entry["attempt"], entry["retries"], "disruptions" in entry) == (2, 1, False)
    assert entry["message"] == "init container fetch failed: exit code 3: no such host"
    assert (entry["reason"], entry["exitCode"]) == ("ExitCode", 3)


def test_an_init_image_that_cannot_be_pulled_is_named(namespace: Namespace) -> None:
    fetch = beside("fetch", "true") | {"image": "nowhere.example/none:1"}
    settings = template(initContainers=[fetch])
    namespace.apply(workflow_manifest("pull", shell("t", "true", pod=settings)))
    namespace.run("pull-1", "pull")
    entry = namespace.wait_for_reason("pull-1", "t", "ImagePull", 60)
    assert "image nowhere.example/none:1 of container fetch cannot be pulled" in entry["message"]


def test_the_clock_does_not_run_while_an_init_container_does(namespace: Namespace) -> None:
    settings = template(initContainers=[beside("slow", "sleep 5")])
    slow = shell("t", "true", pod=settings, executionTimeoutSeconds=2)
    namespace.apply(workflow_manifest("slow", slow))
    namespace.run("slow-1", "slow")
    assert tasks(namespace.wait("slow-1", "Succeeded"))["t"]["attempt"] == 1


def test_a_sidecar_that_never_ends_does_not_keep_the_pod(namespace: Namespace) -> None:
    settings = template(containers=[beside("proxy", STUBBORN)])
    namespace.apply(workflow_manifest("side", shell("t", "echo done", pod=settings)))
    namespace.run("side-1", "side")
    entry = tasks(namespace.wait("side-1", "Succeeded"))["t"]
    eventually(lambda: has_ended(namespace, entry["job"]), 60, "the Job to end")
    assert log_of(namespace, entry) == "done\n"
    assert tasks(namespace.get("wfr", "side-1"))["t"] == entry


def test_a_native_sidecar_works(namespace: Namespace) -> None:
    proxy = beside("proxy", STUBBORN) | {"restartPolicy": "Always"}
    settings = template(initContainers=[proxy])
    namespace.apply(workflow_manifest("native", shell("t", "echo done", pod=settings)))
    namespace.run("native-1", "native")
    entry = tasks(namespace.wait("native-1", "Succeeded"))["t"]
    eventually(lambda: has_ended(namespace, entry["job"]), 60, "the Job to end")
    assert log_of(namespace, entry) == "done\n"


def test_what_cannot_start_times_out_for_scheduling_and_says_why(namespace: Namespace) -> None:
    limits = {"scheduleTimeoutSeconds": 15, "executionTimeoutSeconds": 1}
    secret = {"secretKeyRef": {"name": "nowhere", "key": "token"}}
    variable = {"env": [{"name": "TOKEN", "valueFrom": secret}]}
    volume = {
        "volumes": [{"name": "data", "secret": {"secretName": "nowhere"}}],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    namespace.apply(
        workflow_manifest(
            "stuck",
            shell("variable", "true", pod=variable, **limits),
            shell("volume", "true", pod=volume, **limits),
        )
    )
    namespace.run("stuck-1", "stuck")
    entry = namespace.wait_for_reason("stuck-1", "volume", "FailedMount")
    assert 'secret "nowhere" not found' in entry["message"]
    entries = tasks(namespace.wait("stuck-1", "Cancelled"))
    for name in ("variable", "volume"):
        assert entries[name]["reason"] == "ScheduleTimedOut"
        assert 'secret "nowhere" not found' in entries[name]["message"]


def test_a_deleted_pod_of_what_ran_never_times_out_for_scheduling(namespace: Namespace) -> None:
    names = [f"t{number}" for number in range(6)]
    script = 'test "$PODHATCH_ATTEMPT" = 2 || exec sleep 600'
    limits = {"scheduleTimeoutSeconds": 20, "executionTimeoutSeconds": 300}
    namespace.apply(workflow_manifest("gone", *(shell(name, script, **limits) for name in names)))
    namespace.run("gone-1", "gone")
    states = eventually(lambda: all_running(namespace.get("wfr", "gone-1")), 60, "all tasks to run")
    late = max(datetime.fromisoformat(each["queuedAt"]) for each in states) + timedelta(seconds=20)
    eventually(lambda: datetime.now(UTC) > late, 30, "the schedule timeout to pass")
    namespace.kubectl("delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false")
    for entry in tasks(namespace.wait("gone-1", "Succeeded", 90)).values():
        assert (entry["attempt"], entry["disruptions"]) == (2, 1)
    jobs = {each["metadata"]["name"] for each in namespace.list("jobs")}
    eventually(lambda: all(has_ended(namespace, job) for job in jobs), 30, "all Jobs to end")


def all_running(run: JsonObject) -> list[JsonObject] | None:
    entries = [*tasks(run).values()]
    return entries if entries and all(e["state"] == "Running" for e in entries) else None


def test_a_node_that_goes_dark_stretches_no_limit(namespace: Namespace) -> None:
    """It was Running: it is TimedOut although its node does not answer, and its Job goes."""
    settings = template(terminationGracePeriodSeconds=1)
    limits = {"scheduleTimeoutSeconds": 15, "executionTimeoutSeconds": 10}
    namespace.apply(workflow_manifest("dark", shell("t", "sleep 600", pod=settings, **limits)))
    namespace.run("dark-1", "dark")
    wait_until_running(namespace, "dark-1")
    tell_cluster("stop", "kubelet")
    try:
        entry = tasks(namespace.wait("dark-1", "Failed", 110))["t"]
        assert (entry["reason"], entry["attempt"]) == ("TimedOut", 1)
        assert "its node does not answer" in entry["message"]
    finally:
        tell_cluster("start", "kubelet")
        eventually(node_is_ready, 60, "the node to be back")
    eventually(
        lambda: not namespace.list("jobs") or has_ended(namespace, entry["job"]), 100, "its end"
    )
