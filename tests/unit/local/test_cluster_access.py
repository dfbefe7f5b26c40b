"""Local runs refuse what a pod's access to the cluster does not allow."""

from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.errors import FailedTaskRunExceptionGroup

hatchet = Hatchet()


def test_what_a_pod_without_access_could_not_report_fails_here_too() -> None:
    @hatchet.task(cluster_access=False)
    def talks(input: Any, ctx: Context) -> str:
        return "x" * input.size

    assert talks.run_local({"size": 100}) == "x" * 100
    with pytest.raises(FailedTaskRunExceptionGroup) as caught:
        talks.run_local({"size": 5000})
    assert caught.value.exceptions[0].exc_type == "OutputTooLarge"


@pytest.mark.parametrize(
    ("access", "error"), [("report", "RequestRefused"), ("none", "ClusterUnreachable")]
)
def test_what_a_pods_access_does_not_allow_fails_here_too(access: Any, error: str) -> None:
    own = Hatchet()

    @own.task()
    def child(input: Any, ctx: Context) -> int:
        return 1

    @own.task(cluster_access=access)
    def starts(input: Any, ctx: Context) -> int:
        return child.run()

    @own.task(cluster_access=access)
    def pushes(input: Any, ctx: Context) -> None:
        own.event.push("paid", {})

    for task in (starts, pushes):
        with pytest.raises(FailedTaskRunExceptionGroup) as caught:
            task.run_local()
        (refused,) = caught.value.exceptions
        assert refused.exc_type == error
        assert 'set cluster_access="spawn" on the task' in refused.exc
