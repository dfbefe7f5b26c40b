"""Events start runs, each once, whatever comes late, is refused or ends the operator."""

from collections.abc import Awaitable, Callable

import pytest
from podhatch.api import labels
from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT_FILTER, WORKFLOW, WORKFLOW_EVENT, WORKFLOW_RUN, ApiError
from podhatch.core.event.start import Start
from podhatch.core.workflow.revision import current_revision
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import RetryLater

from tests.unit.operator.manifests import python
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator
from tests.unit.operator.operator_cluster import OperatorCluster

PAID = Key("WorkflowEvent", NAMESPACE, "paid-1")


class Killed(BaseException):
    """The operator's process ends here."""


def manifest(kind: str, name: str, **spec: object) -> JsonObject:
    metadata = {"name": name, "namespace": NAMESPACE}
    return {"apiVersion": labels.API_VERSION, "kind": kind, "metadata": metadata, "spec": spec}


def workflow(name: str = "flow", **spec: object) -> JsonObject:
    return manifest("Workflow", name, tasks=[python("a")], onEvents=["pa*"], **spec)


def paid(**spec: object) -> JsonObject:
    return manifest("WorkflowEvent", "paid-1", key="paid", payload={"n": 1}, **spec)


def event_filter(name: str, expression: str = "true", flow: str = "flow") -> JsonObject:
    return manifest("EventFilter", name, workflow=flow, expression=expression, scope="eu")


def runs(operator: Operator) -> list[str]:
    found = operator.cluster.objects(WORKFLOW_RUN.kind)
    return sorted(run["spec"]["workflow"] for run in found)


def status(operator: Operator) -> JsonObject:
    (event,) = operator.cluster.objects(WORKFLOW_EVENT.kind)
    return event.get("status", {})


async def test_a_run_starts_at_once_and_the_event_is_handled_after_its_grace(
    operator: Operator,
) -> None:
    await operator.user_creates(workflow(), paid())
    await operator.work()
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    assert run["spec"]["input"] == {"n": 1}
    assert len(operator.jobs()) == 1
    triggered = {"triggeredRuns": [{"run": run["metadata"]["name"], "workflow": "flow"}]}
    notes = {"answered": [{"workflow": "flow"}], "firstVersion": "2"}
    assert status(operator) == triggered | notes
    operator.timers.pass_time(5)
    await operator.work()
    assert status(operator) == triggered | {"handledAt": "2026-11-23T12:00:05.000000Z"}
    assert operator.cluster.order.count("update WorkflowEvent") == 2


async def test_a_workflow_that_comes_late_still_gets_its_run(operator: Operator) -> None:
    unseen = await operator.cluster.create_as_user(workflow())
    await operator.user_creates(paid())
    await operator.work()
    assert runs(operator) == []
    operator.see(unseen)
    await operator.work()
    assert runs(operator) == ["flow"]


async def test_a_filter_that_comes_late_still_prevents_a_run(operator: Operator) -> None:
    """Its watch says nothing at all here: it is asked for before a run starts without a filter."""
    await operator.cluster.create_as_user(event_filter("strict", "input.n == 2"))
    await operator.cluster.create_as_user(event_filter("of-other", flow="other"))
    await operator.user_creates(workflow(), workflow("other"), paid(scope="eu"))
    await operator.work()
    assert runs(operator) == ["other"]
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    assert run["spec"]["trigger"]["event"]["filterPayload"] == {}


async def test_a_filter_that_comes_late_still_gets_its_run(operator: Operator) -> None:
    await operator.user_creates(workflow(), event_filter("one"))
    late = await operator.cluster.create_as_user(event_filter("two"))
    await operator.user_creates(paid(scope="eu"))
    await operator.work()
    assert runs(operator) == ["flow"]
    operator.see(late)
    await operator.work()
    assert runs(operator) == ["flow", "flow"]


def validity(operator: Operator) -> tuple[str, str]:
    (found,) = operator.cluster.objects(EVENT_FILTER.kind)
    (condition,) = found["status"]["conditions"]
    return condition["status"], condition["reason"]


