"""Nothing is left of what is over: runs, their children, revisions, events."""

from tests.e2e.shipped import event
from tests.kube import Namespace, eventually, shell, workflow_manifest

PYTHON = {"name": "p", "python": "platform:python_version"}


def test_a_run_and_all_of_it_goes_after_its_time(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("brief", shell("t", "true"), PYTHON, ttlSecondsAfterFinished=3)
    )
    namespace.run("brief-1", "brief")
    namespace.wait("brief-1", "Succeeded")
    eventually(lambda: namespace.list("wfr") == [], 20, "the run to go")
    for kind in ("jobs", "pods", "taskresults"):
        eventually(lambda kind=kind: namespace.list(kind) == [], 90, f"the {kind} to go")


def test_a_revision_goes_with_the_last_run_that_uses_it(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("turns", shell("t", "true"), ttlSecondsAfterFinished=3))
    namespace.run("turns-1", "turns")
    revision = namespace.wait("turns-1", "Succeeded")["status"]["revision"]
    names = [each["metadata"]["name"] for each in namespace.list("controllerrevisions")]
    assert names == [revision]
    namespace.apply(workflow_manifest("turns", shell("other", "true"), ttlSecondsAfterFinished=3))
    eventually(lambda: namespace.list("controllerrevisions") == [], 30, "the revision to go")


def test_an_event_has_its_time(namespace: Namespace) -> None:
    namespace.apply(event("short", "k", ttlSeconds=2), event("long", "k"))
    eventually(
        lambda: [each["metadata"]["name"] for each in namespace.list("wfe")] == ["long"],
        20,
        "the event to go",
    )
