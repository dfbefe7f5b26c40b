"""A paused workflow: its runs wait, those under way go on, and what waits too long is cancelled."""

from datetime import timedelta

import pytest
from podhatch.api.cron import CronWorkflow
from podhatch.api.labels import WORKFLOW_GENERATION
from podhatch.api.model import JsonObject, format_time
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.cron.tick import plan_tick
from podhatch.core.cron.tick_run import Cause
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision, revision_manifest

from tests.fakes.crons import cron, tick
from tests.fakes.objects import DEFAULTS, NOW, ago, attempt_name, job, run, task, workflow
from tests.unit.core.planning import entries, failed, jobs, plan, reported, states, stored

FLOW = workflow(task("a"), task("b", "a"))
DAY = 86_400
A = attempt_name("a")


def paused(flow: JsonObject = FLOW, **policy: object) -> JsonObject:
    spec = {**flow["spec"], "paused": True, **({"pausePolicy": policy} if policy else {})}
    return {**flow, "spec": spec}


def at(seconds: float) -> str:
    return format_time(NOW + timedelta(seconds=seconds))


def reason(made: Plan) -> str:
    conditions = {each["type"]: each for each in stored(made)["conditions"]}
    return conditions["Accepted"]["reason"]


def test_a_run_of_a_paused_workflow_waits_and_says_until_when() -> None:
    made = plan(paused())
    assert made.create == ()
    assert (stored(made)["phase"], reason(made)) == ("Pending", "WorkflowPaused")
    assert stored(made)["message"] == (
        "Workflow 'flow' is paused; the run starts when the workflow is unpaused, and is cancelled "
        "at 2026-11-24 11:59:59 UTC"
    )
    assert [(each["type"], each["reason"]) for each in made.events] == [
        ("Normal", "WorkflowPaused")
    ]
    again = plan(paused(), made.status, later=60)
    assert (again.create, again.status, again.events) == ((), None, ())


def test_a_waiting_run_is_looked_at_now_and_then_since_clocks_are_set() -> None:
    assert plan(paused()).requeue_at == NOW + timedelta(hours=1)
    assert plan(paused(queueTtlSeconds=60)).requeue_at == NOW + timedelta(seconds=59)


def test_it_starts_when_the_workflow_is_unpaused() -> None:
    made = plan(FLOW, plan(paused()).status, later=60)
    assert jobs(made) == [A]
    assert stored(made)["phase"] == "Running"


def test_a_run_that_waited_for_its_queue_ttl_is_cancelled_and_not_before() -> None:
    flow = paused(queueTtlSeconds=60)
    waiting = plan(flow).status
    assert plan(flow, waiting, later=58.9).status is None
    made = plan(flow, waiting, later=59)
    assert (stored(made)["phase"], reason(made)) == ("Cancelled", "QueueTTLExceeded")
    assert "the run waited 60 s" in stored(made)["message"]
    assert made.urgent
    assert plan(FLOW, made.status, later=60).create == ()


def test_a_shorter_queue_ttl_counts_for_runs_that_wait_already() -> None:
    waiting = plan(paused()).status
    assert stored(plan(paused(queueTtlSeconds=5), waiting, later=5))["phase"] == "Cancelled"


def test_runs_that_have_started_go_on() -> None:
    begun = plan(FLOW)
    made = plan(paused(), begun.status, results=reported("a"))
    assert jobs(made) == [attempt_name("b")]
    unnoted = plan(paused(), jobs={A: job("a")})
    assert stored(unnoted)["phase"] == "Running"


def test_a_pause_is_no_new_revision() -> None:
    flow = paused(cronRuns="Drop")
    assert current_revision(flow) == current_revision(FLOW)
    manifest = revision_manifest(current_revision(flow), flow)
    assert manifest["data"]["spec"] == FLOW["spec"]


def test_an_invalid_workflow_can_be_paused_too() -> None:
    cycle = paused(workflow(task("a", "b"), task("b", "a")))
    assert reason(plan(cycle)) == "WorkflowPaused"


def test_a_run_that_was_created_for_a_newer_workflow_does_not_wait_for_the_pause_of_an_older() -> (
    None
):
    raw = run()
    raw["metadata"]["annotations"] = {WORKFLOW_GENERATION: "2"}
    later = NOW + timedelta(seconds=10)
    made = plan_run(Observed(raw, paused(queueTtlSeconds=1)), DEFAULTS, later)
    assert reason(made) == "WorkflowOutdated"


