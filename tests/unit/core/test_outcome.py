"""How an attempt ended, from every kind of evidence."""

import json
from datetime import timedelta

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.task import TaskSpec
from podhatch.core.pod.end import AttemptEnd, ReportAwaited
from podhatch.core.run.outcome import REPORT_GRACE, read_outcome

from tests.fakes.objects import (
    NOW,
    ago,
    container_task,
    job,
    pod,
    report,
    result,
    task,
    terminated,
    time_text,
)

PYTHON = TaskSpec.model_validate(task("a"))
WITHOUT_ACCESS = TaskSpec.model_validate(task("a", clusterAccess=False))
CONTAINER = TaskSpec.model_validate(container_task("a", executionTimeoutSeconds=2.5))
LATER = NOW + REPORT_GRACE + timedelta(seconds=1)
ERROR = {"type": "ValueError", "message": "bad", "traceback": "Traceback ..."}


def outcome(
    spec: TaskSpec,
    *,
    its_result: JsonObject | None = None,
    its_pod: JsonObject | None = None,
    its_job: JsonObject | None = None,
    late: bool = False,
) -> AttemptEnd | ReportAwaited | None:
    return read_outcome(
        spec, result=its_result, pod=its_pod, job=its_job, now=LATER if late else NOW
    )


def message(outcome_: str = "Succeeded", **fields: object) -> str:
    return json.dumps(report("a", outcome_, **fields))


@pytest.mark.parametrize(
    ("reported", "state", "reason"),
    [
        ("Succeeded", "Succeeded", None),
        ("Failed", "Failed", "TaskFailed"),
        ("TimedOut", "Failed", "TimedOut"),
        ("Cancelled", "Failed", "Terminated"),
    ],
)
def test_a_result_counts_before_all_else(reported: str, state: str, reason: str | None) -> None:
    ended = outcome(
        PYTHON, its_result=result("a", reported), its_pod=pod(terminated(1)), its_job=job("a")
    )
    assert isinstance(ended, AttemptEnd)
    assert (ended.state, ended.reason) == (state, reason)


def test_an_error_is_carried_whole() -> None:
    ended = outcome(PYTHON, its_result=result("a", "Failed", error=ERROR))
    assert isinstance(ended, AttemptEnd)
    assert ended.message == "ValueError: bad"
    assert ended.traceback == "Traceback ..."


@pytest.mark.parametrize("in_result", [True, False])
def test_a_task_that_cancelled_itself_is_cancelled(in_result: bool) -> None:
    fields: JsonObject = {"error": {"type": "Cancelled", "message": "it did"}, "retryable": False}
    ended = (
        outcome(PYTHON, its_result=result("a", "Cancelled", **fields))
        if in_result
        else outcome(WITHOUT_ACCESS, its_pod=pod(terminated(143, message("Cancelled", **fields))))
    )
    assert isinstance(ended, AttemptEnd)
    assert (ended.state, ended.reason) == ("Cancelled", "CancelledItself")
    assert (ended.message, ended.disrupted, ended.retryable) == ("it did", False, False)


POD_ENDS: list[tuple[str, TaskSpec, JsonObject, str, str]] = [
    ("failed, by message", PYTHON, terminated(1, message("Failed", error=ERROR)), "Failed", "bad"),
    ("killed", PYTHON, terminated(137), "Failed", "exit code 137"),
    ("killed, with its last words", PYTHON, terminated(2, "boom"), "Failed", "exit code 2: boom"),
    ("memory", PYTHON, terminated(137, reason="OOMKilled"), "Failed", "more memory than its limit"),
    ("silent end", PYTHON, terminated(0), "Failed", "reported nothing"),
    (
        "long output, result lost",
        PYTHON,
        terminated(0, message(truncated=True)),
        "Failed",
        "never arrived",
    ),
    ("container without output", CONTAINER, terminated(0), "Succeeded", ""),
    ("container with words", CONTAINER, terminated(0, "done"), "Failed", "not JSON"),
    ("container with NaN", CONTAINER, terminated(0, "NaN"), "Failed", "NaN is not JSON"),
    (
        "container, too long",
        CONTAINER,
        terminated(0, '"' + "x" * 4095),
        "Failed",
        "longer than 4096",
    ),
    (
        "container failed",
        CONTAINER,
        terminated(3, "tail of the log"),
        "Failed",
        "3: tail of the log",
    ),
]


@pytest.mark.parametrize(
    ("spec", "state", "expected", "words"),
    [case[1:] for case in POD_ENDS],
    ids=[case[0] for case in POD_ENDS],
)
def test_a_pods_end_is_judged(spec: TaskSpec, state: JsonObject, expected: str, words: str) -> None:
    ended = outcome(spec, its_pod=pod(state), its_job=job("a"), late=True)
    assert isinstance(ended, AttemptEnd)
    assert ended.state == expected
    assert words in ended.message
    assert ended.exit_code is None or ended.exit_code == state["terminated"]["exitCode"]


