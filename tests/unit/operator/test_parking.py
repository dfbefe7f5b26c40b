"""Runs that give their slots up while their tasks wait without a pod, and take them again."""

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import durable_log_name
from podhatch.cluster import DURABLE_LOG, TASK_RESULT, WORKFLOW, WORKFLOW_EVENT, WORKFLOW_RUN

from tests.fakes.durable import awaits, wait
from tests.unit.operator.manifests import API, python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator
from tests.unit.operator.test_concurrency import PER_TENANT, Team

NAPPER: JsonObject = {**python("a"), "durable": {}, "clusterAccess": "spawn"}
ONE: JsonObject = {"maxRuns": 1}


class Nappers(Team):
    """Users whose runs wait without a pod, until somebody wakes them."""

    async def park(self, run: str) -> None:
        """The first pod of the run's task a waits for an event, and gives up."""
        found: list[JsonObject] = [each["metadata"] for each in self.jobs()]
        [metadata] = [
            each
            for each in found
            if (each["labels"][labels.RUN], each["labels"][labels.TASK]) == (run, "a")
        ]
        names: JsonObject = metadata["labels"]
        call = {
            **wait(1, awaits(f"wake-{run}")),
            "at": format_time(self.operator.context.now()),
        }
        await self.operator.user_creates(
            {
                "apiVersion": API,
                "kind": DURABLE_LOG.kind,
                "metadata": {
                    "name": f"{durable_log_name(metadata['name'])}-0",
                    "namespace": NAMESPACE,
                    "labels": {labels.RUN: run, labels.TASK: "a"},
                    "ownerReferences": metadata["ownerReferences"],
                },
                "spec": {"run": run, "task": "a", "page": 0, "invocation": 1, "calls": [call]},
            },
            {
                "apiVersion": API,
                "kind": TASK_RESULT.kind,
                "metadata": {"name": metadata["name"], "namespace": NAMESPACE, "labels": names},
                "spec": {"run": run, "task": "a", "attempt": 1, "outcome": "Evicted"},
            },
        )
        await self.settle()

    async def wake(self, run: str) -> None:
        """What the run waits for happens."""
        moment = format_time(self.operator.context.now())
        await self.operator.user_creates(
            {
                "apiVersion": API,
                "kind": WORKFLOW_EVENT.kind,
                "metadata": {"name": f"wake-{run}", "namespace": NAMESPACE},
                "spec": {"key": f"wake-{run}", "seenAt": moment},
            }
        )
        await self.settle()

    async def patch(self, run: str, **spec: object) -> None:
        cluster = self.operator.cluster
        changed = await cluster.merge_patch(WORKFLOW_RUN, NAMESPACE, run, {"spec": spec})
        self.operator.see(changed)
        await self.settle()

    async def restart(self) -> None:
        """Another operator takes over."""
        first = self.operator
        successor = Operator(first.cluster, first.timers)
        successor.clock_begins(first)
        for kind in ("Workflow", "ControllerRevision", "WorkflowRun", "DurableLog", "Job"):
            for raw in first.cluster.objects(kind):
                successor.see(raw)
        self.operator = successor
        await self.settle()

    def phases(self, *runs: str) -> list[str]:
        return [self.status(run)["phase"] for run in runs]

    def claim(self, run: str) -> JsonObject:
        [claim] = self.status(run)["concurrency"]
        return claim

    def task(self, run: str, name: str = "a") -> JsonObject:
        [entry] = [each for each in self.status(run)["tasks"] if each["name"] == name]
        return entry


@pytest.fixture
def team(operator: Operator) -> Nappers:
    return Nappers(operator)


async def _one_parked(team: Nappers, strategy: str = "GROUP_ROUND_ROBIN") -> None:
    """Have a run that is parked, and another that has its slot."""
    await team.deploy(ONE | {"limitStrategy": strategy}, tasks=[NAPPER])
    await team.start("old")
    await team.park("old")
    await team.start("new")


async def test_a_parked_run_lets_the_next_one_start(team: Nappers) -> None:
    await team.deploy(ONE, tasks=[NAPPER])
    await team.start("old", "new")
    assert team.runs() == ["old"]
    await team.park("old")
    assert team.runs() == ["new"]
    claim = team.claim("old")
    assert claim["parked"]
    assert "held" not in claim
    assert team.phases("old", "new") == ["Running", "Running"]