def test_a_run_that_waited_for_a_slot_gives_up_its_place() -> None:
    flow = workflow(task("a"), concurrency=[{"maxRuns": 1}])
    claim = {"limit": "workflow/flow/0", "key": "", "maxRuns": 1, "since": ago(1)}
    waiting = stored(plan(paused(flow))) | {"concurrency": [claim]}
    made = plan(paused(flow), waiting, later=1)
    assert "concurrency" not in stored(made)
    assert made.claims == ()


def test_a_cancel_of_a_waiting_run_counts() -> None:
    made = plan(paused(), plan(paused()).status, spec={"desiredState": "Cancelled"})
    assert stored(made)["phase"] == "Cancelled"


class TestScheduledRuns:
    def test_the_time_of_a_scheduled_run_counts_first(self) -> None:
        made = plan(paused(scheduledRuns="Drop"), spec={"startAt": at(60)})
        assert reason(made) == "Scheduled"

    def test_its_queue_ttl_begins_at_its_time(self) -> None:
        flow = paused(queueTtlSeconds=60)
        waiting = plan(flow, spec={"startAt": at(100)}, later=100)
        assert reason(waiting) == "WorkflowPaused"
        assert waiting.requeue_at == NOW + timedelta(seconds=160)
        late = plan(flow, waiting.status, spec={"startAt": at(100)}, later=160)
        assert reason(late) == "QueueTTLExceeded"

    def test_it_is_cancelled_at_its_time_if_the_policy_drops_it(self) -> None:
        flow = paused(scheduledRuns="Drop")
        waiting = plan(flow, spec={"startAt": at(60)})
        made = plan(flow, waiting.status, spec={"startAt": at(60)}, later=60)
        assert (stored(made)["phase"], reason(made)) == ("Cancelled", "DroppedWhilePaused")
        assert reason(plan(flow)) == "WorkflowPaused"

    def test_one_that_waits_already_is_not_dropped_by_another_policy(self) -> None:
        spec = {"startAt": at(0)}
        waiting = plan(paused(), spec=spec)
        made = plan(paused(scheduledRuns="Drop"), waiting.status, spec=spec, later=1)
        assert (made.create, made.status) == ((), None)

    def test_its_own_deadline_counts_too(self) -> None:
        spec = {"startAt": at(0), "startingDeadlineSeconds": 30}
        waiting = plan(paused(), spec=spec)
        assert waiting.requeue_at == NOW + timedelta(seconds=30)
        late = plan(paused(), waiting.status, spec=spec, later=30)
        assert reason(late) == "StartDeadlineExceeded"


REPLAY: JsonObject = {"replay": {"count": 1, "failedOnly": True}}


