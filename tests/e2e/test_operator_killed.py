"""Killing the operator at any moment neither loses nor doubles an attempt."""

import json
import time
from collections import Counter

from podhatch.api import labels

from tests.e2e.killing import operator_killed
from tests.kube import Namespace, shell, tasks, workflow_manifest

RUNS = 20
KILLS = 3


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
    with operator_killed(KILLS):
        for number in range(RUNS):
            namespace.run(f"steps-{number}", "steps")
            time.sleep(1)
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
