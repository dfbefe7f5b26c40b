"""Concurrency limits in the operator: who starts, who waits and what it says, and who is next."""

from dataclasses import replace

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.cluster import TASK_RESULT, WORKFLOW, WORKFLOW_RUN
from podhatch.core.run.plan import plan_admitted
from podhatch_operator.controllers.run import RunController

from tests.fakes.objects import DEFAULTS
from tests.unit.operator.manifests import API, python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator

PER_TENANT = {"expression": "input.tenant", "maxRuns": 1}


class Team:
    """Users who create many runs, and pods that end when told."""

    def __init__(self, operator: Operator) -> None:
        self.operator = operator

    async def deploy(
        self, *limits: JsonObject, tasks: list[JsonObject] | None = None, name: str = "flow"
    ) -> None:
        await self.operator.user_creates(
            {
                "apiVersion": API,
                "kind": "Workflow",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"tasks": tasks or [python("a")], "concurrency": list(limits)},
            }
        )

    async def start(self, *names: str, flow: str = "flow", **spec: object) -> None:
        """Create runs, each once the operator has taken up the one before."""
        for name in names:
            await self.create(name, {"workflow": flow, **spec})
            await self.settle()

    async def create(self, name: str, spec: JsonObject, sequence: str = "") -> None:
        """Create a run, of which the operator has only heard."""
        annotations = {labels.SEQUENCE: sequence} if sequence else {}
        metadata = {"name": name, "namespace": NAMESPACE, "annotations": annotations}
        await self.operator.user_creates(
            {"apiVersion": API, "kind": "WorkflowRun", "metadata": metadata, "spec": spec}
        )

    async def settle(self) -> None:
        """Let the operator do all that there is to do, statuses that may wait included."""
        await self.operator.work()
        self.operator.timers.pass_time(6)
        await self.operator.work()

    async def end(self, run: str, task: str = "a", outcome: str = "Succeeded") -> None:
        """Have the task's last attempt end."""
        [*_, job] = [each for each in self.jobs() if _names(each) == (run, task)]
        names: JsonObject = job["metadata"]["labels"]
        spec = {
            "run": run,
            "task": task,
            "attempt": int(names[labels.ATTEMPT]),
            "outcome": outcome,
            **({"output": "1"} if outcome == "Succeeded" else {}),
        }
        metadata = {"name": job["metadata"]["name"], "namespace": NAMESPACE, "labels": names}
        await self.operator.user_creates(
            {"apiVersion": API, "kind": TASK_RESULT.kind, "metadata": metadata, "spec": spec}
        )
        await self.settle()

    async def grant(self, run: str) -> None:
        """The last write of an earlier operator arrives: it has granted the run its slot too."""
        status = self.status(run)
        claims = [{**claim, "held": True} for claim in status["concurrency"]]
        for claim in claims:
            claim.pop("ahead", None)
        self.operator.cluster.change(
            WORKFLOW_RUN.kind, run, status={**status, "concurrency": claims}
        )
        for raw in self.operator.cluster.objects(WORKFLOW_RUN.kind):
            self.operator.see(raw)
        await self.settle()

    def jobs(self) -> list[JsonObject]:
        return self.operator.cluster.objects("Job")

    def started(self) -> list[tuple[str, str]]:
        """Return run and task of all attempts, in the order in which they were made."""
        return [_names(each) for each in self.jobs()]

    def runs(self) -> list[str]:
        return [run for run, _ in self.started()]

    def status(self, run: str) -> JsonObject:
        [found] = [
            each
            for each in self.operator.cluster.objects(WORKFLOW_RUN.kind)
            if each["metadata"]["name"] == run
        ]
        return found.get("status", {})


def _names(job: JsonObject) -> tuple[str, str]:
    names = job["metadata"]["labels"]
    return names[labels.RUN], names[labels.TASK]