async def test_a_run_that_resumes_waits_for_a_slot_and_says_so(team: Nappers) -> None:
    await _one_parked(team)
    await team.wake("old")
    assert team.runs() == ["new"]
    told = '1 of 1 slots of workflow "flow" is taken by new'
    entry = team.task("old")
    assert (entry["state"], entry["reason"], entry["message"]) == ("Queued", "Concurrency", told)
    assert team.status("old")["message"] == f"task a: {told}"
    assert team.claim("old")["resumes"]
    await team.end("new")
    assert team.runs() == ["new", "old"]
    assert team.claim("old")["held"]
    assert (team.task("old")["resumes"], team.task("old")["attempt"]) == (1, 2)
    await team.end("old")
    assert team.phases("old") == ["Succeeded"]


async def test_a_run_that_resumes_keeps_its_place(team: Nappers) -> None:
    await _one_parked(team)
    await team.start("newer", "newest")
    await team.wake("old")
    await team.end("new")
    assert team.runs() == ["new", "old"]
    await team.end("old")
    assert team.runs() == ["new", "old", "newer"]


async def test_a_run_that_resumes_while_a_slot_is_free_takes_it(team: Nappers) -> None:
    await team.deploy(ONE, tasks=[NAPPER])
    await team.start("old")
    await team.park("old")
    await team.wake("old")
    assert team.runs() == ["old"]
    await team.start("new")
    assert team.runs() == ["old"]


@pytest.mark.parametrize("is_awake", [False, True])
async def test_a_new_operator_finds_who_is_parked_and_who_resumes(
    team: Nappers, is_awake: bool
) -> None:
    await _one_parked(team)
    await team.start("newest")
    if is_awake:
        await team.wake("old")
    await team.restart()
    assert team.runs() == ["new"]
    await team.end("new")
    assert team.runs() == ["new", "old" if is_awake else "newest"]


@pytest.mark.parametrize(
    ("strategy", "old"),
    [
        ("GROUP_ROUND_ROBIN", "Running"),
        ("CANCEL_IN_PROGRESS", "Cancelled"),
        ("CANCEL_NEWEST", "Running"),
        ("CANCEL_QUEUED_EXCEPT_NEWEST", "Running"),
        ("CANCEL_QUEUED_EXCEPT_OLDEST", "Running"),
    ],
)
async def test_a_run_that_resumes_is_cancelled_for_a_newer_one_in_progress_only(
    team: Nappers, strategy: str, old: str
) -> None:
    await _one_parked(team, strategy)
    assert team.phases("old", "new") == ["Running", "Running"], "it was cancelled while parked"
    await team.wake("old")
    assert team.phases("old", "new") == [old, "Running"]
    if old == "Cancelled":
        told = f'cancelled by {strategy} of workflow "flow", in favor of new'
        assert team.status("old")["message"] == told


@pytest.mark.parametrize(
    ("strategy", "phases"),
    [
        ("CANCEL_NEWEST", ["Cancelled", "Cancelled"]),
        ("CANCEL_QUEUED_EXCEPT_NEWEST", ["Cancelled", "Pending"]),
        ("CANCEL_QUEUED_EXCEPT_OLDEST", ["Pending", "Cancelled"]),
    ],
)
async def test_a_run_that_resumes_is_none_of_those_that_are_queued(
    team: Nappers, strategy: str, phases: list[str]
) -> None:
    await _one_parked(team, strategy)
    await team.wake("old")
    await team.start("newer", "newest")
    assert team.phases("newer", "newest") == phases
    assert team.phases("old", "new") == ["Running", "Running"]
    await team.end("new")
    assert team.runs() == ["new", "old"]


async def test_a_newer_run_that_resumes_cancels_an_older_one_in_progress(team: Nappers) -> None:
    await _one_parked(team, "CANCEL_IN_PROGRESS")
    await team.park("new")
    await team.wake("old")
    assert team.phases("old", "new") == ["Running", "Running"]
    await team.wake("new")
    assert team.phases("old", "new") == ["Cancelled", "Running"]


