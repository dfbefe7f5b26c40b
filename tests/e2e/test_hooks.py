"""The tasks at the end of a run, as a user sees them."""

import json

from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest

MEND = shell("mend", 'echo "$PODHATCH_ERRORS" > $PODHATCH_OUTPUT')
TELL = shell("tell", 'echo "$PODHATCH_PARENTS" > $PODHATCH_OUTPUT')


def test_the_failure_task_does_not_wait_for_others_and_gets_the_errors(
    namespace: Namespace,
) -> None:
    namespace.apply(
        workflow_manifest(
            "mended",
            shell("bad", "echo broken; exit 4"),
            shell("slow", "sleep 8"),
            onFailureTask=MEND,
            onSuccessTask=TELL,
        )
    )
    namespace.run("mended-1", "mended")
    eventually(
        lambda: tasks(namespace.get("wfr", "mended-1")).get("mend", {}).get("state") == "Succeeded",
        30,
        "the failure task",
    )
    entries = tasks(namespace.wait("mended-1", "Failed"))
    errors = json.loads(entries["mend"]["output"])
    assert list(errors) == ["bad"]
    assert "exit code 4: broken" in errors["bad"]
    assert entries["tell"]["state"] == "Cancelled"
    assert entries["mend"]["queuedAt"] < entries["slow"]["finishedAt"]


def test_the_success_task_gets_the_outputs_of_the_leaves(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest(
            "good",
            shell("a", "echo 1 > $PODHATCH_OUTPUT"),
            shell("b", "echo 2 > $PODHATCH_OUTPUT", "a"),
            onFailureTask=MEND,
            onSuccessTask=TELL,
        )
    )
    namespace.run("good-1", "good")
    entries = tasks(namespace.wait("good-1", "Succeeded"))
    assert json.loads(entries["tell"]["output"]) == {"b": 2}
    assert (entries["mend"]["state"], entries["mend"]["reason"]) == ("Skipped", "NothingFailed")
