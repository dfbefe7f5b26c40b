"""Events and ticks start no run while another one holds its idempotency key."""

import pytest
from podhatch.api import labels
from podhatch.api.idempotency import Idempotency
from podhatch.api.model import JsonObject
from podhatch.cluster import CRON_WORKFLOW, JOB, WORKFLOW_EVENT, WORKFLOW_RUN, ApiError
from podhatch.core.common.idempotency import RunKey, claim, next_name
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import RetryLater

from tests.unit.operator.manifests import python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator

UNTIL_THE_END = {"keyExpression": "input.id", "fallbackTtlSeconds": 3600}
KEY = RunKey("flow", "a")


def manifest(kind: str, name: str, **spec: object) -> JsonObject:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": labels.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def workflow(**spec: object) -> JsonObject:
    spec = {"onEvents": ["paid"], "idempotency": UNTIL_THE_END, **spec}
    return manifest("Workflow", "flow", tasks=[python("a")], **spec)


def paid(name: str, **spec: object) -> JsonObject:
    return manifest("WorkflowEvent", name, key="paid", **{"payload": {"id": "a"}, **spec})


def keyed_run(key: RunKey = KEY) -> JsonObject:
    """Return a run as the SDK creates it."""
    run = manifest("WorkflowRun", next_name(key, []), workflow=key.workflow)
    of = claim(Idempotency.model_validate(UNTIL_THE_END), key.key)
    return {**run, "spec": {**run["spec"], "idempotency": of.to_wire()}}


def runs(operator: Operator) -> dict[str, JsonObject]:
    return {run["metadata"]["name"]: run for run in operator.cluster.objects(WORKFLOW_RUN.kind)}


def status(operator: Operator, event: str) -> JsonObject:
    found = operator.cluster.find(WORKFLOW_EVENT.kind, event)
    assert found is not None
    return found.get("status", {})


def restarted(operator: Operator) -> Operator:
    """Return an operator that sees what there is, and whose writes are not refused."""
    operator.cluster.refusals.clear()
    other = Operator(operator.cluster, operator.timers)
    for kind in ("Workflow", "CronWorkflow", "WorkflowEvent", "Job", "WorkflowRun"):
        for raw in operator.cluster.objects(kind):
            other.see(raw)
    return other


async def end_run(operator: Operator, name: str) -> None:
    operator.cluster.change(WORKFLOW_RUN.kind, name, status={"phase": "Succeeded"})
    operator.see(runs(operator)[name])
    await operator.work()


