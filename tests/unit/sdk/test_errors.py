"""The SDK's exceptions."""

import pickle

import pytest
from podhatch import (
    FailedTaskRunExceptionGroup,
    NonDeterminismError,
    RetryAfter,
    RunCancelled,
    TaskRunError,
)


@pytest.mark.parametrize(
    "error",
    [
        FailedTaskRunExceptionGroup(
            "orders-1 failed", [TaskRunError("no", "ValueError", task="a")]
        ),
        NonDeterminismError("orders-1-a-2", 2, "not as before", 7),
        RetryAfter("busy", 7),
        RunCancelled("orders-1", "by Ada"),
        RunCancelled("orders-1"),
        TaskRunError("no", "ValueError", "Traceback", "orders-1-a-1", task="a"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_errors_come_back_from_another_process_as_they_were(error: Exception) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert str(back) == str(error)
    assert vars(back) == vars(error)
