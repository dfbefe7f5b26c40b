"""Two operators, of which one works: the other takes over when it is killed or stopped."""

from collections.abc import Iterator

import pytest
from podhatch.api import labels

from tests.kube import (
    OPERATOR_NAMESPACE,
    Namespace,
    eventually,
    kubectl,
    operator_pod,
    shell,
    workflow_manifest,
)


@pytest.fixture(autouse=True)
def both() -> Iterator[None]:
    """Begin and end with all operators ready."""
    everybody_is_ready()
    yield
    everybody_is_ready()


def everybody_is_ready() -> None:
    kubectl(
        *("-n", OPERATOR_NAMESPACE, "wait", "deployment/podhatch"),
        *("--for=jsonpath={.status.availableReplicas}=2", "--timeout=90s"),
    )


@pytest.mark.parametrize(
    ("flags", "seconds"), [(("--grace-period=0", "--force"), 15), ((), 5)], ids=["kill", "stop"]
)
def test_the_standby_takes_over(namespace: Namespace, flags: tuple[str, ...], seconds: int) -> None:
    namespace.apply(workflow_manifest("goes", shell("a", "true"), shell("b", "true", "a")))
    namespace.run("goes-1", "goes")
    before = operator_pod()
    kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", before, "--wait=false", *flags)
    namespace.run("goes-2", "goes")
    eventually(lambda: operator_pod() not in ("", before), seconds, "another leader")
    for run in ("goes-1", "goes-2"):
        namespace.wait(run, "Succeeded")
    attempts = [
        (job["metadata"]["labels"][labels.RUN], job["metadata"]["labels"][labels.TASK])
        for job in namespace.list("jobs")
    ]
    assert len(attempts) == len(set(attempts)) == 4


def test_only_one_of_two_works(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("twice", shell("a", "true")))
    for number in range(5):
        namespace.run(f"twice-{number}", "twice")
    for number in range(5):
        namespace.wait(f"twice-{number}", "Succeeded")
    assert len(namespace.list("pods")) == 5
