"""A cron: its CronJob, what is said of it, and when it is looked at again."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.plan import Patch, Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.cron.plan import plan_cron

from tests.fakes.crons import MANAGED, NIGHTLY, TOO_DEEP, cron, tick
from tests.fakes.objects import NOW, ago, task, workflow

FLOW = workflow(task("a"))
DUE = datetime(2026, 11, 24, 3, 17, tzinfo=UTC)


def planned(raw: JsonObject, cron_job: JsonObject | None = None, **more: Any) -> Plan:
    observed = ObservedCron(raw, cron_job, workflow=more.pop("workflow", FLOW), **more)
    return plan_cron(observed, NOW)


def valid(plan: Plan) -> JsonObject:
    assert plan.status is not None
    (condition,) = plan.status["conditions"]
    assert condition["type"] == "Valid"
    return condition


def stored(raw: JsonObject) -> JsonObject:
    """Return the CronJob of a cron as the API server keeps it: with more in it than was said."""
    (created,) = planned(raw).create
    spec = {name: value for name, value in created["spec"].items() if value is not None}
    template = spec["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = template["containers"]
    full: JsonObject = {
        **template,
        "dnsPolicy": "ClusterFirst",
        "containers": [{**container, "resources": {}}],
    }
    job: JsonObject = {**spec["jobTemplate"]["spec"], "template": {"metadata": {}, "spec": full}}
    return {**created, "spec": {**spec, "jobTemplate": {**spec["jobTemplate"], "spec": job}}}


def test_a_cron_becomes_a_cronjob_that_starts_no_pod() -> None:
    plan = planned(
        cron(
            timeZone="Europe/Paris",
            concurrencyPolicy="Forbid",
            startingDeadlineSeconds=60,
            successfulRunsHistoryLimit=0,
        )
    )
    (created,) = plan.create
    spec = created["spec"]
    assert spec["schedule"] == "17 3 * * *"
    assert spec["timeZone"] == "Europe/Paris"
    assert spec["concurrencyPolicy"] == "Forbid"
    assert spec["startingDeadlineSeconds"] == 60
    assert (spec["successfulJobsHistoryLimit"], spec["failedJobsHistoryLimit"]) == (0, 1)
    assert spec["suspend"] is False
    assert spec["jobTemplate"]["spec"]["managedBy"] == labels.MANAGED_BY_OPERATOR
    assert spec["jobTemplate"]["metadata"]["labels"][labels.CRON] == NIGHTLY
    (owner,) = created["metadata"]["ownerReferences"]
    assert (owner["uid"], owner["controller"]) == ("cron-uid", True)


def test_what_the_api_server_adds_is_left_alone() -> None:
    raw = cron()
    plan = planned(raw, stored(raw))
    assert plan.writes == ()


def _edited(**spec: object) -> JsonObject:
    existing = stored(cron())
    return {**existing, "spec": {**existing["spec"], **spec}}


@pytest.mark.parametrize(
    "existing",
    [
        _edited(schedule="0 0 * * *"),
        _edited(suspend=True),
        _edited(startingDeadlineSeconds=5),
        _edited(successfulJobsHistoryLimit=9),
        _edited(jobTemplate={"metadata": {}, "spec": {"template": {"spec": {}}}}),
    ],
)
def test_an_edited_cronjob_is_brought_back_in_line(existing: JsonObject) -> None:
    (wanted,) = planned(cron()).create
    (patch,) = planned(cron(), existing).patch
    spec = patch.body["spec"]
    assert {name: value for name, value in spec.items() if value is not None} == wanted["spec"]


def test_a_changed_cron_changes_its_cronjob() -> None:
    (patch,) = planned(cron(schedule="@daily", suspend=True), stored(cron())).patch
    assert (patch.body["spec"]["schedule"], patch.body["spec"]["suspend"]) == ("@daily", True)


def test_the_next_three_ticks_are_told_and_awaited() -> None:
    plan = planned(cron())
    assert plan.status is not None
    days = [DUE + timedelta(days=number) for number in range(3)]
    assert [datetime.fromisoformat(text) for text in plan.status["nextRunTimes"]] == days
    assert plan.requeue_at is not None
    assert DUE < plan.requeue_at < DUE + timedelta(seconds=5)
    assert planned(cron(plan.status)).status is None


def test_a_suspended_cron_has_no_next_ticks() -> None:
    plan = planned(cron(suspend=True))
    assert plan.status is not None
    assert "nextRunTimes" not in plan.status
    assert plan.requeue_at is None
    assert valid(plan)["status"] == "True"


def test_a_schedule_that_cannot_be_is_told_and_stops_the_ticks() -> None:
    plan = planned(cron(schedule="0 0 * * 7"), stored(cron()))
    assert plan.patch == (Patch("CronJob", NIGHTLY, {"spec": {"suspend": True}}),)
    assert valid(plan)["reason"] == "ScheduleInvalid"
    assert "spec.schedule" in valid(plan)["message"]
    assert "Sunday is 0" in valid(plan)["message"]
    assert plan.status is not None
    assert "nextRunTimes" not in plan.status
    assert planned(cron(schedule="0 0 * * 7"), _edited(suspend=True)).writes == ()
    assert planned(cron(schedule="0 0 * * 7")).writes == ()


def test_a_zone_that_is_none_is_told() -> None:
    message = valid(planned(cron(timeZone="Europe/Lutetia")))["message"]
    assert "spec.timeZone: 'Europe/Lutetia' is not a time zone" in message


def test_a_missing_workflow_is_told_and_ticks_make_runs_that_wait() -> None:
    plan = plan_cron(ObservedCron(cron(), ticks={"n-1": tick("n-1")}), NOW)
    assert valid(plan)["reason"] == "WorkflowNotFound"
    assert "'flow'" in valid(plan)["message"]
    assert plan.confirm == ("n-1",)
    assert plan.status is not None
    assert len(plan.status["nextRunTimes"]) == 3


@pytest.mark.parametrize(
    ("refused", "reason", "next_ticks"),
    [(NIGHTLY, "CronJobRefused", False), ("n-1", "RunRefused", True)],
)
def test_a_refusal_is_told(refused: str, reason: str, next_ticks: bool) -> None:
    refusals = {refused: ApiRefusal(403, "exceeded quota")}
    ticks = {"n-1": tick("n-1")}
    observed = ObservedCron(cron(), ticks=ticks, workflow=FLOW, refusals=refusals)
    plan = plan_cron(observed, NOW)
    assert valid(plan)["reason"] == reason
    assert "exceeded quota" in valid(plan)["message"]
    assert plan.status is not None
    assert ("nextRunTimes" in plan.status) == next_ticks


def entries(prefix: str, count: int) -> dict[str, str]:
    return {f"{prefix}{number}": "v" for number in range(count)}


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (cron(input=TOO_DEEP), "spec.input: nested more than 200 levels deep: flatten it"),
        (
            cron(additionalMetadata=entries("own", 40)),
            "spec.additionalMetadata: 80 entries with the defaultAdditionalMetadata of Workflow "
            "'flow', and a run has at most 64: remove some of either",
        ),
    ],
)
def test_what_no_run_can_be_made_of_is_told_before_its_tick_and_ticks_wait(
    raw: JsonObject, words: str
) -> None:
    flow = workflow(task("a"), defaultAdditionalMetadata=entries("default", 40))
    assert valid(planned(raw, workflow=flow))["message"] == f"{words}; ticks wait meanwhile"
    plan = plan_cron(ObservedCron(raw, ticks={"n-1": tick("n-1")}, workflow=flow), NOW)
    assert (valid(plan)["reason"], plan.confirm, plan.writes[1:]) == ("RunRefused", (), ())
    assert plan.status is not None
    assert (plan.status["lastRun"], len(plan.status["nextRunTimes"])) == ("n-1", 3)


def test_the_last_tick_is_told_and_kept_when_its_job_is_gone() -> None:
    ticks = {
        "n-1": tick("n-1", "2026-11-22T04:17:00+01:00"),
        "n-2": tick("n-2", "2026-11-23T04:17:00+01:00"),
    }
    plan = plan_cron(ObservedCron(cron(), ticks=ticks, workflow=FLOW), NOW)
    assert plan.status is not None
    assert plan.status["lastRun"] == "n-2"
    assert plan.status["lastTickAt"] == "2026-11-23T03:17:00Z"
    assert plan.status["nextRunTimes"][0] == "2026-11-24T03:17:00Z"
    later = plan_cron(
        ObservedCron(cron(plan.status), ticks={"n-1": ticks["n-1"]}, workflow=FLOW), NOW
    )
    assert later.status is None


def test_a_job_that_the_job_controller_runs_is_no_tick() -> None:
    job = tick("n-1")
    job["spec"] = {}
    assert plan_cron(ObservedCron(cron(), ticks={"n-1": job}), NOW).confirm == ()
    job["spec"] = MANAGED
    job["metadata"]["deletionTimestamp"] = ago(0)
    assert plan_cron(ObservedCron(cron(), ticks={"n-1": job}), NOW).confirm == ()


def test_of_a_cron_that_is_gone_only_the_ticks_are_followed() -> None:
    plan = plan_cron(ObservedCron(None, stored(cron()), ticks={"n-1": tick("n-1")}), NOW)
    assert (plan.writes, plan.status, plan.confirm) == ((), None, ())
    assert plan.requeue_at is not None