@pytest.mark.parametrize("is_awake", [False, True])
async def test_a_cancel_frees_the_place_of_a_run_without_a_slot(
    team: Nappers, is_awake: bool
) -> None:
    await _one_parked(team)
    await team.start("newest")
    if is_awake:
        await team.wake("old")
    await team.patch("old", desiredState="Cancelled")
    assert team.phases("old", "new", "newest") == ["Cancelled", "Running", "Pending"]
    assert "concurrency" not in team.status("old")
    await team.end("new")
    assert team.runs() == ["new", "newest"]


async def test_a_replay_of_a_parked_run_asks_for_its_slots(team: Nappers) -> None:
    await _one_parked(team)
    await team.patch("old", replay={"count": 1})
    assert team.runs() == ["new"]
    assert team.task("old")["reason"] == "Concurrency"
    await team.end("new")
    assert team.runs() == ["new", "old"]
    assert team.status("old")["replays"] == 1


async def test_a_parked_run_of_a_paused_workflow_resumes(team: Nappers) -> None:
    await _one_parked(team)
    await team.end("new")
    cluster = team.operator.cluster
    paused: JsonObject = {"spec": {"paused": True}}
    changed = await cluster.merge_patch(WORKFLOW, NAMESPACE, "flow", paused)
    team.operator.see(changed)
    await team.settle()
    await team.wake("old")
    assert team.runs() == ["new", "old"]


async def test_a_run_keeps_its_slots_while_another_task_of_it_has_a_pod(team: Nappers) -> None:
    await team.deploy(ONE, tasks=[NAPPER, python("b"), python("c", "a")])
    await team.start("old", "new")
    await team.park("old")
    assert team.claim("old")["held"]
    assert "new" not in team.runs()
    await team.end("old", "b")
    assert team.claim("old")["parked"]
    assert "new" in team.runs()


async def test_the_time_that_a_run_waits_for_its_slots_counts_for_no_timeout(
    team: Nappers,
) -> None:
    shared: JsonObject = {**ONE, "name": "database"}
    await team.deploy(shared, tasks=[NAPPER | {"scheduleTimeoutSeconds": 30}])
    await team.deploy(shared, tasks=[NAPPER], name="patient")
    await team.start("old")
    await team.park("old")
    await team.start("new", flow="patient")
    await team.wake("old")
    team.operator.timers.pass_time(200)
    await team.settle()
    assert (team.task("old")["state"], team.task("old")["reason"]) == ("Queued", "Concurrency")


async def test_a_parked_run_keeps_none_of_several_slots(team: Nappers) -> None:
    region: JsonObject = {"expression": "input.region", "maxRuns": 1}
    await team.deploy(PER_TENANT, region, tasks=[NAPPER])
    await team.start("old", input={"tenant": "acme", "region": "north"})
    await team.park("old")
    await team.start("tenant", input={"tenant": "acme", "region": "south"})
    await team.start("region", input={"tenant": "zenith", "region": "north"})
    await team.wake("old")
    await team.end("tenant")
    assert team.runs() == ["tenant", "region"]
    await team.end("region")
    assert team.runs() == ["tenant", "region", "old"]


async def test_a_slot_that_two_operators_have_granted_is_used_once_by_one_that_resumes(
    team: Nappers,
) -> None:
    await _one_parked(team)
    await team.wake("old")
    await team.grant("old")
    assert team.runs() == ["new"]
    assert "held" not in team.claim("old")
    await team.end("new")
    assert team.runs() == ["new", "old"]


async def test_a_task_that_resumes_is_not_cancelled_for_having_to_wait(team: Nappers) -> None:
    limit: JsonObject = {"maxRuns": 1, "limitStrategy": "CANCEL_NEWEST"}
    await team.deploy(tasks=[NAPPER | {"concurrency": [limit]}])
    await team.start("old")
    await team.park("old")
    await team.start("new")
    await team.wake("old")
    assert (team.task("old")["state"], team.task("old")["reason"]) == ("Queued", "Concurrency")
    await team.end("new")
    assert team.runs() == ["new", "old"]