class TestEvents:
    async def test_two_events_start_one_run(self, operator: Operator) -> None:
        await operator.user_creates(workflow(), paid("one"), paid("two"))
        await operator.work()
        [(name, run)] = runs(operator).items()
        assert run["spec"]["idempotency"] == {"key": "a", "fallbackTtlSeconds": 3600}
        [triggered] = status(operator, "one")["triggeredRuns"]
        assert (triggered["run"], triggered["workflow"]) == (name, "flow")
        held = {"workflow": "flow", "key": "a", "heldBy": name}
        assert status(operator, "two")["collisions"] == [held]
        assert "triggeredRuns" not in status(operator, "two")
        operator.timers.pass_time(5)
        await operator.work()
        assert "handledAt" in status(operator, "two")
        assert status(operator, "two")["collisions"] == [held]
        await end_run(operator, name)
        await operator.user_creates(paid("three"))
        await operator.work()
        assert len(runs(operator)) == 2

    async def test_a_run_of_the_sdk_holds_the_key(self, operator: Operator) -> None:
        """The API server is asked: the cache does not know the run."""
        await operator.cluster.create_as_user(keyed_run())
        await operator.user_creates(workflow(), paid("one"))
        await operator.work()
        assert [*runs(operator)] == [keyed_run()["metadata"]["name"]]

    async def test_two_filters_of_an_event_start_one_run_of_a_key(self, operator: Operator) -> None:
        rules = [{"expression": "true", "scope": "eu"}, {"expression": "1 == 1", "scope": "eu"}]
        await operator.user_creates(workflow(defaultFilters=rules), paid("one", scope="eu"))
        await operator.work()
        [name] = runs(operator)
        assert [each["run"] for each in status(operator, "one")["triggeredRuns"]] == [name]
        assert [each["heldBy"] for each in status(operator, "one")["collisions"]] == [name]

    async def test_nobody_collides_with_a_run_that_is_refused(self, operator: Operator) -> None:
        rules = [{"expression": "true", "scope": "eu"}, {"expression": "1 == 1", "scope": "eu"}]
        operator.cluster.refusals["create WorkflowRun"] = ApiError(403, "Forbidden", "quota")
        await operator.user_creates(workflow(defaultFilters=rules), paid("one", scope="eu"))
        with pytest.raises(RetryLater):
            await operator.work()
        assert not status(operator, "one").get("collisions")
        assert not status(operator, "one").get("triggeredRuns")

    async def test_a_run_is_not_created_twice_if_the_status_is_lost(
        self, operator: Operator
    ) -> None:
        operator.cluster.refusals["update WorkflowEvent"] = ApiError(500, "InternalError", "no")
        await operator.user_creates(workflow(), paid("one"))
        with pytest.raises(ApiError):
            await operator.work()
        [name] = runs(operator)
        operator.cluster.change(WORKFLOW_RUN.kind, name, status={"phase": "Succeeded"})
        await restarted(operator).work()
        assert [*runs(operator)] == [name]
        assert [each["run"] for each in status(operator, "one")["triggeredRuns"]] == [name]

    async def test_an_event_whose_name_another_creator_takes_is_tried_again(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The run appears between the list and the creation, and is over at the second list."""
        await operator.user_creates(workflow(), paid("one"))
        lists = operator.cluster.list

        async def and_then(*asked: object, **selectors: object) -> object:
            found = await lists(*asked, **selectors)  # pyright: ignore[reportArgumentType]
            operator.cluster.put({**keyed_run(), "status": {"phase": "Failed"}})
            return found

        with monkeypatch.context() as patched:
            patched.setattr(operator.cluster, "list", and_then)
            with pytest.raises(RetryLater):
                await operator.work()
        assert [*runs(operator)] == [keyed_run()["metadata"]["name"]]
        assert "triggeredRuns" not in status(operator, "one")
        await operator.reconciler.reconcile(Key("WorkflowEvent", NAMESPACE, "one"))
        assert len(runs(operator)) == 2
        assert len(status(operator, "one")["triggeredRuns"]) == 1

    async def test_an_event_that_gives_no_key_says_why(self, operator: Operator) -> None:
        await operator.user_creates(workflow(), paid("one", payload={}))
        await operator.work()
        assert runs(operator) == {}
        message = status(operator, "one")["message"]
        assert message.startswith("Workflow flow spec.idempotency.keyExpression: 'input.id' failed")


def cron(**spec: object) -> JsonObject:
    spec = {"workflow": "flow", "schedule": "17 3 * * *", "input": {"id": "a"}, **spec}
    return manifest("CronWorkflow", "nightly", **spec)


def tick(name: str) -> JsonObject:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name, "namespace": NAMESPACE, "labels": {labels.CRON: "nightly"}},
        "spec": {"managedBy": labels.MANAGED_BY_OPERATOR},
        "status": {},
    }


def job(operator: Operator, name: str) -> JsonObject:
    found = operator.cluster.find(JOB.kind, name)
    assert found is not None
    return found


def condition(operator: Operator, name: str) -> tuple[str, str]:
    found = job(operator, name)["status"]["conditions"][-1]
    return found["type"], found["reason"]


def last_run(operator: Operator) -> str | None:
    [found] = operator.cluster.objects(CRON_WORKFLOW.kind)
    return found["status"].get("lastRun")


class TestTicks:
    async def test_a_tick_starts_no_run_while_another_one_holds_the_key(
        self, operator: Operator
    ) -> None:
        await operator.user_creates(workflow(), cron(), tick("n-1"))
        await operator.work()
        [(name, run)] = runs(operator).items()
        assert run["spec"]["idempotency"]["key"] == "a"
        assert job(operator, "n-1")["status"]["active"] == 1
        assert last_run(operator) == name
        await operator.user_creates(tick("n-2"))
        await operator.work()
        assert [*runs(operator)] == [name]
        assert condition(operator, "n-2") == ("Complete", "IdempotencyCollision")
        assert last_run(operator) is None
        await end_run(operator, name)
        assert condition(operator, "n-1") == ("Complete", "RunSucceeded")
        await operator.user_creates(tick("n-3"))
        await operator.work()
        assert len(runs(operator)) == 2

    async def test_of_two_ticks_at_once_the_first_starts_a_run(self, operator: Operator) -> None:
        await operator.user_creates(workflow(), cron(), tick("n-2"), tick("n-1"))
        await operator.work()
        [run] = runs(operator).values()
        assert run["spec"]["trigger"]["cron"]["job"] == "n-1"
        assert condition(operator, "n-2") == ("Complete", "IdempotencyCollision")

    async def test_the_run_of_a_tick_is_found_by_a_new_operator(self, operator: Operator) -> None:
        operator.cluster.refusals["update Job"] = ApiError(500, "InternalError", "no")
        await operator.user_creates(workflow(), cron(), tick("n-1"))
        with pytest.raises(ApiError):
            await operator.work()
        [name] = runs(operator)
        other = restarted(operator)
        await other.work()
        assert [*runs(other)] == [name]
        await end_run(other, name)
        assert condition(other, "n-1") == ("Complete", "RunSucceeded")

    async def test_a_run_whose_tick_is_deleted_is_cancelled(self, operator: Operator) -> None:
        await operator.user_creates(workflow(), cron(), tick("n-1"))
        await operator.work()
        [name] = runs(operator)
        operator.cluster.remove(JOB.kind, "n-1")
        operator.sees_deletions()
        await operator.work()
        assert runs(operator)[name]["spec"]["desiredState"] == "Cancelled"

    async def test_a_tick_whose_name_another_creator_takes_is_tried_again(
        self, operator: Operator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        await operator.user_creates(workflow(), cron(), tick("n-1"))
        lists = operator.cluster.list

        async def and_then(*asked: object, **selectors: object) -> object:
            found = await lists(*asked, **selectors)  # pyright: ignore[reportArgumentType]
            operator.cluster.put(keyed_run())
            return found

        with monkeypatch.context() as patched:
            patched.setattr(operator.cluster, "list", and_then)
            with pytest.raises(RetryLater):
                await operator.work()
        await operator.reconciler.reconcile(Key("CronWorkflow", NAMESPACE, "nightly"))
        assert condition(operator, "n-1") == ("Complete", "IdempotencyCollision")

    async def test_a_cron_that_gives_no_key_says_why(self, operator: Operator) -> None:
        await operator.user_creates(workflow(), cron(input={}), tick("n-1"))
        await operator.work()
        assert runs(operator) == {}
        [found] = operator.cluster.objects(CRON_WORKFLOW.kind)
        [valid] = found["status"]["conditions"]
        words = "Workflow 'flow' spec.idempotency.keyExpression: 'input.id' failed"
        assert (valid["reason"], valid["message"].startswith(words)) == ("RunRefused", True)
