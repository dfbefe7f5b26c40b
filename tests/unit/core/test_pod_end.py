"""How pods end without a report: after the limit, by a disruption, by what runs beside the task."""

from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.task import TaskSpec
from podhatch.core.pod.end import CLOCK_STEP, NO_ANSWER, AttemptEnd, ReportAwaited
from podhatch.core.run.outcome import read_outcome

from tests.fakes.objects import NOW, ago, container_task, job, pod, task, terminated

CONTAINER = TaskSpec.model_validate(container_task("a", executionTimeoutSeconds=20))
PYTHON = TaskSpec.model_validate(task("a", clusterAccess=False))
DISRUPTED: JsonObject = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
}


def judged(
    its_pod: JsonObject,
    spec: TaskSpec = CONTAINER,
    its_job: JsonObject | None = None,
    later: timedelta = timedelta(),
) -> AttemptEnd | ReportAwaited | None:
    its_job = its_job or job("a")
    return read_outcome(spec, result=None, pod=its_pod, job=its_job, now=NOW + later)


def ended(
    its_pod: JsonObject, spec: TaskSpec = CONTAINER, its_job: JsonObject | None = None
) -> AttemptEnd:
    found = judged(its_pod, spec, its_job)
    assert isinstance(found, AttemptEnd)
    return found


def deleted(its_pod: JsonObject, seconds_ago: float, grace: int = 30) -> JsonObject:
    """Return the pod after somebody asked for its deletion."""
    its_pod["metadata"] |= {
        "deletionTimestamp": ago(seconds_ago - grace),
        "deletionGracePeriodSeconds": grace,
    }
    return its_pod


@pytest.mark.parametrize("exit_code", [0, 143])
@pytest.mark.parametrize(("seconds", "reason"), [(22, "TimedOut"), (21, "TimedOut"), (20, None)])
def test_a_container_that_ends_past_its_limit_timed_out_whatever_it_says(
    exit_code: int, seconds: int, reason: str | None
) -> None:
    found = ended(pod(terminated(exit_code, startedAt=ago(seconds))))
    assert found.reason == reason or (exit_code, found.reason) == (143, "ExitCode")
    assert found.exit_code == exit_code
    if reason:
        assert found.message == "task exceeded its execution timeout of 20s"


@pytest.mark.parametrize(("seconds", "reason"), [(5, "TimedOut"), (6, "TimedOut"), (7, None)])
def test_a_deadline_of_the_pods_own_counts_as_well(seconds: int, reason: str | None) -> None:
    its_pod = pod(terminated(0), startTime=ago(6), reason="DeadlineExceeded", phase="Failed")
    its_pod["spec"]["activeDeadlineSeconds"] = seconds
    assert ended(its_pod).reason == reason


@pytest.mark.parametrize("spec", [CONTAINER, PYTHON])
def test_a_container_that_could_not_start_failed_at_once_and_has_no_start(spec: TaskSpec) -> None:
    state = terminated(
        128,
        'exec: "pyton": executable file not found in $PATH',
        reason="StartError",
        startedAt="1970-01-01T00:00:00Z",
    )
    found = ended(pod(state), spec)
    assert (found.reason, found.started_at, found.finished_at) == ("ExitCode", None, NOW)
    assert found.message == (
        'exit code 128 (StartError): exec: "pyton": executable file not found in $PATH'
    )


def test_a_container_without_times_is_judged_by_its_exit_code() -> None:
    assert ended(pod({"terminated": {"exitCode": 0}})).state == "Succeeded"


@pytest.mark.parametrize("spec", [CONTAINER, PYTHON], ids=["container", "python"])
@pytest.mark.parametrize("exit_code", [0, 143])
@pytest.mark.parametrize("how", ["evicted", "deleted"])
def test_a_pod_that_was_taken_away_is_lost_also_with_exit_code_0(
    how: str, exit_code: int, spec: TaskSpec
) -> None:
    its_pod = pod(terminated(exit_code))
    if how == "deleted":
        deleted(its_pod, 0)
    else:
        its_pod["status"]["conditions"] = [{**DISRUPTED, "lastTransitionTime": ago(1)}]
    found = ended(its_pod, spec)
    assert (found.state, found.disrupted, found.exit_code) == ("Failed", True, exit_code)
    assert found.reason == ("PodDeleted" if how == "deleted" else "EvictionByEvictionAPI")


def test_what_succeeded_before_its_pod_was_taken_away_has_succeeded() -> None:
    before = terminated(0, finishedAt=ago(10), startedAt=ago(12))
    assert ended(deleted(pod(before), 5)).state == "Succeeded"
    evicted = pod(before, conditions=[{**DISRUPTED, "lastTransitionTime": ago(5)}])
    assert ended(evicted).state == "Succeeded"


def failed_init(name: str = "fetch", **state: object) -> JsonObject:
    """Return a pod that failed in an init container; the native sidecar before it was stopped."""
    its_pod = pod({"waiting": {"reason": "PodInitializing"}}, phase="Failed")
    its_pod["spec"]["initContainers"] = [
        {"name": "proxy", "restartPolicy": "Always"},
        {"name": name},
    ]
    its_pod["status"]["initContainerStatuses"] = [
        {"name": "proxy", "state": {"terminated": {"exitCode": 137}}},
        {"name": name, "state": {"terminated": {"finishedAt": ago(0), **state}}},
    ]
    return its_pod


