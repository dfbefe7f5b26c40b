"""How soon durable tasks go on: one that waits without a pod, and one that waits in its pod.

Times are those of this process: when the API server had an event, and when a watch saw a Job.
"""

import logging

from tests.e2e.conftest import StartDurable
from tests.e2e.durable_runs import (
    by_own_clock,
    entry_of,
    jobs_seen,
    output_of,
    parked,
    push,
    without_pods,
)
from tests.kube import Namespace, eventually

logger = logging.getLogger(__name__)


def test_an_event_wakes_a_task_within_a_second_and_the_start_of_a_pod(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    with jobs_seen(namespace) as seen:
        [run] = start_durable("wait", {"key": "paid"})
        entry = parked(namespace, run)
        assert "waits for event paid" in entry["message"]
        without_pods(namespace, run)
        pushed = push(namespace, "e1", "paid", n=7)
        first, second = seen.times(2)
    output = output_of(namespace, run)
    assert output["payload"] == {"n": 7}
    went_on = by_own_clock(output["woken"])
    logger.info(
        "the Job came after %.3f s, and went on after %.3f s", second - pushed, went_on - pushed
    )
    assert second - pushed <= 1
    start_of_a_pod = by_own_clock(output["began"]) - first
    assert went_on - second <= start_of_a_pod + 1, "it is more than the start of a pod"
    assert entry_of(namespace, run)["resumes"] == 1


def test_a_sleep_ends_within_a_second_and_the_start_of_a_pod(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    with jobs_seen(namespace) as seen:
        [run] = start_durable("nap", {"seconds": 10})
        parked(namespace, run)
        [log] = namespace.list("dlog")
        wakes_at = by_own_clock(log["status"]["nextAt"])
        _, second = seen.times(2)
    logger.info("the Job came %.3f s after the sleep", second - wakes_at)
    assert 0 <= second - wakes_at <= 1
    assert output_of(namespace, run)["slept"] >= 10


def test_an_event_wakes_a_task_in_its_pod_within_a_second(
    namespace: Namespace, start_durable: StartDurable
) -> None:
    [run] = start_durable("stay", {"key": "paid"})
    eventually(lambda: any(log["spec"]["calls"] for log in namespace.list("dlog")), 60, "the call")
    [pod] = namespace.list("pods")
    pushed = push(namespace, "e1", "paid", n=8)
    output = output_of(namespace, run)
    assert output["payload"] == {"n": 8}
    assert by_own_clock(output["woken"]) - pushed <= 1
    assert [each["metadata"]["name"] for each in namespace.list("pods")] == [
        pod["metadata"]["name"]
    ]
    assert "resumes" not in entry_of(namespace, run)
