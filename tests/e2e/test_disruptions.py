"""Pods and nodes that go away cost no retry."""

import subprocess
import sys

from tests.kube import (
    REPOSITORY,
    Namespace,
    eventually,
    real_node,
    shell,
    tasks,
    workflow_manifest,
)


def wait_until_running(namespace: Namespace, run: str) -> None:
    eventually(
        lambda: tasks(namespace.get("wfr", run)).get("t", {}).get("state") == "Running",
        30,
        "the task to run",
    )


def tell_cluster(*words: str) -> None:
    """Have the cluster's own tool do something, in a process that may leave programs behind."""
    subprocess.run([sys.executable, "-m", "tests.cluster", *words], cwd=REPOSITORY, check=True)


def node_is_ready() -> bool:
    return any(
        each["type"] == "Ready" and each["status"] == "True"
        for each in real_node()["status"]["conditions"]
    )


def test_a_deleted_pod_is_made_again_by_its_own_counter(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("lost", shell("t", 'test "$PODHATCH_ATTEMPT" = 2 || exec sleep 600'))
    )
    namespace.run("lost-1", "lost")
    wait_until_running(namespace, "lost-1")
    namespace.kubectl("delete", "pods", "--all", "--grace-period=1", "--wait=false")
    entry = tasks(namespace.wait("lost-1", "Succeeded"))["t"]
    assert (entry["attempt"], entry["disruptions"]) == (2, 1)
    assert "retries" not in entry
    [record] = entry["attempts"]
    assert record["reason"] in ("PodDeleted", "PodLost")


def test_a_deleted_job_is_made_again(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("gone", shell("t", 'test "$PODHATCH_ATTEMPT" = 2 || exec sleep 600'))
    )
    namespace.run("gone-1", "gone")
    wait_until_running(namespace, "gone-1")
    namespace.kubectl("delete", "jobs", "--all", "--wait=false")
    entry = tasks(namespace.wait("gone-1", "Succeeded"))["t"]
    assert (entry["attempt"], entry["disruptions"]) == (2, 1)


def test_a_kubelet_that_is_away_for_a_minute_loses_nothing(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("waits", shell("t", "sleep 5"), shell("after", "true", "t")))
    namespace.run("waits-1", "waits")
    wait_until_running(namespace, "waits-1")
    tell_cluster("stop", "kubelet")
    try:
        eventually(lambda: not node_is_ready(), 90, "the node to be missed")
        assert tasks(namespace.get("wfr", "waits-1"))["t"]["state"] == "Running"
    finally:
        tell_cluster("start", "kubelet")
        eventually(node_is_ready, 60, "the node to be back")
    entries = tasks(namespace.wait("waits-1", "Succeeded"))
    assert [entries[name]["attempt"] for name in ("t", "after")] == [1, 1]