@pytest.mark.parametrize(
    ("state", "reason", "words"),
    [
        (
            {"exitCode": 3, "reason": "Error", "message": "no such host\n"},
            "ExitCode",
            "init container fetch failed: exit code 3: no such host",
        ),
        (
            {"exitCode": 137, "reason": "OOMKilled"},
            "OOMKilled",
            "init container fetch used more memory than its limit: exit code 137 (OOMKilled)",
        ),
        (
            {"exitCode": 128, "reason": "StartError", "message": "not found"},
            "ExitCode",
            "init container fetch failed: exit code 128 (StartError): not found",
        ),
    ],
)
def test_a_failing_init_container_is_the_tasks_own_failure(
    state: JsonObject, reason: str, words: str
) -> None:
    found = ended(failed_init(**state))
    assert (found.reason, found.message) == (reason, words)
    assert (found.disrupted, found.started_at) == (False, None)


def test_an_init_container_that_was_killed_with_its_pod_is_a_disruption() -> None:
    assert ended(deleted(failed_init(exitCode=143), 1)).reason == "PodDeleted"


def test_a_pod_whose_init_containers_are_fine_was_lost() -> None:
    found = ended(failed_init(exitCode=0))
    assert (found.reason, found.disrupted) == ("PodFailed", True)


OWN_LIMITS = [
    "Pod ephemeral local storage usage exceeds the total limit of containers 10Mi. ",
    'Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". ',
    'Container task exceeded its local ephemeral storage limit "1Mi". ',
]


@pytest.mark.parametrize("words", OWN_LIMITS)
@pytest.mark.parametrize("state", [None, terminated(137), terminated(0)])
def test_more_storage_than_allowed_is_the_tasks_own_failure(
    words: str, state: JsonObject | None
) -> None:
    its_pod = pod(state, phase="Failed", reason="Evicted", message=words)
    found = ended(its_pod)
    assert (found.reason, found.message) == ("StorageLimitExceeded", words.strip())
    assert (found.state, found.disrupted) == ("Failed", False)


def test_a_node_without_storage_is_a_disruption() -> None:
    words = "The node was low on resource: ephemeral-storage. Threshold quantity: 1Gi."
    condition = {**DISRUPTED, "reason": "TerminationByKubelet", "message": words}
    its_pod = pod(phase="Failed", reason="Evicted", message=words, conditions=[condition])
    found = ended(its_pod)
    assert (found.reason, found.message, found.disrupted) == ("TerminationByKubelet", words, True)


def test_a_deleted_pod_whose_node_is_silent_is_lost_after_a_minute() -> None:
    dark = deleted(pod({"running": {"startedAt": ago(600)}}), 60)
    last_moment = NOW - timedelta(seconds=30)
    assert judged(dark) == ReportAwaited(last_moment + NO_ANSWER)
    found = judged(dark, later=NO_ANSWER)
    assert isinstance(found, AttemptEnd)
    assert (found.reason, found.disrupted) == ("PodLost", True)
    assert found.message == "node node-1 does not answer, and its pod was deleted"


@pytest.mark.parametrize("spec", [CONTAINER, PYTHON], ids=["container", "python"])
def test_a_silent_node_does_not_stretch_the_limit(spec: TaskSpec) -> None:
    """The Job has passed its deadline, and waits for its pod to be gone."""
    dark = deleted(pod({"running": {"startedAt": ago(600)}}), 99)
    late = job("a", None, FailureTarget="DeadlineExceeded")
    found = ended(dark, spec, late)
    assert (found.reason, found.disrupted) == ("TimedOut", False)


def test_a_container_task_on_a_silent_node_times_out_by_the_operators_clock() -> None:
    running = pod({"running": {"startedAt": ago(0)}})
    running["spec"]["terminationGracePeriodSeconds"] = 10
    late = timedelta(seconds=20) + CLOCK_STEP + timedelta(seconds=10) + NO_ANSWER
    assert judged(running, later=late - CLOCK_STEP) is None
    found = judged(running, later=late)
    assert isinstance(found, AttemptEnd)
    assert (found.reason, found.disrupted) == ("TimedOut", False)
    assert judged(running, PYTHON, later=late) is None


@pytest.mark.parametrize("condition", ["FailureTarget", "SuccessCriteriaMet"])
def test_a_job_that_waits_for_its_last_pod_has_ended(condition: str) -> None:
    over = job("a", conditions={condition: "DeadlineExceeded"})
    found = read_outcome(CONTAINER, result=None, pod=None, job=over, now=NOW + NO_ANSWER)
    assert isinstance(found, AttemptEnd)
    assert found.reason == "TimedOut"


def test_a_job_that_was_suspended_while_it_ran_is_lost() -> None:
    taken = job("a")
    taken["spec"]["suspend"] = True
    for started, reason in ((True, "PodDeleted"), (False, None)):
        found = read_outcome(CONTAINER, result=None, pod=None, job=taken, now=NOW, started=started)
        assert (found.reason if isinstance(found, AttemptEnd) else None) == reason


def test_a_pod_that_was_deleted_with_a_grace_beyond_all_times_is_lost() -> None:
    its_pod = pod(terminated(143), phase="Failed")
    its_pod["metadata"] |= {"deletionTimestamp": ago(1), "deletionGracePeriodSeconds": 2**40}
    assert ended(its_pod).reason == "PodDeleted"
