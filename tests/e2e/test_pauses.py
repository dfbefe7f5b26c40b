"""A paused workflow on a real cluster: with kubectl, the command line and cron ticks."""

from podhatch.api.model import JsonObject

from tests.e2e.conftest import Podhatch
from tests.e2e.test_crons import cron, runs
from tests.kube import Namespace, eventually, shell, workflow_manifest

QUICK = workflow_manifest("quick", shell("t", 'echo "$PODHATCH_INPUT" > $PODHATCH_OUTPUT'))
SLOW = workflow_manifest("slow", shell("t", "sleep 5"), shell("u", "true", "t"))


def waits(namespace: Namespace, name: str) -> JsonObject:
    """Return a run once its status says that its workflow is paused."""

    def waiting() -> JsonObject | None:
        run = namespace.get("wfr", name)
        conditions: list[JsonObject] = run.get("status", {}).get("conditions", [])
        return run if [each["reason"] for each in conditions] == ["WorkflowPaused"] else None

    return eventually(waiting, 20, f"the status of {name}")


def patch(namespace: Namespace, workflow: str, spec: str) -> None:
    namespace.kubectl("patch", "wf", workflow, "--type=merge", f'-p={{"spec":{spec}}}')


def tick(namespace: Namespace, name: str) -> None:
    namespace.kubectl("create", "job", name, "--from=cronjob/nightly")


def test_runs_wait_while_their_workflow_is_paused_with_kubectl(namespace: Namespace) -> None:
    namespace.apply(QUICK, SLOW, cron("nightly", "quick", "17 3 * * *"))
    namespace.run("under-way", "slow")
    namespace.wait("under-way", "Running")
    for workflow in ("slow", "quick"):
        patch(namespace, workflow, '{"paused":true}')
    header, row = namespace.kubectl("get", "workflow", "quick").splitlines()
    assert (header.split()[-2:], row.split()[-2]) == (["PAUSED", "AGE"], "true")
    eventually(lambda: namespace.list("cronjob") or None, 20, "the CronJob")
    namespace.run("first", "quick")
    tick(namespace, "queued")
    run = waits(namespace, "first")
    assert run["status"]["phase"] == "Pending"
    assert "Workflow 'quick' is paused" in run["status"]["message"]
    waits(namespace, "queued")
    namespace.wait("under-way", "Succeeded")
    revisions = namespace.list("controllerrevisions", "podhatch.dev/workflow=slow")
    assert len(revisions) == 1
    started = {job["metadata"]["labels"].get("podhatch.dev/run") for job in namespace.list("jobs")}
    assert started == {None, "under-way"}

    namespace.apply(QUICK)
    assert namespace.get("wf", "quick")["spec"]["paused"] is True
    patch(namespace, "quick", '{"paused":false}')
    namespace.wait("first", "Succeeded")
    namespace.wait("queued", "Succeeded")
    namespace.kubectl("wait", "job/queued", "--for=condition=complete", "--timeout=30s")


def test_runs_are_cancelled_and_ticks_dropped_as_the_pause_says(
    podhatch: Podhatch, namespace: Namespace
) -> None:
    namespace.apply(QUICK, cron("nightly", "quick", "17 3 * * *"))
    eventually(lambda: namespace.list("cronjob") or None, 20, "the CronJob")
    paused = podhatch("workflows", "pause", "quick", "--queue-ttl", "6s", "--cron-runs", "drop")
    assert (paused.code, paused.out) == (
        0,
        "workflow quick paused: runs wait up to 6s, cron ticks are dropped\n",
    )
    namespace.run("late", "quick")
    waits(namespace, "late")
    tick(namespace, "dropped")
    namespace.kubectl("wait", "job/dropped", "--for=condition=failed", "--timeout=30s")
    [*_, failed] = namespace.get("job", "dropped")["status"]["conditions"]
    assert failed["reason"] == "DroppedWhilePaused"
    assert runs(namespace, "nightly") == []
    cancelled = namespace.wait("late", "Cancelled")
    assert "the run waited 6 s" in cancelled["status"]["message"]
    assert podhatch("workflows", "resume", "quick").out == "workflow quick resumed\n"
    assert podhatch("replay", "late").code == 0
    namespace.wait("late", "Succeeded")
