"""What a failed attempt says about the next one, and what an attempt knows of those before it."""

import pytest

from tests.unit.runner.conftest import Pod


def raises(expression: str) -> str:
    return f"""
from datetime import timedelta
from podhatch import NonRetryableException, RetryAfter

class NoCard(NonRetryableException): ...

class Busy(Exception):
    def __init__(self, retry_after=None):
        self.retry_after = retry_after

class Broken(Exception):
    @property
    def retry_after(self):
        raise ValueError

def charge(input, ctx):
    raise {expression}
"""


@pytest.mark.parametrize("expression", ["NonRetryableException('no card')", "NoCard('no card')"])
def test_an_error_that_is_not_retryable_is_reported_so(task_pod: Pod, expression: str) -> None:
    ended = task_pod.run(raises(expression))
    assert (ended.message["outcome"], ended.message["retryable"]) == ("Failed", False)
    assert ended.error["message"] == "no card"
    assert "retryAfterSeconds" not in ended.message


@pytest.mark.parametrize(
    ("expression", "seconds"),
    [
        ("RetryAfter('busy', 1.5)", 1.5),
        ("RetryAfter('busy', timedelta(minutes=2))", 120),
        ("Busy(0)", 0),
        ("Busy(10**400)", 86_400),
    ],
)
def test_an_error_says_how_long_to_wait(task_pod: Pod, expression: str, seconds: float) -> None:
    ended = task_pod.run(raises(expression))
    assert ended.message["retryAfterSeconds"] == seconds
    assert "retryable" not in ended.message


@pytest.mark.parametrize(
    "expression",
    [
        "ValueError()",
        "Busy()",
        "Busy(-1)",
        "Busy(True)",
        "Busy(float('nan'))",
        "Busy('Fri, 13 Nov 2026 10:00:00 GMT')",
        "Broken()",
    ],
)
def test_an_ordinary_error_says_nothing_about_retries(task_pod: Pod, expression: str) -> None:
    ended = task_pod.run(raises(expression))
    assert ended.message["outcome"] == "Failed"
    assert ended.message.keys().isdisjoint({"retryable", "retryAfterSeconds"})


def test_the_text_of_retry_after_is_its_message(task_pod: Pod) -> None:
    assert task_pod.run(raises("RetryAfter('busy', 1)")).error["message"] == "busy"


COUNTS = """
def charge(input, ctx):
    return [ctx.attempt_number, ctx.retry_count, ctx.max_attempts, ctx.task_run_errors]
"""


def test_a_task_sees_its_earlier_attempts(task_pod: Pod) -> None:
    ended = task_pod.run(
        COUNTS,
        PODHATCH_RETRY_COUNT="1",
        PODHATCH_MAX_ATTEMPTS="4",
        PODHATCH_ERRORS='{"ship": "ValueError: no"}',
    )
    assert ended.output == [2, 1, 4, {"ship": "ValueError: no"}]
    assert task_pod.run(COUNTS).output == [2, 1, 1, {}]


def test_a_task_sees_that_its_parent_was_skipped(task_pod: Pod) -> None:
    ended = task_pod.run(
        "def charge(input, ctx): return [ctx.was_skipped('a'), ctx.was_skipped('b')]",
        PODHATCH_PARENTS='{"a": {"skipped": true}, "b": null}',
    )
    assert ended.output == [True, False]
