"""Durable tasks in the operator: what wakes a log, what wakes its run, and what is kept of them."""

import gc
import json
import weakref

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import durable_log_name
from podhatch.cluster import DURABLE_LOG, TASK_RESULT, WORKFLOW_EVENT, WORKFLOW_RUN
from podhatch.cluster.bounded import MAX_OBJECT_BYTES, bounded_object
from podhatch.core.durable.progress import waits_over
from podhatch.core.run.memo import PlanMemo
from podhatch_operator.cache.trimming import as_held
from podhatch_operator.controllers import run as run_controller
from podhatch_operator.keys import Key, run_key
from podhatch_operator.metrics import DurableTaskCollector

from tests.fakes.durable import awaits, child_call, memo, over, page, sleep, wait
from tests.unit.operator.manifests import API, python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import START, Operator
from tests.unit.operator.test_concurrency import Team


class Durable(Team):
    """Users who run one durable task, and its pods."""

    async def begin(self) -> None:
        """Have a run whose task has a pod."""
        durable: JsonObject = {"clusterAccess": "spawn", "durable": {}}
        await self.deploy(tasks=[{**python("a"), **durable}])
        await self.start("run")

    @property
    def log_name(self) -> str:
        [job, *_] = self.jobs()
        return f"{durable_log_name(job['metadata']['name'])}-0"

    async def append(self, *calls: JsonObject) -> None:
        """The pod writes calls."""
        cluster, name = self.operator.cluster, self.log_name
        stored = cluster.objects(DURABLE_LOG.kind)
        if stored:
            body = {"spec": {"calls": [*stored[0]["spec"]["calls"], *calls]}}
            changed = await cluster.merge_patch(DURABLE_LOG, NAMESPACE, name, body)
            self.operator.see(changed)
        else:
            [run, *_] = cluster.objects(WORKFLOW_RUN.kind)
            names = {labels.RUN: "run", labels.TASK: "a"}
            owner = {
                "apiVersion": API,
                "kind": "WorkflowRun",
                "name": "run",
                "uid": run["metadata"]["uid"],
            }
            metadata = {
                "name": name,
                "namespace": NAMESPACE,
                "labels": names,
                "ownerReferences": [owner],
            }
            spec = {"run": "run", "task": "a", "page": 0, "invocation": 1, "calls": [*calls]}
            await self.operator.user_creates(
                {"apiVersion": API, "kind": DURABLE_LOG.kind, "metadata": metadata, "spec": spec}
            )
        await self.operator.work()

    async def evict(self, waits: int = 0) -> None:
        """The pod gives up, having seen so many waits that are over."""
        found = [each for each in self.jobs() if each["metadata"]["labels"][labels.RUN] == "run"]
        job = found[-1]
        names: JsonObject = job["metadata"]["labels"]
        spec = {
            "run": "run",
            "task": "a",
            "attempt": int(names[labels.ATTEMPT]),
            "outcome": "Evicted",
            "waitsOver": waits,
        }
        metadata = {"name": job["metadata"]["name"], "namespace": NAMESPACE, "labels": names}
        await self.operator.user_creates(
            {"apiVersion": API, "kind": TASK_RESULT.kind, "metadata": metadata, "spec": spec}
        )
        await self.settle()

    async def push(self, key: str, **payload: object) -> None:
        await self.operator.user_creates(
            {
                "apiVersion": API,
                "kind": WORKFLOW_EVENT.kind,
                "metadata": {"name": f"{key}-1", "namespace": NAMESPACE},
                "spec": {
                    "key": key,
                    "payload": payload,
                    "seenAt": format_time(self.operator.context.now()),
                },
            }
        )
        await self.operator.work()

    def log(self) -> JsonObject:
        [found] = self.operator.cluster.objects(DURABLE_LOG.kind)
        return found

    def task(self) -> JsonObject:
        [entry] = self.status("run")["tasks"]
        return entry


@pytest.fixture
def team(operator: Operator) -> Durable:
    return Durable(operator)


def at_start(call: JsonObject) -> JsonObject:
    """Return a call that is made now."""
    return {**call, "at": format_time(START)}


async def test_a_parked_task_has_no_pod_until_its_sleep_is_over(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(3600))))
    await team.settle()
    await team.evict()
    assert (team.jobs(), team.operator.cluster.objects(TASK_RESULT.kind)) == ([], [])
    assert team.task()["state"] == "Waiting"
    assert team.task()["message"] == "sleeps until 2026-11-23 13:00:00 UTC"
    team.operator.timers.pass_time(3500)
    assert await team.operator.work() == []
    team.operator.timers.pass_time(120)
    await team.operator.work()
    [job] = team.jobs()
    assert job["metadata"]["name"].endswith("-2")
    await team.settle()
    assert (team.task()["resumes"], waits_over([team.log()])) == (1, 1)