async def test_a_run_waits_for_a_slot_and_says_for_which(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy(PER_TENANT)
    await team.start("one", "two", "three", input={"tenant": "acme"})
    await team.start("other", input={"tenant": "zenith"})
    assert team.runs() == ["one", "other"]
    assert team.status("one")["phase"] == "Running"
    waiting = team.status("three")
    assert waiting["phase"] == "Pending"
    assert waiting["message"] == '1 of 1 slots of "acme" is taken by one; 1 is ahead'
    assert waiting["conditions"][0]["reason"] == "Concurrency"


async def test_a_slot_that_is_free_goes_to_the_next_in_line_alone(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy(PER_TENANT)
    await team.start("one", "two", "three", input={"tenant": "acme"})
    await team.end("one")
    assert team.runs() == ["one", "two"]
    await team.end("two")
    assert team.runs() == ["one", "two", "three"]
    assert team.status("one")["phase"] == "Succeeded"
    assert "concurrency" not in team.status("one")


async def test_a_constant_limit_needs_no_expression(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 2})
    await team.start("one", "two", "three")
    assert team.runs() == ["one", "two"]
    assert team.status("three")["message"].startswith('2 of 2 slots of workflow "flow" are taken')


async def test_of_runs_of_one_second_the_first_is_next_also_if_it_was_edited(
    operator: Operator,
) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("holder")
    for name, sequence in (("a-late", "8"), ("b-early", "7")):
        await team.create(name, {"workflow": "flow"}, sequence)
    await team.settle()
    await team.end("holder")
    assert team.runs() == ["holder", "b-early"]


async def test_of_runs_without_a_sequence_the_older_version_is_next(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("holder")
    for name, sequence in (("b-early", "soon"), ("a-late", "9" * 30)):
        await team.create(name, {"workflow": "flow"}, sequence)
    await team.settle()
    await team.end("holder")
    assert team.runs() == ["holder", "b-early"]


async def test_a_new_operator_finds_the_same_holders(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy(PER_TENANT)
    await team.start("one", "two", input={"tenant": "acme"})
    successor = Operator(operator.cluster, operator.timers)
    for kind in ("WorkflowRun", "Workflow", "ControllerRevision", "Job", "TaskResult"):
        for raw in operator.cluster.objects(kind):
            successor.see(raw)
    team.operator = successor
    await team.settle()
    assert team.runs() == ["one"]
    await team.end("one")
    assert team.runs() == ["one", "two"]


async def test_a_run_that_is_deleted_while_it_is_planned_keeps_no_slot(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("one", "two")
    observed = RunController.observe(operator.cache, NAMESPACE, "one")
    assert observed is not None
    seen = replace(observed, answers=operator.context.evaluator.answers)
    operator.cluster.remove(WORKFLOW_RUN.kind, "one")
    deleted = {**seen.run["metadata"], "resourceVersion": "9999"}
    operator.intake.deleted(WORKFLOW_RUN, {**seen.run, "metadata": deleted})
    plan_admitted(seen, DEFAULTS, operator.context.now())  # after a request that took long
    await team.settle()
    assert team.runs()[-1] == "two"


async def test_a_slot_of_a_run_without_workflow_is_used_by_another_workflow(
    operator: Operator,
) -> None:
    team, shared = Team(operator), {"maxRuns": 1, "name": "all"}
    await team.deploy(shared)
    await team.deploy(shared, name="other")
    await team.start("one")
    await team.start("two")
    await team.start("three", flow="other")
    [flow] = [
        each for each in operator.cluster.objects("Workflow") if each["metadata"]["name"] == "flow"
    ]
    operator.cluster.remove("Workflow", "flow")
    deleted = {**flow["metadata"], "resourceVersion": "9999"}
    operator.intake.deleted(WORKFLOW, {**flow, "metadata": deleted})
    await team.settle()
    await team.end("one")
    assert team.runs() == ["one", "three"]


async def test_a_high_priority_goes_first(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("one", "low")
    await team.start("high", priority=3)
    await team.end("one")
    assert team.runs() == ["one", "high"]


async def test_a_key_that_is_not_a_string_fails_the_run(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy(PER_TENANT)
    await team.start("bad", input={"tenant": 7})
    await team.start("good", input={"tenant": "acme"})
    assert team.runs() == ["good"]
    status = team.status("bad")
    assert status["phase"] == "Failed"
    assert status["message"] == (
        "spec.concurrency[0].expression: 'input.tenant': expected a string, got 7: convert it with "
        "string(...)"
    )


async def test_the_number_of_slots_may_be_an_expression(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": "input.plan == 'gold' ? 2 : 1", "expression": "input.plan"})
    await team.start("a", "b", "c", input={"plan": "gold"})
    await team.start("d", "e", input={"plan": "tin"})
    assert team.runs() == ["a", "b", "d"]


async def test_a_run_in_progress_is_cancelled_for_a_newer_one(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1, "limitStrategy": "CANCEL_IN_PROGRESS"})
    await team.start("one", "two")
    assert team.status("one")["phase"] == "Cancelled"
    assert team.status("one")["conditions"][-1]["reason"] == "Concurrency"
    told = 'cancelled by CANCEL_IN_PROGRESS of workflow "flow", in favor of two'
    assert team.status("one")["message"] == told
    assert team.runs() == ["two"], "the Job of the cancelled run is deleted"
    assert team.status("two")["phase"] == "Running"


async def test_a_newcomer_is_cancelled_if_it_does_not_fit(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1, "limitStrategy": "CANCEL_NEWEST"})
    await team.start("one", "two")
    assert team.status("two")["phase"] == "Cancelled"
    assert team.runs() == ["one"]
    await team.end("one")
    await team.start("three")
    assert team.runs() == ["one", "three"]


async def test_of_those_that_wait_only_the_newest_stays(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1, "limitStrategy": "CANCEL_QUEUED_EXCEPT_NEWEST"})
    await team.start("one", "two", "three", "four")
    phases = [team.status(each)["phase"] for each in ("one", "two", "three", "four")]
    assert phases == ["Running", "Cancelled", "Cancelled", "Pending"]
    await team.end("one")
    assert team.runs() == ["one", "four"]


async def test_of_those_that_wait_only_the_oldest_stays(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1, "limitStrategy": "CANCEL_QUEUED_EXCEPT_OLDEST"})
    await team.start("one", "two", "three", "four")
    phases = [team.status(each)["phase"] for each in ("one", "two", "three", "four")]
    assert phases == ["Running", "Pending", "Cancelled", "Cancelled"]
    await team.end("one")
    assert team.runs() == ["one", "two"]


async def test_a_named_limit_is_shared_by_workflows(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"name": "database", "maxRuns": 1})
    await team.deploy({"name": "database", "maxRuns": 1}, name="report")
    await team.start("one")
    await team.start("two", flow="report")
    assert team.runs() == ["one"]
    await team.end("one")
    assert team.runs() == ["one", "two"]


async def test_a_run_that_waits_for_one_limit_keeps_no_slot_of_another(operator: Operator) -> None:
    team = Team(operator)
    per_region: JsonObject = {"expression": "input.region", "maxRuns": 1}
    await team.deploy(PER_TENANT, per_region)
    await team.start("one", input={"tenant": "acme", "region": "north"})
    await team.start("blocked", input={"tenant": "zenith", "region": "north"})
    await team.start("free", input={"tenant": "zenith", "region": "south"})
    assert team.runs() == ["one", "free"]
    await team.end("one")
    assert team.runs() == ["one", "free"], "its tenant's slot is taken"
    await team.end("free")
    assert team.runs() == ["one", "free", "blocked"]


async def test_a_task_waits_for_a_slot_of_its_own_limit(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy(tasks=[python("a") | {"concurrency": [{"maxRuns": 1}]}, python("b")])
    await team.start("one", "two")
    assert team.started() == [("one", "b"), ("one", "a"), ("two", "b")]
    [waiting, _] = team.status("two")["tasks"]
    assert (waiting["state"], waiting["reason"]) == ("Queued", "Concurrency")
    assert waiting["message"] == '1 of 1 slots of task "a" is taken by one/a'
    await team.end("one", "a")
    assert team.started()[-1] == ("two", "a")


async def test_a_task_that_waits_for_its_next_attempt_holds_no_slot(operator: Operator) -> None:
    team = Team(operator)
    limited = {"concurrency": [{"maxRuns": 1}], "retries": 1, "backoffFactor": 100}
    await team.deploy(tasks=[python("a") | limited])
    await team.start("one", "two")
    await team.end("one", outcome="Failed")
    assert team.runs() == ["one", "two"]
    assert [claim["held"] for claim in team.status("two")["concurrency"]] == [True]
    assert "concurrency" not in team.status("one")


async def test_the_key_of_a_task_may_be_a_parents_output(operator: Operator) -> None:
    team = Team(operator)
    limit = {"expression": "string(parents.a)", "maxRuns": 1}
    await team.deploy(tasks=[python("a"), python("b", "a") | {"concurrency": [limit]}])
    await team.start("one", "two")
    await team.end("one")
    await team.end("two")
    assert team.started()[2:] == [("one", "b")]
    await team.end("one", "b")
    assert team.started()[3:] == [("two", "b")]


async def test_a_task_that_waits_too_long_for_a_slot_is_cancelled(operator: Operator) -> None:
    team = Team(operator)
    patient = python("a") | {"concurrency": [{"maxRuns": 1, "name": "database"}]}
    await team.deploy(tasks=[patient])
    await team.deploy(tasks=[patient | {"scheduleTimeoutSeconds": 30}], name="hasty")
    await team.start("one")
    await team.start("two", flow="hasty")
    operator.timers.pass_time(30)
    await team.settle()
    [late] = team.status("two")["tasks"]
    assert (late["state"], late["reason"]) == ("Cancelled", "ScheduleTimedOut")
    assert "slots of" in late["message"]


async def test_a_replay_asks_for_a_slot_again(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("run")
    await team.end("run")
    await team.start("other")
    await operator.user_patches({"replay": {"count": 1}})
    await team.settle()
    assert team.runs() == ["run", "other"]
    assert team.status("run")["phase"] == "Pending"
    await team.end("other")
    [entry] = team.status("run")["tasks"]
    assert (entry["state"], entry["attempt"]) == ("Queued", 2)


async def test_a_replay_waits_behind_those_that_were_waiting_before_it(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.create("run", {"workflow": "flow"}, sequence="1")
    await team.settle()
    await team.end("run")
    await team.start("other", "next")
    await operator.user_patches({"replay": {"count": 1}})
    await team.settle()
    await team.end("other")
    assert team.runs() == ["run", "other", "next"]


async def test_a_run_without_limits_is_written_as_often_as_before(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy()
    await team.start("one")
    await team.end("one")
    writes = [each for each in operator.cluster.order if each in _OF_RUNS]
    assert writes == ["create Job", "update WorkflowRun", "update WorkflowRun"]
    assert "concurrency" not in str(operator.cluster.objects(WORKFLOW_RUN.kind))


_OF_RUNS = ("create Job", "update WorkflowRun")


async def test_a_running_task_is_cancelled_for_a_newer_one(operator: Operator) -> None:
    team = Team(operator)
    limit = {"maxRuns": 1, "limitStrategy": "CANCEL_IN_PROGRESS"}
    await team.deploy(tasks=[python("a") | {"concurrency": [limit]}])
    await team.start("one", "two")
    [old] = team.status("one")["tasks"]
    assert (old["state"], old["reason"]) == ("Cancelled", "Concurrency")
    assert old["message"].endswith("in favor of two/a")
    assert team.runs()[-1] == "two"


async def test_a_task_that_does_not_fit_is_cancelled(operator: Operator) -> None:
    team = Team(operator)
    limit = {"maxRuns": 1, "limitStrategy": "CANCEL_NEWEST"}
    await team.deploy(tasks=[python("a") | {"concurrency": [limit]}])
    await team.start("one", "two")
    [new] = team.status("two")["tasks"]
    assert (new["state"], new["reason"]) == ("Cancelled", "Concurrency")
    assert team.runs() == ["one"]


async def test_an_expression_that_fails_fails_its_task_alone(operator: Operator) -> None:
    team = Team(operator)
    limit = {"maxRuns": "input.slots"}
    await team.deploy(tasks=[python("a") | {"concurrency": [limit]}, python("b")])
    await team.start("one", input={"slots": 0})
    entry = next(each for each in team.status("one")["tasks"] if each["name"] == "a")
    assert (entry["state"], entry["reason"]) == ("Failed", "ExpressionFailed")
    assert entry["message"].startswith("spec.tasks[a].concurrency[0].maxRuns: ")
    assert team.started() == [("one", "b")]


async def test_a_scheduled_run_counts_from_its_start(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("scheduled", startAt="2026-11-23T12:00:30Z")
    await team.start("early", "waits")
    operator.timers.pass_time(60)
    await team.settle()
    await team.end("early")
    assert team.runs() == ["early", "waits"]


async def test_a_run_that_began_before_there_were_limits_goes_on(operator: Operator) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1}, tasks=[python("a"), python("b", "a")])
    await team.start("one")
    status = {**team.status("one")}
    del status["concurrency"]
    operator.cluster.change(WORKFLOW_RUN.kind, "one", status=status)
    for run in operator.cluster.objects(WORKFLOW_RUN.kind):
        operator.see(run)
    await team.end("one")
    assert team.started() == [("one", "a"), ("one", "b")]


async def test_a_slot_that_two_operators_have_granted_is_used_by_one_run(
    operator: Operator,
) -> None:
    team = Team(operator)
    await team.deploy({"maxRuns": 1})
    await team.start("one", "late")
    await team.grant("late")
    assert team.runs() == ["one"]
    assert team.status("late")["message"].startswith("1 of 1 slots of")
    assert not team.status("late")["concurrency"][0].get("held")
    await team.end("one")
    assert team.runs() == ["one", "late"]


async def test_a_slot_that_two_operators_have_granted_is_used_by_one_task(
    operator: Operator,
) -> None:
    team = Team(operator)
    await team.deploy(tasks=[python("a") | {"concurrency": [{"maxRuns": 1}]}])
    await team.start("one", "late")
    await team.grant("late")
    assert team.runs() == ["one"]
    [waiting] = team.status("late")["tasks"]
    assert (waiting["state"], waiting["reason"]) == ("Queued", "Concurrency")
    await team.end("one")
    assert team.runs() == ["one", "late"]
