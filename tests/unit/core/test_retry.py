"""When a failed or lost attempt is made again."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskStatus
from podhatch.core.pod.end import AttemptEnd
from podhatch.core.run.retry import Retry, next_attempt

from tests.fakes.objects import NOW, task

FAILED = AttemptEnd("Failed", reason="TaskFailed", message="bad", finished_at=NOW)
LOST = AttemptEnd(
    "Failed", reason="Evicted", message="low on memory", finished_at=NOW, disrupted=True
)


def after(ended: AttemptEnd, used: int = 0, lost: int = 0, **fields: object) -> Retry | None:
    status = TaskStatus(name="a", state="Running", attempt=1, retries=used, disruptions=lost)
    return next_attempt(TaskSpec.model_validate(task("a", **fields)), status, ended, "seed", NOW)


def wait(again: Retry | None) -> float:
    assert again is not None
    return (again.at - NOW).total_seconds()


@pytest.mark.parametrize(
    ("fields", "used", "seconds"),
    [
        ({}, 0, 0),
        ({"backoffFactor": 2}, 0, 2),
        ({"backoffFactor": 2}, 1, 4),
        ({"backoffFactor": 2}, 2, 8),
        ({"backoffFactor": 1.5}, 1, 2.25),
        ({"backoffFactor": 2, "backoffMaxSeconds": 3}, 2, 3),
        ({"backoffFactor": 1000}, 4, 86_400),
        ({"backoffFactor": 1000, "retries": 100}, 99, 86_400),
        ({"backoffFactor": 1000, "retries": 100, "backoffMaxSeconds": 60}, 99, 60),
        ({"backoffMaxSeconds": 60}, 3, 0),
    ],
)
def test_the_wait_is_the_factor_to_the_power_of_the_retry(
    fields: dict[str, Any], used: int, seconds: float
) -> None:
    assert wait(after(FAILED, used, **({"retries": 5} | fields))) == seconds


@pytest.mark.parametrize(
    ("ended", "retries", "used"),
    [
        (FAILED, 0, 0),
        (FAILED, 2, 2),
        (AttemptEnd("Failed", message="no", retryable=False), 5, 0),
        (AttemptEnd("Succeeded"), 5, 0),
    ],
)
def test_the_last_end_is_not_followed_by_a_retry(
    ended: AttemptEnd, retries: int, used: int
) -> None:
    assert after(ended, used, retries=retries) is None


def test_a_retry_counts_as_one_and_says_of_how_many() -> None:
    again = after(FAILED, 1, 3, retries=2)
    assert again is not None
    assert (again.reason, again.retries, again.disruptions) == ("Retrying", 2, 3)
    assert again.message == "retry 2 of 2 after: bad"


@pytest.mark.parametrize(("asked", "seconds"), [(0.0, 0), (1.5, 1.5), (1e9, 86_400)])
def test_the_task_may_say_when(asked: float, seconds: float) -> None:
    ended = AttemptEnd("Failed", message="busy", finished_at=NOW, retry_after=asked)
    assert wait(after(ended, retries=1, backoffFactor=7)) == seconds


def test_jitter_takes_a_part_off_and_is_the_same_each_time() -> None:
    seconds = wait(after(FAILED, 2, retries=5, backoffFactor=10, backoffJitter=0.5))
    assert 500 < seconds < 1000
    assert wait(after(FAILED, 2, retries=5, backoffFactor=10, backoffJitter=0.5)) == seconds
    assert wait(after(FAILED, 2, retries=5, backoffFactor=10, backoffJitter=0)) == 1000


@pytest.mark.parametrize(("before", "seconds"), [(0, 0), (1, 2), (2, 4), (5, 32), (6, 60), (9, 60)])
def test_a_lost_attempt_is_made_again_without_a_retry(before: int, seconds: float) -> None:
    again = after(LOST, lost=before)
    assert wait(again) == seconds
    assert again is not None
    assert (again.reason, again.retries, again.disruptions) == ("Disrupted", 0, before + 1)
    assert f"low on memory) and is made again, number {before + 1} of 10" in again.message


def test_after_ten_losses_the_task_has_failed() -> None:
    assert after(LOST, lost=10, retries=5) is None


@pytest.mark.parametrize("ended_at", [NOW + timedelta(hours=1), None])
def test_an_end_that_is_unknown_or_ahead_of_the_clock_is_now(ended_at: object) -> None:
    ended = AttemptEnd("Failed", message="bad", finished_at=ended_at)  # pyright: ignore[reportArgumentType]
    assert wait(after(ended, retries=1, backoffFactor=3)) == 3
