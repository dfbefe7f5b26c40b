"""Cancelling and replaying a run with kubectl."""

import json

from tests.kube import Namespace, eventually, shell, tasks, workflow_manifest


def patch(namespace: Namespace, run: str, **spec: object) -> None:
    body = json.dumps({"spec": spec})
    namespace.kubectl("patch", "wfr", run, "--type=merge", f"-p={body}")


def is_running(namespace: Namespace, run: str, task: str) -> bool:
    return tasks(namespace.get("wfr", run)).get(task, {}).get("state") == "Running"


def test_a_cancel_is_terminal_at_once_and_the_pod_goes(namespace: Namespace) -> None:
    gentle = shell("t", "trap 'exit 0' TERM; sleep 600 & wait")
    namespace.apply(
        workflow_manifest(
            "long", gentle, shell("after", "true", "t"), onFailureTask=shell("mend", "true")
        )
    )
    namespace.run("long-1", "long")
    eventually(lambda: is_running(namespace, "long-1", "t"), 30, "the task to run")
    patch(namespace, "long-1", desiredState="Cancelled")
    run = namespace.wait("long-1", "Cancelled", seconds=5)
    entries = tasks(run)
    assert {entry["state"] for entry in entries.values()} == {"Cancelled"}
    assert entries["t"]["reason"] == "RunCancelled"
    eventually(lambda: namespace.list("pods") == [], 30, "the pod to go")
    assert namespace.get("wfr", "long-1")["status"] == run["status"]


def test_a_replay_runs_everything_again(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest("again", shell("t", 'echo "$PODHATCH_ATTEMPT" > $PODHATCH_OUTPUT'))
    )
    namespace.run("again-1", "again")
    assert tasks(namespace.wait("again-1", "Succeeded"))["t"]["output"] == "1"
    patch(namespace, "again-1", replay={"count": 1})
    replayed = eventually(
        lambda: tasks(namespace.get("wfr", "again-1"))["t"].get("output") == "2", 30, "a second run"
    )
    assert replayed
    run = namespace.wait("again-1", "Succeeded")
    assert run["status"]["replays"] == 1
    assert [record["reason"] for record in tasks(run)["t"]["attempts"]] == ["Replayed"]


def test_a_replay_of_what_failed_keeps_the_rest(namespace: Namespace) -> None:
    namespace.apply(
        workflow_manifest(
            "part",
            shell("good", 'echo "$PODHATCH_ATTEMPT" > $PODHATCH_OUTPUT'),
            shell("bad", 'test "$PODHATCH_ATTEMPT" = 2', "good"),
            shell("after", 'echo "$PODHATCH_PARENTS" > $PODHATCH_OUTPUT', "bad", "good"),
            onFailureTask=shell("mend", "true"),
        )
    )
    namespace.run("part-1", "part")
    assert tasks(namespace.wait("part-1", "Failed"))["mend"]["state"] == "Succeeded"
    patch(namespace, "part-1", replay={"count": 1, "failedOnly": True})
    entries = tasks(namespace.wait("part-1", "Succeeded"))
    assert entries["good"]["attempt"] == 1
    assert entries["bad"]["attempt"] == 2
    assert json.loads(entries["after"]["output"])["good"] == 1
    assert entries["mend"]["state"] == "Skipped"


def test_a_cancelled_run_can_be_revived_by_a_replay(namespace: Namespace) -> None:
    once = shell("t", 'test "$PODHATCH_ATTEMPT" = 2 || exec sleep 600')
    namespace.apply(workflow_manifest("revived", once))
    namespace.run("revived-1", "revived")
    eventually(lambda: is_running(namespace, "revived-1", "t"), 30, "the task to run")
    patch(namespace, "revived-1", desiredState="Cancelled")
    namespace.wait("revived-1", "Cancelled", seconds=5)
    patch(namespace, "revived-1", desiredState="Running", replay={"count": 1})
    namespace.wait("revived-1", "Succeeded")