async def test_an_event_wakes_those_that_wait_for_its_key_alone(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, awaits("approval", expression="input.ok"))))
    await team.evict()
    await team.push("another", ok=True)
    assert team.jobs() == []
    await team.push("approval", ok=True)
    [job] = team.jobs()
    assert job["metadata"]["name"].endswith("-2")
    [told] = team.log()["status"]["waits"]
    assert told["met"][0]["value"] == '{"ok":true}'


async def test_the_end_of_a_child_wakes_its_parent(team: Durable) -> None:
    await team.begin()
    await team.deploy(name="other")
    await team.start("child", flow="other")
    await team.append(at_start(child_call(1, "child")))
    await team.settle()
    await team.evict()
    assert team.task()["message"] == "waits for run child"
    await team.end("child")
    assert [each for each in team.started() if each[0] == "run"] == [("run", "a")]
    assert team.task()["resumes"] == 1


async def test_a_child_that_is_deleted_wakes_its_parent_with_an_error(team: Durable) -> None:
    await team.begin()
    await team.deploy(name="other")
    await team.start("child", flow="other")
    await team.append(at_start(child_call(1, "child")))
    await team.evict()
    await team.operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "child")
    team.operator.sees_deletions()
    team.operator.timers.pass_time(60)
    await team.operator.work()
    assert "was deleted" in team.log()["status"]["waits"][0]["error"]
    assert team.task()["resumes"] == 1


async def test_what_a_live_pod_waits_for_is_told_a_moment_later_and_wakes_no_run(
    team: Durable,
) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(60))))
    assert "status" not in team.log()
    team.operator.timers.pass_time(1)
    worked = await team.operator.work()
    assert {*worked} == {Key("DurableLog", NAMESPACE, team.log_name)}
    assert team.log()["status"]["waiting"] == "sleeps until 2026-11-23 12:01:00 UTC"


async def test_a_wait_that_is_over_is_told_at_once(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, awaits("go"))))
    await team.push("go")
    assert waits_over([team.log()]) == 1
    assert len(team.jobs()) == 1


async def test_an_operator_that_starts_finds_what_has_happened_meanwhile(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(60))))
    await team.evict()
    team.operator.timers.pass_time(120)
    first = team.operator
    successor = Operator(first.cluster, first.timers)
    successor.clock_begins(first)
    for kind in ("Workflow", "ControllerRevision", "WorkflowRun", "DurableLog"):
        for raw in first.cluster.objects(kind):
            successor.see(raw)
    await successor.work()
    assert len(team.jobs()) == 1