class TestReplays:
    def ended(self) -> JsonObject:
        begun = stored(plan(FLOW, results=reported("a", output="1") | failed("b")))
        assert begun["phase"] == "Failed"
        return begun

    def test_a_replay_waits_with_the_tasks_as_they_ended(self) -> None:
        ended = self.ended()
        waiting = plan(paused(), ended, spec=REPLAY, later=60)
        assert waiting.create == ()
        assert (stored(waiting)["phase"], reason(waiting)) == ("Pending", "WorkflowPaused")
        assert states(waiting) == {"a": "Succeeded", "b": "Failed"}
        assert stored(waiting)["revision"] == ended["revision"]
        assert "finishedAt" not in stored(waiting)
        again = plan(paused(), waiting.status, spec=REPLAY, later=120)
        assert (again.create, again.status) == ((), None)

    def test_it_goes_on_from_there_when_the_workflow_is_unpaused(self) -> None:
        waiting = plan(paused(), self.ended(), spec=REPLAY, later=60)
        made = plan(FLOW, waiting.status, spec=REPLAY, later=120)
        assert jobs(made) == [attempt_name("b", 2)]
        assert stored(made)["replays"] == 1
        assert entries(made)["a"]["output"] == "1"

    def test_its_queue_ttl_begins_when_it_waits(self) -> None:
        flow = paused(queueTtlSeconds=60)
        waiting = plan(flow, self.ended(), spec=REPLAY, later=1000)
        assert plan(flow, waiting.status, spec=REPLAY, later=1059).status is None
        made = plan(flow, waiting.status, spec=REPLAY, later=1060)
        assert (stored(made)["phase"], reason(made)) == ("Cancelled", "QueueTTLExceeded")
        assert stored(made)["replays"] == 1
        assert states(made) == {"a": "Succeeded", "b": "Failed"}
        assert plan(FLOW, made.status, spec=REPLAY, later=1061).create == ()

    def test_a_run_that_was_cancelled_while_it_waited_can_be_replayed(self) -> None:
        flow = paused(queueTtlSeconds=60)
        dropped = plan(flow, later=59)
        waiting = plan(flow, dropped.status, spec=REPLAY, later=600)
        assert (stored(waiting)["phase"], reason(waiting)) == ("Pending", "WorkflowPaused")
        assert plan(flow, waiting.status, spec=REPLAY, later=659).status is None
        assert jobs(plan(FLOW, waiting.status, spec=REPLAY, later=660)) == [A]

    def test_a_run_under_way_ends_before_its_replay_waits(self) -> None:
        begun = plan(FLOW)
        made = plan(paused(), begun.status, spec=REPLAY, results=reported("a"))
        assert jobs(made) == [attempt_name("b")]
        assert "replays" not in stored(made)
        results = reported("a") | reported("b")
        ended = plan(paused(), made.status, spec=REPLAY, results=results)
        assert (stored(ended)["phase"], stored(ended).get("replays")) == ("Succeeded", None)
        waiting = plan(paused(), ended.status, spec=REPLAY, results=results)
        assert stored(waiting)["phase"] == "Pending"

    def test_a_run_under_way_that_has_the_slots_of_its_replay_goes_on_too(self) -> None:
        granted = {**stored(plan(FLOW)), "phase": "Pending"}
        made = plan(paused(), granted, spec=REPLAY, results=reported("a"))
        assert jobs(made) == [attempt_name("b")]
        assert stored(made)["phase"] == "Running"

    def test_a_replay_that_has_begun_goes_on_though_no_status_says_so(self) -> None:
        made = plan(
            paused(),
            self.ended(),
            spec=REPLAY,
            jobs={attempt_name("b", 2): job("b", number=2, replay=1)},
        )
        assert stored(made)["phase"] == "Running"

    def test_an_earlier_replay_that_has_begun_goes_on_though_no_status_says_so(self) -> None:
        second = {"replay": {"count": 2, "failedOnly": True}}
        name = attempt_name("b", 2)
        begun = {name: job("b", number=2, replay=1)}
        made = plan(paused(), self.ended(), spec=second, jobs=begun)
        assert (stored(made)["phase"], stored(made)["replays"]) == ("Running", 1)
        assert made.delete == ()
        ended = plan(paused(), made.status, spec=second, results=reported("b", number=2))
        waiting = plan(paused(), ended.status, spec=second)
        assert (stored(waiting)["phase"], stored(waiting)["replays"]) == ("Pending", 1)

    def test_the_pods_of_attempts_that_were_given_up_are_stopped_while_it_waits(self) -> None:
        begun = plan(FLOW)
        spec = {"desiredState": "Cancelled"}
        ended = plan(FLOW, begun.status, spec=spec, jobs={A: job("a")})
        waiting = plan(paused(), ended.status, spec=REPLAY, jobs={A: job("a")})
        assert stored(waiting)["phase"] == "Pending"
        assert waiting.delete == (Delete("Job", A),)


DUE = "2026-11-23T04:17:00+01:00"


class TestTicks:
    def cause(self, flow: JsonObject) -> Cause:
        return Cause(CronWorkflow.model_validate(cron()), flow)

    def test_a_tick_of_a_paused_workflow_makes_its_run_which_waits(self) -> None:
        assert plan_tick(tick("n-1", DUE), None, self.cause(paused()), NOW).create

    def test_it_makes_none_and_says_so_if_the_policy_drops_it(self) -> None:
        step = plan_tick(tick("n-1", DUE), None, self.cause(paused(cronRuns="Drop")), NOW)
        assert step.create is None
        assert step.status is not None
        condition = step.status["conditions"][-1]
        assert (condition["type"], condition["reason"]) == ("Failed", "DroppedWhilePaused")
        assert (step.status["failed"], "active" in step.status) == (1, False)

    def test_a_run_that_is_there_is_followed(self) -> None:
        created = plan_tick(tick("n-1", DUE), None, self.cause(FLOW), NOW).create
        assert created is not None
        created["metadata"]["creationTimestamp"] = ago(1)
        step = plan_tick(tick("n-1", DUE), created, self.cause(paused(cronRuns="Drop")), NOW)
        assert step.status is not None
        assert step.status["active"] == 1

    def test_the_policy_of_a_workflow_that_is_not_paused_does_not_count(self) -> None:
        flow = workflow(task("a"), pausePolicy={"cronRuns": "Drop"})
        assert plan_tick(tick("n-1", DUE), None, self.cause(flow), NOW).create


@pytest.mark.parametrize("policy", [None, {}, {"queueTtlSeconds": DAY}])
def test_a_policy_may_be_absent(policy: JsonObject | None) -> None:
    flow = paused()
    flow["spec"]["pausePolicy"] = policy
    assert plan(flow).status == plan(paused()).status
