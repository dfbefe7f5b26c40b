"""What the reconciler does for a run and its workflow, and in which order."""

import copy

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    EVENT,
    JOB,
)
from podhatch.core.common.plan import pod_deadline
from podhatch_operator.controllers.debouncer import (
    HOLD_SECONDS,
    HOLD_SECONDS_A_TASK,
    MAX_HOLD_SECONDS,
    StatusDebouncer,
)
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key, run_key

from tests.unit.operator.manifests import API, python, run, started, workflow
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import RUN, Operator


async def test_children_come_before_status_and_events(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.jobs()
    await operator.pod_reports(job)
    await operator.work()
    assert operator.status()["phase"] == "Succeeded"
    of_workflow = ("dry-run Job", "update Workflow")
    writes = [write for write in operator.cluster.order if write not in of_workflow]
    assert writes == [
        "create ControllerRevision",
        "create ServiceAccount",
        "create RoleBinding",
        "create Job",
        "update WorkflowRun",
        "create Event",
    ]


async def test_a_status_that_may_wait_is_written_after_a_moment(operator: Operator) -> None:
    await started(operator)
    assert operator.status() == {}
    operator.timers.pass_time(HOLD_SECONDS - 0.01)
    assert await operator.work() == []
    operator.timers.pass_time(0.02)
    assert RUN in await operator.work()
    assert operator.status()["phase"] == "Running"


async def test_a_job_whose_counters_change_is_not_looked_at_again(operator: Operator) -> None:
    await started(operator)
    job = copy.deepcopy(operator.cluster.objects("Job")[0])
    for version, status in (("900", {"active": 1}), ("901", {"active": 1, "ready": 1})):
        job["metadata"]["resourceVersion"] = version
        operator.intake.changed(JOB, {**job, "status": status})
        assert await operator.work() == []
    failed = {"conditions": [{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}]}
    job["metadata"]["resourceVersion"] = "902"
    operator.intake.changed(JOB, {**job, "status": failed})
    assert RUN in await operator.work()


async def test_the_more_runs_there_are_the_longer_a_status_may_wait() -> None:
    now = 0.0
    held = StatusDebouncer(lambda: now)
    assert held.wait(RUN) == HOLD_SECONDS
    for number in range(1000):
        held.wait(run_key("team", f"other-{number}"))
    assert held.wait(RUN) == MAX_HOLD_SECONDS
    now = MAX_HOLD_SECONDS
    assert held.wait(RUN) == 0.0


async def test_the_larger_a_status_is_the_longer_it_may_wait() -> None:
    now = 0.0
    held = StatusDebouncer(lambda: now)
    assert held.wait(RUN, 1000) == HOLD_SECONDS + 1000 * HOLD_SECONDS_A_TASK
    now = HOLD_SECONDS
    assert held.wait(RUN, 1) == pytest.approx(HOLD_SECONDS_A_TASK)
    assert held.wait(RUN, 1_000_000) == MAX_HOLD_SECONDS - HOLD_SECONDS


async def test_a_lost_hold_loses_no_status(operator: Operator) -> None:
    await started(operator)
    operator.reconciler = operator.restarted()
    operator.queue.add(RUN)
    await operator.work()
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    assert operator.status()["phase"] == "Running"
    assert len(operator.jobs()) == 1


async def test_the_run_is_looked_at_again_in_time(operator: Operator) -> None:
    await started(operator)
    operator.timers.pass_time(2)
    await operator.work()
    operator.timers.pass_time(299)
    assert RUN in await operator.work()
    assert operator.status()["tasks"][0]["reason"] == "ScheduleTimedOut"
    assert operator.jobs() == []  # given up, so deleted


async def test_the_next_job_follows_a_result(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"))
    (first,) = operator.jobs()
    await operator.pod_reports(first)
    await operator.work()
    assert len(operator.jobs()) == 2


async def test_attempts_side_by_side_are_created_together(operator: Operator) -> None:
    await started(operator, *(python(name) for name in "abcde"))
    assert len(operator.jobs()) == 5
    assert operator.cluster.order.count("create ServiceAccount") == 1


async def test_a_namespace_has_only_the_accounts_that_its_tasks_use(operator: Operator) -> None:
    spawning = {**python("b"), "clusterAccess": "spawn"}
    await started(operator, python("a"), spawning, {**python("c"), "clusterAccess": "none"})
    made = [each["metadata"]["name"] for each in operator.cluster.objects("ServiceAccount")]
    assert sorted(made) == ["podhatch-report", "podhatch-spawn"]
    bindings = operator.cluster.objects("RoleBinding")
    for binding in bindings:
        name = binding["metadata"]["name"]
        assert binding["roleRef"]["name"] == binding["subjects"][0]["name"] == name
    assert len(bindings) == 2


async def test_a_run_that_is_not_there_is_nothing_to_do(operator: Operator) -> None:
    await operator.reconciler.reconcile(RUN)
    assert operator.cluster.order == []


async def test_many_events_are_all_posted(operator: Operator) -> None:
    await started(operator, *(python(name) for name in "abcdefgh"))
    for job in operator.jobs():
        await operator.pod_reports(job)
    await operator.work()
    assert operator.cluster.order.count("create Event") == 8 + 1


async def test_a_workflow_is_told_whether_it_can_run(operator: Operator) -> None:
    await operator.user_creates(workflow(python("a", "missing")))
    assert await operator.work() == [Key("Workflow", NAMESPACE, "flow")] * 1
    (stored,) = operator.cluster.objects("Workflow")
    (valid,) = stored["status"]["conditions"]
    assert (valid["type"], valid["status"]) == ("Valid", "False")
    assert "missing" in valid["message"]


async def test_a_workflow_that_is_not_there_is_nothing_to_do(operator: Operator) -> None:
    await operator.reconciler.reconcile(Key("Workflow", NAMESPACE, "flow"))
    assert operator.cluster.order == []


async def test_a_run_starts_when_its_workflow_appears(operator: Operator) -> None:
    await operator.user_creates(run())
    await operator.work()
    operator.timers.pass_time(5)
    await operator.work()
    assert operator.status()["phase"] == "Pending"
    await operator.user_creates(workflow())
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_the_hop_from_result_to_next_job_is_timed(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"))
    await operator.pod_reports(operator.jobs()[0])
    await operator.work()
    assert operator.metrics.registry.get_sample_value("podhatch_hop_seconds_count") == 1


async def test_a_user_event_wakes_the_run_that_waits_for_it(operator: Operator) -> None:
    waits = {**python("a"), "waitFor": [{"event": {"key": "paid"}}]}
    await started(operator, waits)
    assert operator.jobs() == []
    await operator.user_creates(
        {
            "apiVersion": API,
            "kind": "WorkflowEvent",
            "metadata": {"name": "paid-1", "namespace": NAMESPACE},
            "spec": {"key": "paid"},
        }
    )
    await operator.work()
    operator.timers.pass_time(1)  # the API server tells times to the second
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_a_replay_goes_on_with_what_the_cache_had_let_go(operator: Operator) -> None:
    await started(operator, python("a"), python("b", "a"), python("c", "b"))
    for outcome in ("Succeeded", "Failed"):
        await operator.pod_reports(operator.jobs()[-1], '"x"', outcome)
        await operator.work()
    assert operator.status()["phase"] == "Failed"
    observed = RunController.observe(operator.cache, NAMESPACE, "run")
    assert observed is not None
    assert observed.results == {}
    await operator.user_patches({"replay": {"count": 1, "failedOnly": True}})
    await operator.work()
    observed = RunController.observe(operator.cache, NAMESPACE, "run")
    assert observed is not None
    assert len(observed.results) == 2
    tasks = [job["metadata"]["labels"]["podhatch.dev/task"] for job in observed.jobs.values()]
    assert sorted(tasks) == ["a", "b", "b"]


async def test_a_jobs_deadline_moves_with_the_tasks(operator: Operator) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    deadline: int = job["spec"]["activeDeadlineSeconds"]
    await operator.user_creates(report_of(job, extendedSeconds=100.0))
    await operator.work()
    (job,) = operator.cluster.objects("Job")
    assert job["spec"]["activeDeadlineSeconds"] == deadline + 100
    assert operator.cluster.order.count("patch Job") == 1


def report_of(job: JsonObject, **spec: object) -> JsonObject:
    """Return a TaskResult without an outcome: a first report."""
    metadata = job["metadata"]
    names = metadata["labels"]
    return {
        "apiVersion": API,
        "kind": "TaskResult",
        "metadata": {"name": metadata["name"], "namespace": NAMESPACE, "labels": names},
        "spec": {"run": "run", "task": names["podhatch.dev/task"], "attempt": 1, **spec},
    }


def event_about(uid: str) -> JsonObject:
    return {
        "apiVersion": EVENT.api_version,
        "kind": EVENT.kind,
        "metadata": {"name": "job.1", "namespace": NAMESPACE},
        "regarding": {"uid": uid},
        "type": "Warning",
        "reason": "FailedCreate",
        "note": "exceeded quota: pods",
        "eventTime": "2026-11-23T12:00:01Z",
    }


async def test_events_explain_a_job_without_a_pod_and_are_read_for_nothing_else(
    operator: Operator,
) -> None:
    await started(operator)
    (job,) = operator.cluster.objects("Job")
    await operator.cluster.create_as_user(event_about(job["metadata"]["uid"]))
    await operator.cluster.create_as_user(
        event_about("another") | {"metadata": {"name": "job.2", "namespace": NAMESPACE}}
    )
    operator.timers.pass_time(2)
    await operator.work()
    assert operator.cluster.requests["list Event"] == 0
    operator.timers.pass_time(5)
    await operator.work()
    await operator.reconciler.reconcile(RUN)
    assert operator.cluster.requests["list Event"] == 1
    operator.timers.pass_time(HOLD_SECONDS + 0.1)
    await operator.work()
    [entry] = operator.status()["tasks"]
    assert entry["reason"] == "FailedCreate"
    assert "exceeded quota: pods" in entry["message"]


async def test_a_pod_that_keeps_running_beside_its_task_is_given_a_deadline(
    operator: Operator,
) -> None:
    executor = operator.context.executor
    pod: JsonObject = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "p", "namespace": NAMESPACE, "labels": {}},
        "spec": {"containers": []},
    }
    await operator.cluster.create_as_user(pod)
    await executor.execute(NAMESPACE, [pod_deadline("p", 9), pod_deadline("gone", 9)])
    (changed,) = operator.cluster.objects("Pod")
    assert changed["spec"]["activeDeadlineSeconds"] == 9