async def test_nothing_computed_is_kept_of_a_run_whose_tasks_are_parked(
    team: Durable, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[weakref.ref[PlanMemo]] = []

    def new_memo() -> PlanMemo:
        memo = PlanMemo()
        made.append(weakref.ref(memo))
        return memo

    def kept() -> int:
        gc.collect()
        return sum(each() is not None for each in made)

    monkeypatch.setattr(run_controller, "PlanMemo", new_memo)
    await team.begin()
    await team.append(at_start(wait(1, sleep(60))))
    assert kept() == 1
    await team.evict()
    assert kept() == 0
    log = team.log()
    waiting = {**log["status"], "waiting": "sleeps much longer"}
    team.operator.cluster.change(DURABLE_LOG.kind, log["metadata"]["name"], status=waiting)
    team.operator.see(team.log())
    await team.operator.work()
    assert team.task()["message"] != "sleeps much longer"  # which is still to be written
    assert kept() == 0


async def test_parked_tasks_are_counted(team: Durable) -> None:
    counts = team.operator.cache.durable_tasks
    await team.begin()
    await team.append(at_start(wait(1, sleep(60))))
    await team.evict()
    assert (counts.parked, counts.evictions, counts.resumes) == (1, 1, 0)
    team.operator.timers.pass_time(60)
    await team.settle()
    assert (counts.parked, counts.evictions, counts.resumes) == (0, 1, 1)
    values = {each.name: each.samples[0].value for each in counts.collect()}
    assert values == {"podhatch_parked_tasks": 0, "podhatch_evictions": 1, "podhatch_resumes": 1}
    await team.append(at_start(wait(2, sleep(600))))
    await team.evict(1)
    assert counts.parked == 1
    await team.operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    team.operator.sees_deletions()
    assert counts.parked == 0


async def test_logs_of_runs_that_are_over_are_not_kept_and_come_back_for_a_replay(
    team: Durable,
) -> None:
    operator = team.operator
    await team.begin()
    await team.append(at_start(memo(1)))
    await team.end("run")
    key = (NAMESPACE, team.log_name)
    assert operator.cache.get(DURABLE_LOG, key) is None
    assert operator.cache.knows(DURABLE_LOG, key)
    await operator.user_patches({"replay": {"count": 1}})
    await operator.work()
    assert operator.cache.get(DURABLE_LOG, key) is not None


def test_only_what_is_planned_by_is_kept_of_a_log() -> None:
    log = page(
        wait(1, sleep(60), delivered=[1], label="x"),
        memo(2, delivered=[1]),
        wait(3, awaits("go"), delivered=[1]),
        waits=[over(1)],
        values=[{"node": 2, "value": "1"}],
    )
    held = as_held(DURABLE_LOG, log)
    assert "values" not in held["spec"]
    first, second, third = held["spec"]["calls"]
    assert first == {"node": 1, "kind": "WaitFor"}
    assert second == {"node": 2, "kind": "Memo"}
    assert third == log["spec"]["calls"][2]
    assert held["status"] == log["status"]
    assert as_held(DURABLE_LOG, held) == held
    bad = page(memo(1, delivered=[1]), calls=[7, memo(1, delivered=[1])])
    assert as_held(DURABLE_LOG, bad) == bad


async def test_a_log_that_is_too_large_to_be_held_ends_its_task(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(3600))))
    [whole] = team.operator.cluster.objects(DURABLE_LOG.kind)
    text = json.dumps({**whole, "spec": {**whole["spec"], "x": "y" * MAX_OBJECT_BYTES}})
    cut = bounded_object(text)
    version = {"resourceVersion": str(int(whole["metadata"]["resourceVersion"]) + 1)}
    team.operator.see({**cut, "metadata": {**cut["metadata"], **version}})
    await team.settle()
    assert team.task()["state"] == "Queued"
    await team.evict()
    assert team.task()["reason"] == "LogUnreadable"
    assert f"DurableLog {team.log()['metadata']['name']} cannot be read" in team.task()["message"]
    assert team.status("run")["phase"] == "Failed"
    assert "Valid" not in str(team.log().get("status"))


async def test_a_pod_that_sees_no_wait_over_is_resumed_after_a_backoff(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(1))))
    await team.settle()
    await team.evict()
    assert team.task()["resumes"] == 1
    await team.evict()
    assert team.task()["reason"] == "ResumeBackOff"
    team.operator.timers.pass_time(2)
    await team.settle()
    assert team.task()["resumes"] == 2


async def test_a_task_whose_log_was_deleted_gets_a_pod_after_a_minute(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(3600))))
    await team.settle()
    await team.evict()
    await team.operator.cluster.delete(DURABLE_LOG, NAMESPACE, team.log()["metadata"]["name"])
    team.operator.sees_deletions()
    await team.settle()
    assert team.jobs() == []
    team.operator.timers.pass_time(60)
    await team.settle()
    assert team.task()["resumes"] == 1


async def test_a_log_without_its_run_is_left_alone(team: Durable) -> None:
    await team.begin()
    await team.append(at_start(wait(1, sleep(3600))))
    await team.operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    team.operator.sees_deletions()
    team.operator.queue.add(Key("DurableLog", NAMESPACE, team.log_name))
    team.operator.queue.add(Key("DurableLog", NAMESPACE, "never-was"))
    team.operator.queue.add(run_key(NAMESPACE, "run"))
    team.operator.timers.pass_time(9)
    await team.operator.work()
    assert "status" not in team.log()


@pytest.mark.parametrize(
    "status",
    ["Running", {"tasks": 7}, {"tasks": [7, {"waitsOver": 1, "resumes": "many"}]}],
    ids=["text", "number", "entries"],
)
def test_a_status_that_cannot_be_read_is_counted_without_an_error(status: object) -> None:
    counts = DurableTaskCollector()
    run: JsonObject = {"status": status}
    counts.note(None, run)
    counts.note(run, run)
    counts.note(run, None)
    assert (counts.parked, counts.evictions, counts.resumes) == (0, 0, 0)
