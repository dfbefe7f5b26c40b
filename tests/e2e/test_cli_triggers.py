"""The command line for what starts by itself: crons, schedules and events."""

import pytest

from tests.e2e.conftest import Podhatch
from tests.kube import Namespace, eventually, shell, workflow_manifest


@pytest.fixture
def workflow(namespace: Namespace) -> str:
    namespace.apply(workflow_manifest("nightly", shell("t", "true"), onEvents=["order:*"]))
    return "nightly"


def test_a_cron_is_created_suspended_resumed_and_deleted(
    podhatch: Podhatch, namespace: Namespace, workflow: str
) -> None:
    created = podhatch(
        *("cron", "create", workflow, "0 9 * * MON-FRI", "--name", "office hours"),
        *("--time-zone", "Etc/UTC", "--policy", "Forbid", "-p", "id=3", "-m", "team=a"),
    )
    assert created.code == 0, created.err
    [cron] = namespace.list("cwf")
    assert created.out == f"cron {cron['metadata']['name']} created\n"
    assert cron["spec"]["input"] == {"id": 3}
    assert cron["spec"]["concurrencyPolicy"] == "Forbid"

    assert podhatch("cron", "suspend", "office hours").code == 0
    assert "suspended" in podhatch("cron", "list").out
    assert podhatch("cron", "resume", cron["metadata"]["name"]).code == 0

    def is_planned() -> bool:
        return " 09:00:00 " in podhatch("cron", "list").out

    eventually(is_planned, 30, "the time of the next run")
    row = podhatch("cron", "list").out.splitlines()[1]
    assert row.split()[:2] == [cron["metadata"]["name"], workflow]
    assert "Etc/UTC" in row

    gone = podhatch("cron", "delete", "office hour")
    assert gone.code == 5
    assert "did you mean office hours?" in gone.err
    assert podhatch("cron", "delete", "office hours").code == 0
    assert namespace.list("cwf") == []


def test_a_cron_that_cannot_be_is_wrong_usage(podhatch: Podhatch, workflow: str) -> None:
    seconds = podhatch("cron", "create", workflow, "0 0 9 * * *")
    assert seconds.code == 2
    assert "got six: CronJobs do not support seconds" in seconds.err
    missing = podhatch("cron", "create", "nightli", "@daily")
    assert missing.code == 5
    assert "did you mean nightly?" in missing.err


def test_a_schedule_waits_for_its_time_and_can_be_deleted(
    podhatch: Podhatch, namespace: Namespace, workflow: str
) -> None:
    later = _created(podhatch("schedule", "create", workflow, "1h").out)
    listed = podhatch("schedule", "list").out.splitlines()
    assert listed[1].split()[0] == later
    assert podhatch("schedule", "delete", later).code == 0
    assert namespace.list("wfr") == []

    soon = _created(podhatch("schedule", "create", workflow, "1s").out)
    assert podhatch("watch", soon).code == 0
    assert podhatch("schedule", "delete", soon).code == 5
    assert podhatch("schedule", "list").out == ""
    assert "Succeeded" in podhatch("schedule", "list", "--all").out


def _created(out: str) -> str:
    kind, name, created = out.split()
    assert (kind, created) == ("schedule", "created")
    return name


def test_an_event_starts_a_run_that_its_list_names(
    podhatch: Podhatch, namespace: Namespace, workflow: str
) -> None:
    pushed = podhatch(
        *("events", "push", "order:paid", "--payload", "-", "-m", "team=a"), stdin='{"id": 5}'
    )
    assert pushed.code == 0, pushed.err
    event = pushed.out.strip()
    run = eventually(lambda: (namespace.list("wfr") or [None])[0], 30, "a run")
    assert run["spec"]["trigger"]["event"]["id"] == event
    name = run["metadata"]["name"]
    eventually(lambda: name in podhatch("events", "list").out, 30, "the event to name its run")
    row = podhatch("events", "list", "--key", "order:paid", "--since", "1h").out.splitlines()[1]
    assert row.split()[:2] == [event, "order:paid"]
    assert podhatch("events", "list", "--key", "other").out == ""