def test_a_container_that_ran_too_long_timed_out() -> None:
    its_pod = pod(terminated(137, startedAt=ago(4)))
    ended = outcome(CONTAINER, its_pod=its_pod, its_job=job("a"))
    assert isinstance(ended, AttemptEnd)
    assert (ended.reason, ended.message) == (
        "TimedOut",
        "task exceeded its execution timeout of 2.5s",
    )


@pytest.mark.parametrize(
    ("status", "reason", "words"),
    [
        ({"reason": "Evicted", "message": "low on memory"}, "Evicted", "low on memory"),
        ({"reason": "DeadlineExceeded", "message": "too late"}, "TimedOut", "too late"),
        ({}, "PodFailed", "the pod failed"),
    ],
)
def test_a_pod_that_failed_without_its_container_is_judged(
    status: JsonObject, reason: str, words: str
) -> None:
    ended = outcome(PYTHON, its_pod=pod(None, phase="Failed", **status), its_job=job("a"))
    assert isinstance(ended, AttemptEnd)
    assert (ended.reason, ended.message) == (reason, words)


@pytest.mark.parametrize(
    ("condition", "reason"),
    [
        ({"Failed": "DeadlineExceeded"}, "TimedOut"),
        ({"Failed": "PodFailurePolicy"}, "Disrupted"),
        ({"Failed": "BackoffLimitExceeded"}, "PodLost"),
        ({"Complete": "CompletionsReached"}, "PodLost"),
    ],
)
def test_a_job_without_a_pod_is_judged_after_a_grace(
    condition: dict[str, str], reason: str
) -> None:
    finished = job("a", conditions=condition)
    assert outcome(PYTHON, its_job=finished) == ReportAwaited(NOW + REPORT_GRACE)
    ended = outcome(PYTHON, its_job=finished, late=True)
    assert isinstance(ended, AttemptEnd)
    assert ended.reason == reason


def test_a_report_is_awaited_only_where_one_can_come() -> None:
    assert isinstance(outcome(PYTHON, its_pod=pod(terminated(1))), ReportAwaited)
    assert isinstance(outcome(WITHOUT_ACCESS, its_pod=pod(terminated(1))), AttemptEnd)
    assert isinstance(outcome(CONTAINER, its_pod=pod(terminated(1))), AttemptEnd)


@pytest.mark.parametrize("finished_at", ["2026-11-23T13:00:00Z", None])
def test_a_clock_that_is_ahead_or_unknown_is_not_waited_for(finished_at: str | None) -> None:
    state = terminated(1)
    state["terminated"]["finishedAt"] = finished_at
    assert isinstance(outcome(PYTHON, its_pod=pod(state)), AttemptEnd)


def test_a_deleted_job_ends_its_attempt() -> None:
    ended = outcome(PYTHON)
    assert isinstance(ended, AttemptEnd)
    assert ended.reason == "JobDeleted"


@pytest.mark.parametrize(
    "its_pod", [None, pod(), pod({"running": {}}), pod({"waiting": {"reason": "X"}})]
)
def test_an_attempt_under_way_has_no_outcome(its_pod: JsonObject | None) -> None:
    assert outcome(PYTHON, its_pod=its_pod, its_job=job("a")) is None


def test_what_a_task_wrote_itself_is_no_report() -> None:
    ended = outcome(WITHOUT_ACCESS, its_pod=pod(terminated(1, '{"outcome": "Succeeded"}')))
    assert isinstance(ended, AttemptEnd)
    assert ended.reason == "ExitCode"


def test_a_report_without_words_still_has_a_message() -> None:
    ended = outcome(PYTHON, its_result=result("a", "TimedOut"))
    assert isinstance(ended, AttemptEnd)
    assert ended.message == "TimedOut"


def test_a_job_whose_condition_has_no_time_is_judged_at_once() -> None:
    finished = job("a", None, Failed="BackoffLimitExceeded")
    del finished["status"]["conditions"][0]["lastTransitionTime"]
    assert isinstance(outcome(PYTHON, its_job=finished), AttemptEnd)


@pytest.mark.parametrize(
    ("exit_code", "text", "reason"),
    [(137, "", "PreemptionByScheduler"), (0, "", "PreemptionByScheduler"), (1, "x", None)],
)
def test_a_pod_that_had_to_go_is_no_failure_of_its_own(
    exit_code: int, text: str, reason: str | None
) -> None:
    target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    its_pod = pod(terminated(exit_code, text), conditions=[target] if reason else [])
    ended = outcome(WITHOUT_ACCESS, its_pod=its_pod, its_job=job("a"))
    assert isinstance(ended, AttemptEnd)
    assert ended.disrupted is (reason is not None)
    assert ended.reason == (reason or "ExitCode")


def test_a_pod_that_was_stopped_at_the_jobs_deadline_is_no_deleted_pod() -> None:
    its_pod = pod(terminated(137))
    its_pod["metadata"]["deletionTimestamp"] = time_text(NOW)
    late = job("a", None, FailureTarget="DeadlineExceeded")
    ended = outcome(WITHOUT_ACCESS, its_pod=its_pod, its_job=late)
    assert isinstance(ended, AttemptEnd)
    assert not ended.disrupted