async def test_a_filter_says_whether_events_can_pass_it_as_soon_as_that_changes(
    operator: Operator,
) -> None:
    await operator.user_creates(event_filter("one"))
    await operator.work()
    assert validity(operator) == ("False", "WorkflowNotFound")
    await operator.user_creates(workflow())
    await operator.work()
    assert validity(operator) == ("True", "Checked")
    writes = operator.cluster.order.count("update EventFilter")
    await operator.reconciler.reconcile(Key("EventFilter", NAMESPACE, "one"))
    await operator.reconciler.reconcile(Key("EventFilter", NAMESPACE, "gone"))
    assert operator.cluster.order.count("update EventFilter") == writes == 2


async def test_a_handled_event_starts_nothing_more(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    await operator.work()
    operator.timers.pass_time(5)
    await operator.work()
    await operator.user_creates(workflow("other"))
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, run["metadata"]["name"])
    assert PAID not in await operator.work()
    await operator.reconciler.reconcile(PAID)
    assert runs(operator) == []


async def test_a_run_that_was_deleted_in_the_grace_is_not_made_again(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    await operator.work()
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    await operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, run["metadata"]["name"])
    operator.timers.pass_time(5)
    await operator.work()
    assert runs(operator) == []


async def test_a_workflow_that_is_not_valid_gets_its_run_which_waits(operator: Operator) -> None:
    await operator.user_creates(workflow(inputSchema={"type": 7}), paid())
    await operator.work()
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    assert run["status"]["conditions"][0]["reason"] == "WorkflowInvalid"


async def test_an_input_that_does_not_fit_fails_the_run(operator: Operator) -> None:
    await operator.user_creates(workflow(inputSchema={"required": ["x"]}), paid())
    await operator.work()
    (run,) = operator.cluster.objects(WORKFLOW_RUN.kind)
    assert run["status"]["phase"] == "Failed"


async def test_a_quota_is_told_and_the_run_is_made_when_it_is_free(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    operator.cluster.refusals["create WorkflowRun"] = ApiError(403, "Forbidden", "exceeded quota")
    for _ in range(2):
        operator.timers.pass_time(3)
        with pytest.raises(RetryLater, match="exceeded quota"):
            await operator.reconciler.reconcile(PAID)
    assert "exceeded quota" in status(operator)["message"]
    assert "handledAt" not in status(operator)
    operator.cluster.refusals.clear()
    await operator.reconciler.reconcile(PAID)
    assert runs(operator) == ["flow"]
    assert "message" not in status(operator)
    assert "handledAt" in status(operator)


async def test_an_event_with_a_refused_run_still_expires(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid(ttlSeconds=9))
    operator.cluster.refusals["create WorkflowRun"] = ApiError(403, "Forbidden", "exceeded quota")
    operator.timers.pass_time(9)
    await operator.reconciler.reconcile(PAID)
    assert operator.cluster.objects(WORKFLOW_EVENT.kind) == []


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (413, "Request entity too large: limit is 3145728"),
        (500, "etcdserver: request is too large"),
        (500, "trying to send message larger than max (2500000 vs. 2097152)"),
    ],
)
async def test_a_run_that_is_too_large_is_told(operator: Operator, code: int, words: str) -> None:
    await operator.user_creates(workflow(), paid())
    operator.cluster.refusals["create WorkflowRun"] = ApiError(code, "TooLarge", words)
    await operator.reconciler.reconcile(PAID)
    assert words in status(operator)["message"]
    operator.timers.pass_time(5)
    await operator.reconciler.reconcile(PAID)
    assert words in status(operator)["message"]
    assert "handledAt" in status(operator)


async def test_a_filter_that_kept_an_event_out_may_go(operator: Operator) -> None:
    await operator.user_creates(workflow(), event_filter("strict", "false"), paid(scope="eu"))
    await operator.work()
    await operator.cluster.delete(EVENT_FILTER, NAMESPACE, "strict")
    operator.intake.gone(EVENT_FILTER, (NAMESPACE, "strict"), 10_000)
    await live(operator)
    assert runs(operator) == []
    assert operator.cluster.order.count("update WorkflowEvent") == 2


async def reconcile_event(operator: Operator) -> None:
    """Reconcile the event alone, and once more when its filters have been evaluated."""
    for _ in range(2):
        await operator.reconciler.reconcile(PAID)


