"""Runs that start later: at their time, moved, deleted, too late."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from podhatch.api.model import JsonObject, format_time

from tests.e2e.conftest import RunScript
from tests.kube import Namespace, eventually, shell, workflow_manifest

SCHEDULING = Path(__file__).parent / "flows" / "scheduling.py"
LATE = timedelta(seconds=15)
"""How late a task may be on a machine that is busy; its pod's start is part of it."""


def accepted(run: JsonObject) -> JsonObject:
    [condition] = [each for each in run["status"]["conditions"] if each["type"] == "Accepted"]
    found: JsonObject = condition
    return found


def test_schedules_start_at_their_time_or_are_moved_or_deleted(
    run_script: RunScript, namespace: Namespace
) -> None:
    done = run_script(SCHEDULING)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["waiting"] == ["SCHEDULED"] * 3
    asked = datetime.fromisoformat(told["asked"])
    for which, seconds in (("soon", 4), ("moved", 5)):
        run, ran_at = told[which]
        due = asked + timedelta(seconds=seconds)
        assert due <= datetime.fromisoformat(ran_at) < due + LATE
        status = namespace.get("wfr", run)["status"]
        assert status["startDelaySeconds"] < LATE.total_seconds()
        # A Job's creation is known to the second.
        assert datetime.fromisoformat(status["startedAt"]) >= due
    names = [run["metadata"]["name"] for run in namespace.list("wfr")]
    assert told["deleted"] not in names
    started = {job["metadata"]["labels"]["podhatch.dev/run"] for job in namespace.list("jobs")}
    assert started == {told["soon"][0], told["moved"][0]}


def test_a_schedule_says_when_it_starts_and_can_be_moved_by_kubectl(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("later", shell("t", "true")))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    namespace.run("later-1", "later", startAt=format_time(tomorrow))
    run = eventually(
        lambda: (run := namespace.get("wfr", "later-1")).get("status") and run, 20, "a status"
    )
    assert run["status"]["phase"] == "Pending"
    assert accepted(run)["reason"] == "Scheduled"
    assert f"starts at {tomorrow:%Y-%m-%d %H:%M}" in run["status"]["message"]
    now = format_time(datetime.now(UTC))
    namespace.kubectl(
        "patch", "wfr", "later-1", "--type=merge", f'-p={{"spec":{{"startAt":"{now}"}}}}'
    )
    namespace.wait("later-1", "Succeeded")


def test_what_could_not_start_in_time_is_cancelled(namespace: Namespace) -> None:
    namespace.apply(workflow_manifest("strict", shell("t", "true")))
    long_ago = format_time(datetime.now(UTC) - timedelta(minutes=1))
    namespace.run("strict-1", "strict", startAt=long_ago, startingDeadlineSeconds=30)
    namespace.run("strict-2", "strict", startAt=long_ago, startingDeadlineSeconds=3600)
    run = namespace.wait("strict-1", "Cancelled", seconds=20)
    assert accepted(run)["reason"] == "StartDeadlineExceeded"
    assert namespace.list("jobs", "podhatch.dev/run=strict-1") == []
    late = namespace.wait("strict-2", "Succeeded")
    assert 59 <= late["status"]["startDelaySeconds"] < 120, "a Job's creation has no fractions"
