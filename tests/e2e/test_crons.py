"""Crons as their users see them: with kubectl alone, on real ticks and on ticks made by hand.

The CronJob controller ticks at whole minutes, so that all crons that await it do so at once.
"""

import json
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from podhatch.api.model import JsonObject

from tests.kube import Namespace, eventually, kubectl, shell, workflow_manifest

QUICK = workflow_manifest("quick", shell("t", 'echo "$PODHATCH_INPUT" > $PODHATCH_OUTPUT'))
LONG = workflow_manifest("long", shell("t", "exec sleep 300"))
MINUTES = 2
"""So many ticks, and the time until the first."""


def cron(name: str, workflow: str, schedule: str = "* * * * *", **spec: object) -> JsonObject:
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "CronWorkflow",
        "metadata": {"name": name},
        "spec": {"workflow": workflow, "schedule": schedule, **spec},
    }


@pytest.fixture(scope="module")
def ticking() -> Iterator[Namespace]:
    """A namespace in which crons of all policies have ticked twice."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    namespace = Namespace(name)
    namespace.apply(
        QUICK,
        LONG,
        cron("allow", "quick", timeZone="Europe/Paris", input={"n": 7}),
        cron("forbid", "long", concurrencyPolicy="Forbid"),
        cron("replace", "long", concurrencyPolicy="Replace"),
        cron("suspended", "quick", suspend=True),
    )

    def both() -> bool:
        return all(len(runs(namespace, each)) >= MINUTES for each in ("allow", "replace"))

    eventually(both, 60 * MINUTES + 30, "two ticks of each")
    yield namespace
    kubectl("delete", "namespace", name, "--wait=false")


def runs(namespace: Namespace, of: str) -> list[JsonObject]:
    """Return the runs of a cron, the oldest first."""
    selector = f"--field-selector=spec.trigger.cron.cron={of}"
    found: list[JsonObject] = json.loads(
        namespace.kubectl("get", "wfr", selector, "-o", "json", "--sort-by=.metadata.name")
    )["items"]
    return found


def name_of(raw: JsonObject) -> str:
    name: str = raw["metadata"]["name"]
    return name


def test_each_tick_is_a_run_and_a_job_that_tells_its_outcome(ticking: Namespace) -> None:
    first = name_of(runs(ticking, "allow")[0])
    run = ticking.wait(first, "Succeeded")
    assert run["spec"]["input"] == {"n": 7}
    tick = run["spec"]["trigger"]["cron"]
    assert tick["job"] == first
    due = datetime.fromisoformat(tick["scheduledAt"])
    assert (due.second, due.microsecond) == (0, 0)
    ticking.kubectl("wait", f"job/{first}", "--for=condition=complete", "--timeout=30s")
    made = datetime.fromisoformat(run["metadata"]["creationTimestamp"])
    assert made - due < timedelta(seconds=10)
    assert len({name_of(each) for each in runs(ticking, "allow")}) == len(runs(ticking, "allow"))


def test_no_pod_starts_for_a_tick(ticking: Namespace) -> None:
    pods = ticking.list("pods")
    assert pods
    assert all("podhatch.dev/run" in pod["metadata"]["labels"] for pod in pods)


def test_forbid_leaves_ticks_out_while_a_run_goes_on(ticking: Namespace) -> None:
    (only,) = runs(ticking, "forbid")
    assert only["status"]["phase"] == "Running"
    cron_job = ticking.get("cronjob", "forbid")
    assert [each["name"] for each in cron_job["status"]["active"]] == [name_of(only)]


def test_replace_cancels_the_run_before(ticking: Namespace) -> None:
    replaced = runs(ticking, "replace")[0]
    ticking.wait(name_of(replaced), "Cancelled", seconds=20)
    last = runs(ticking, "replace")[-1]
    assert last["spec"]["desiredState"] == "Running"


def test_the_status_tells_the_last_tick_and_the_next(ticking: Namespace) -> None:
    last = runs(ticking, "allow")[-1]
    status = eventually(lambda: _with_last(ticking, name_of(last)), 10, "lastRun")
    times = [datetime.fromisoformat(each) for each in status["nextRunTimes"]]
    assert len(times) == 3
    assert times[0] > datetime.fromisoformat(status["lastTickAt"])
    scheduled = datetime.fromisoformat(last["spec"]["trigger"]["cron"]["scheduledAt"])
    assert datetime.fromisoformat(status["lastTickAt"]) == scheduled
    columns = ticking.kubectl("get", "cwf", "allow").splitlines()[1]
    assert f"{times[0]:%Y-%m-%dT%H:%M:%SZ}" in columns.split()
    suspended = ticking.get("cwf", "suspended")["status"]
    assert "nextRunTimes" not in suspended
    assert runs(ticking, "suspended") == []


def _with_last(namespace: Namespace, run: str) -> JsonObject | None:
    status: JsonObject = namespace.get("cwf", "allow")["status"]
    return status if status.get("lastRun") == run else None


def test_a_tick_can_be_made_by_hand(namespace: Namespace) -> None:
    namespace.apply(QUICK, cron("nightly", "quick", "17 3 * * *", suspend=True, input={"n": 1}))
    eventually(lambda: namespace.list("cronjob") or None, 20, "the CronJob")
    namespace.kubectl("create", "job", "by-hand", "--from=cronjob/nightly")
    namespace.kubectl("wait", "job/by-hand", "--for=condition=complete", "--timeout=60s")
    (run,) = runs(namespace, "nightly")
    assert run["status"]["phase"] == "Succeeded"
    assert "nightly" in namespace.kubectl("get", "cwf,cronjob,job")


def test_the_crons_of_a_workflow_tick_with_its_input(namespace: Namespace) -> None:
    namespace.apply(
        {**QUICK, "spec": {**QUICK["spec"], "onCrons": ["@daily"], "cronInput": {"n": 3}}}
    )
    (cron_job,) = eventually(lambda: namespace.list("cronjob") or None, 20, "the CronJob")
    source = f"--from=cronjob/{name_of(cron_job)}"
    namespace.kubectl("create", "job", "by-hand", source)
    assert namespace.wait("by-hand", "Succeeded")["spec"]["input"] == {"n": 3}
    namespace.kubectl("delete", "wf", "quick")
    eventually(lambda: namespace.list("cronjob") == [], 30, "the cron to go with its workflow")
    assert namespace.get("wfr", "by-hand")["status"]["phase"] == "Succeeded"


def test_what_is_wrong_stands_in_the_condition(namespace: Namespace) -> None:
    namespace.apply(cron("wrong", "nobody", "0 0 * * 7"))
    wait = ("wait", "cwf/wrong", "--for=condition=Valid=False", "--timeout=20s")
    namespace.kubectl(*wait)
    (condition,) = namespace.get("cwf", "wrong")["status"]["conditions"]
    assert "Sunday is 0" in condition["message"]
    assert namespace.list("cronjob") == []


def test_the_cronjob_is_valid_where_policies_are_strict(namespace: Namespace) -> None:
    label = "pod-security.kubernetes.io/enforce=restricted"
    kubectl("label", "namespace", namespace.name, label)
    namespace.apply(QUICK, cron("nightly", "quick", "17 3 * * *"))
    (cron_job,) = eventually(lambda: namespace.list("cronjob") or None, 20, "the CronJob")
    spec = cron_job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "tick"}, "spec": spec}
    namespace.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod))