async def test_a_change_before_the_event_counts_although_it_is_seen_late(
    operator: Operator,
) -> None:
    refusing = {"expression": "false", "scope": "eu"}
    await operator.user_creates(workflow(defaultFilters=[refusing]), event_filter("one", "false"))
    passing = {**refusing, "expression": "true"}
    late = [
        await operator.cluster.merge_patch(kind, NAMESPACE, name, {"spec": spec})
        for kind, name, spec in (
            (WORKFLOW, "flow", {"defaultFilters": [passing]}),
            (EVENT_FILTER, "one", passing),
        )
    ]
    await operator.user_creates(paid(scope="eu"))
    await reconcile_event(operator)
    assert runs(operator) == []
    for made, raw in enumerate(late, 1):
        operator.see(raw)
        await reconcile_event(operator)
        assert runs(operator) == ["flow"] * made


async def test_a_workflow_whose_filter_changes_has_one_run(operator: Operator) -> None:
    declared = {"expression": "true", "scope": "eu"}
    await operator.user_creates(workflow(defaultFilters=[declared]), paid(scope="eu"))
    await operator.work()
    changed = {"spec": {"defaultFilters": [{**declared, "expression": "1 == 1"}]}}
    operator.see(await operator.cluster.merge_patch(WORKFLOW, NAMESPACE, "flow", changed))
    await live(operator)
    assert runs(operator) == ["flow"]


async def test_another_failure_is_raised(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    operator.cluster.refusals["create WorkflowRun"] = ApiError(500, "InternalError", "etcd")
    with pytest.raises(ApiError, match="etcd"):
        await operator.reconciler.reconcile(PAID)


class MortalCluster(OperatorCluster):
    """Ends the operator before or after one of its writes."""

    def __init__(self, writes_left: int = 0, *, after: bool = False) -> None:
        super().__init__()
        self.writes_left = writes_left
        self.after = after

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        return await self._mortal(super().create, manifest)

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        return await self._mortal(super().replace_status, manifest)

    async def _mortal(
        self, request: Callable[[JsonObject], Awaitable[JsonObject]], manifest: JsonObject
    ) -> JsonObject:
        self.writes_left -= 1
        if self.writes_left == 0 and not self.after:
            raise Killed
        answer = await request(manifest)
        if self.writes_left == 0:
            raise Killed
        return answer


async def live(operator: Operator) -> None:
    """Look at the event until its grace is over."""
    for _ in range(3):
        await operator.reconciler.reconcile(PAID)
        operator.timers.pass_time(3)


@pytest.mark.parametrize("write", range(1, 6))
@pytest.mark.parametrize("after", [False, True])
async def test_an_operator_that_dies_between_two_writes_doubles_and_loses_nothing(
    write: int, after: bool
) -> None:
    """Three runs, the status that names them, and the one that says that all is done."""
    operator = Operator(MortalCluster(write, after=after))
    await operator.user_creates(
        workflow(), workflow("other"), event_filter("one"), event_filter("two"), paid(scope="eu")
    )
    with pytest.raises(Killed):
        await live(operator)
    successor = Operator(operator.cluster, operator.timers)
    successor.clock_begins(operator)
    for kind in (WORKFLOW, EVENT_FILTER, WORKFLOW_EVENT, WORKFLOW_RUN):
        for raw in operator.cluster.objects(kind.kind):
            successor.see(raw)
    await live(successor)
    assert runs(successor) == ["flow", "flow", "other"]
    assert len(status(successor)["triggeredRuns"]) == 3
    assert status(successor)["handledAt"]


async def test_a_run_that_took_the_name_of_an_events_run_is_told(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    event = operator.cluster.objects(WORKFLOW_EVENT.kind)[0]
    start = Start(WorkflowEvent.model_validate(event), current_revision(workflow()))
    await operator.cluster.create_as_user(manifest("WorkflowRun", start.name, workflow="flow"))
    await operator.work()
    assert "exists that something else started: delete it" in status(operator)["message"]
    assert "triggeredRuns" not in status(operator)


async def test_a_run_that_the_event_has_started_already_is_noted(operator: Operator) -> None:
    await operator.user_creates(workflow(), paid())
    event = operator.cluster.objects(WORKFLOW_EVENT.kind)[0]
    start = Start(WorkflowEvent.model_validate(event), current_revision(workflow()))
    await operator.cluster.create_as_user(start.manifest)  # the answer did not arrive
    await operator.work()
    assert [each["run"] for each in status(operator)["triggeredRuns"]] == [start.name]
    assert "message" not in status(operator)
