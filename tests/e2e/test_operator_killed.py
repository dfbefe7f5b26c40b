"""Killing the operator at any moment neither loses nor doubles an attempt."""

import json
import threading
from collections import Counter

from podhatch.api import labels

from tests.kube import (
    OPERATOR_NAMESPACE,
    KubectlError,
    Namespace,
    kubectl,
    shell,
    tasks,
    workflow_manifest,
)

RUNS = 20
OPERATOR = ("-n", OPERATOR_NAMESPACE, "pod", "-l", "app.kubernetes.io/component=operator")


def kill_until(stop: threading.Event, kills: list[int]) -> None:
    """Kill the operator's pod as soon as there is one that has started, again and again."""
    while not stop.wait(0.5):
        try:
            kubectl("delete", *OPERATOR, "--grace-period=0", "--force", "--wait=false")
        except KubectlError:
            continue
        kills.append(1)
        stop.wait(3)


def test_twenty_runs_go_through_while_the_operator_is_killed(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest(
            "steps",
            shell("a", "echo 1 > $PODHATCH_OUTPUT"),
            {"name": "b", "python": "platform:python_version", "parents": ["a"]},
            shell("c", "echo 3 > $PODHATCH_OUTPUT", "a"),
            shell("d", 'echo "$PODHATCH_PARENTS" > $PODHATCH_OUTPUT', "b", "c"),
        )
    )
    stop, kills = threading.Event(), list[int]()
    killer = threading.Thread(target=kill_until, args=(stop, kills))
    killer.start()
    try:
        for number in range(RUNS):
            namespace.run(f"steps-{number}", "steps")
        stop.wait(20)
    finally:
        stop.set()
        killer.join()
    assert len(kills) >= 4
    for number in range(RUNS):
        run = namespace.wait(f"steps-{number}", "Succeeded", seconds=180)
        assert json.loads(tasks(run)["d"]["output"])["c"] == 3
    pods = Counter(
        (pod["metadata"]["labels"][labels.RUN], pod["metadata"]["labels"][labels.TASK])
        for pod in namespace.list("pods")
    )
    assert len(pods) == RUNS * 4
    assert set(pods.values()) == {1}, "an attempt had more than one pod"
    attempts = {job["metadata"]["labels"][labels.ATTEMPT] for job in namespace.list("jobs")}
    assert attempts == {"1"}
