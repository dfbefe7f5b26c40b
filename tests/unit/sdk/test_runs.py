"""From `run()` to its result, against the fake cluster: requests, outputs, failures, waiting."""

import asyncio
from dataclasses import dataclass
from typing import Any

import pytest
from podhatch import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Hatchet,
    IllegalTaskOutputError,
    InvalidRun,
    NotInstalled,
    RequestRefused,
    RunCancelled,
    Standalone,
    TriggerWorkflowOptions,
    Workflow,
)
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.cluster import ApiError
from podhatch.definitions.manifest import source as source_tree
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage


class Order(BaseModel):
    id: int


@dataclass
class Receipt:
    paid: float


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Order]:
    orders = hatchet.workflow(name="Orders", input_validator=Order)

    @orders.task()
    def charge(input: Order, ctx: Context) -> Receipt:
        return Receipt(paid=1.5)

    @orders.task(parents=[charge])
    def ship(input: Order, ctx: Context) -> None: ...

    return orders


@pytest.fixture
def charge(hatchet: Hatchet) -> Standalone[Order, Receipt]:
    @hatchet.task(input_validator=Order)
    async def charge(input: Order, ctx: Context) -> Receipt:
        return Receipt(paid=1.5)

    return charge


def task(name: str, state: str = "Succeeded", **more: Any) -> JsonObject:
    return {"name": name, "state": state, **more}


def ends(stage: Stage, phase: str, *tasks: JsonObject, **more: Any) -> None:
    stage.statuses = lambda _: [{"phase": phase, "tasks": list(tasks), **more}]


def test_a_workflow_returns_outputs_as_json_by_task(stage: Stage, orders: Workflow[Order]) -> None:
    stage.outputs(charge='{"paid": 1.5}', ship=None)
    assert orders.run(Order(id=7)) == {"charge": {"paid": 1.5}, "ship": None}


async def test_the_async_method_returns_the_same(stage: Stage, orders: Workflow[Order]) -> None:
    stage.outputs(charge='{"paid": 1.5}', ship=None)
    assert await orders.aio_run(Order(id=7)) == {"charge": {"paid": 1.5}, "ship": None}


async def test_a_standalone_returns_its_declared_type(
    stage: Stage, charge: Standalone[Order, Receipt]
) -> None:
    stage.outputs(charge='{"paid": 1.5}')
    assert charge.run(Order(id=7)) == Receipt(paid=1.5)
    assert await charge.aio_run(Order(id=7)) == Receipt(paid=1.5)


def test_an_output_that_is_not_as_declared_is_an_error(
    stage: Stage, charge: Standalone[Order, Receipt]
) -> None:
    stage.outputs(charge='{"paid": "much"}')
    words = "run .*: the output is not what task charge declares to return: paid: Input should be"
    with pytest.raises(IllegalTaskOutputError, match=words):
        charge.run(Order(id=7))


def test_a_run_holds_input_metadata_and_generation(stage: Stage, orders: Workflow[Order]) -> None:
    options = TriggerWorkflowOptions(additional_metadata={"by": "options", "for": "Ada"})
    reference = orders.run_no_wait({"id": "7"}, options, additional_metadata={"by": "keyword"})
    run = stage.run
    assert run["spec"] == {
        "workflow": stage.workflow["metadata"]["name"],
        "input": {"id": 7},
        "additionalMetadata": {"by": "keyword", "for": "Ada"},
    }
    assert run["metadata"]["namespace"] == "default"
    annotations = run["metadata"]["annotations"]
    assert annotations.pop("podhatch.dev/sequence").isdecimal()
    assert annotations == {"podhatch.dev/workflow-generation": "1"}
    assert str(reference) == reference.workflow_run_id == run["metadata"]["name"]
    assert reference.workflow_run_id.startswith("orders-")


def test_the_users_namespace_and_kubeconfig_count(stage: Stage) -> None:
    stage.cluster.namespaces = {"shop"}
    hatchet = Hatchet("shop", kubeconfig="/k", context="test")

    @hatchet.task()
    def hello(input: EmptyModel, ctx: Context) -> None: ...

    hello.run_no_wait()
    assert stage.connects == [{"kubeconfig": "/k", "context": "test"}]
    assert stage.run["metadata"]["namespace"] == "shop"


class TestRequests:
    def test_the_first_run_applies_and_later_ones_only_create(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        orders.run_no_wait(Order(id=1))
        assert stage.cluster.requests == {
            "get Workflow": 1,
            "create Workflow": 1,
            "create WorkflowRun": 1,
        }
        stage.cluster.requests.clear()
        orders.run_no_wait(Order(id=2))
        assert stage.cluster.requests == {"create WorkflowRun": 1}

    def test_another_process_does_not_apply_what_did_not_change(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        orders.run_no_wait(Order(id=1))
        background_loop.shut_down()  # what a process remembers ends with its loop
        stage.cluster.requests.clear()
        orders.run_no_wait(Order(id=2))
        assert stage.cluster.requests == {"get Workflow": 1, "create WorkflowRun": 1}

    def test_a_changed_workflow_is_applied_again(self, stage: Stage, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders")

        @orders.task()
        def charge(input: EmptyModel, ctx: Context) -> None: ...

        orders.run_no_wait()

        @orders.task()
        def ship(input: EmptyModel, ctx: Context) -> None: ...

        orders.run_no_wait()
        assert stage.cluster.requests["create Workflow"] == 1
        assert stage.cluster.requests["update Workflow"] == 1
        generations = [
            run["metadata"]["annotations"]["podhatch.dev/workflow-generation"]
            for run in stage.cluster.objects("WorkflowRun")
        ]
        assert generations == ["1", "2"]

    async def test_what_others_wrote_of_a_workflow_is_replaced(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        """A half of theirs and a half of ours would be a workflow that nobody has written."""
        metadata = {"name": orders.manifest().name, "namespace": stage.cluster.namespace}
        theirs: JsonObject = {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "Workflow",
            "metadata": {**metadata, "labels": {"team": "a"}},
            "spec": {"tasks": [{"name": "old", "python": "m:f"}], "onEvents": ["paid"]},
        }
        await stage.cluster.create(theirs)
        await orders.aio_run_no_wait(Order(id=1))
        [stored] = stage.cluster.objects("Workflow")
        assert stored["metadata"]["labels"]["team"] == "a"
        assert [task["name"] for task in stored["spec"]["tasks"]] == ["charge", "ship"]
        assert "onEvents" not in stored["spec"]

    @pytest.mark.parametrize(("manager", "kept"), [("podhatch-worker", True), ("kubectl", False)])
    async def test_a_workers_lifespan_stays(
        self, stage: Stage, orders: Workflow[Order], manager: str, kept: bool
    ) -> None:
        fields: JsonObject = {"f:spec": {"f:lifespan": {}}}
        entries: list[JsonObject] = [{"manager": "x"}, {"manager": manager, "fieldsV1": fields}]
        metadata: JsonObject = {
            "name": orders.manifest().name,
            "namespace": stage.cluster.namespace,
            "managedFields": entries,
        }
        spec = {"tasks": [{"name": "old", "python": "m:f"}], "lifespan": "app:lifespan"}
        manifest = orders.manifest().workflow
        await stage.cluster.create({**manifest, "metadata": metadata, "spec": spec})
        await orders.aio_run_no_wait(Order(id=1))
        [stored] = stage.cluster.objects("Workflow")
        assert [task["name"] for task in stored["spec"]["tasks"]] == ["charge", "ship"]
        assert ("lifespan" in stored["spec"]) is kept

    async def test_a_pause_stays_when_a_changed_workflow_is_published(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        orders = hatchet.workflow("orders")

        @orders.task()
        def charge(input: EmptyModel, ctx: Context) -> None: ...

        await orders.aio_run_no_wait()
        await orders.aio_pause(paused_workflow_cron_run_queue_behavior="DROP")

        @orders.task()
        def ship(input: EmptyModel, ctx: Context) -> None: ...

        await orders.aio_run_no_wait()
        spec = stage.workflow["spec"]
        assert [task["name"] for task in spec["tasks"]] == ["charge", "ship"]
        assert spec["paused"] is True
        assert spec["pausePolicy"]["cronRuns"] == "Drop"
        await orders.aio_unpause()
        assert stage.workflow["spec"]["paused"] is False

    def test_a_run_after_a_pause_waits_for_an_operator_that_has_seen_the_pause(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        orders.run_no_wait(Order(id=1))
        orders.pause(queue_ttl="90m")
        paused = stage.workflow["metadata"]["generation"]
        assert paused == 2
        orders.run_no_wait(Order(id=2))
        annotations = [
            run["metadata"]["annotations"]["podhatch.dev/workflow-generation"]
            for run in stage.cluster.objects("WorkflowRun")
        ]
        assert annotations == ["1", "2"]
        assert stage.workflow["spec"]["pausePolicy"] == {
            "queueTtlSeconds": 5400,
            "cronRuns": "Queue",
            "scheduledRuns": "Queue",
        }

    @pytest.mark.parametrize("reason", ["AlreadyExists", "Conflict"])
    async def test_a_workflow_that_others_write_too_is_written_all_the_same(
        self,
        stage: Stage,
        orders: Workflow[Order],
        monkeypatch: pytest.MonkeyPatch,
        reason: str,
    ) -> None:
        tries: list[int] = []
        create = stage.cluster.create

        async def rival(manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
            if manifest["kind"] == "Workflow":
                tries.append(1)
                if len(tries) < 4:
                    raise ApiError(409, reason, "somebody was faster")
            return await create(manifest, dry_run=dry_run)

        monkeypatch.setattr(stage.cluster, "create", rival)
        await orders.aio_run_no_wait(Order(id=1))
        assert len(tries) == 4

    async def test_runs_at_the_same_time_publish_once(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        stage.outputs(charge="1", ship="2")
        results = await asyncio.gather(*(orders.aio_run(Order(id=n)) for n in range(5)))
        assert results == [{"charge": 1, "ship": 2}] * 5
        assert stage.cluster.requests["create Workflow"] == 1
        assert len(stage.connects) == 1

    def test_a_source_is_shipped_once(
        self, stage: Stage, orders: Workflow[Order], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("PODHATCH_IMAGE")
        monkeypatch.setattr(source_tree, "MAX_SOURCE_BYTES", 4 * 2**20)  # it is this repository
        orders.run_no_wait(Order(id=1))
        [source] = stage.cluster.objects("ConfigMap")
        assert stage.workflow["spec"]["source"] == {"configMap": source["metadata"]["name"]}
        background_loop.shut_down()
        orders.run_no_wait(Order(id=2))
        assert stage.cluster.requests["create ConfigMap"] == 2
        assert len(stage.cluster.objects("ConfigMap")) == 1

    def test_a_large_output_comes_from_its_task_result(
        self, stage: Stage, charge: Standalone[Order, Receipt]
    ) -> None:
        async def report(run: JsonObject) -> None:
            result: JsonObject = {
                "apiVersion": "podhatch.dev/v1alpha1",
                "kind": "TaskResult",
                "metadata": {"name": "tres-1", "namespace": "default"},
                "spec": {
                    "run": run["metadata"]["name"],
                    "task": "charge",
                    "attempt": 1,
                    "outcome": "Succeeded",
                    "output": '{"paid": 2.5}',
                },
            }
            await stage.cluster.create(result)
            await stage.operate(run)

        ends(stage, "Succeeded", task("charge", outputRef="tres-1"))
        stage.cluster.on_create = report
        assert charge.run(Order(id=7)) == Receipt(paid=2.5)


class TestNothingIsCreated:
    def refused(self, stage: Stage, orders: Workflow[Order], input: Any, **options: Any) -> str:
        with pytest.raises(InvalidRun) as refusal:
            orders.run(input, **options)
        assert not stage.connects
        return str(refusal.value)

    def test_nothing_is_created_when_the_input_does_not_fit(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        message = self.refused(stage, orders, {"id": "seven"})
        assert "input of workflow 'Orders'" in message
        assert "id: Input should be a valid integer" in message

    def test_nothing_is_created_when_the_input_is_of_another_model(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        class Other(BaseModel):
            id: int

        assert "instance of Order" in self.refused(stage, orders, Other(id=7))

    def test_nothing_is_created_when_the_input_is_missing(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        assert "id: Field required" in self.refused(stage, orders, None)

    def test_nothing_is_created_when_metadata_is_not_json(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        message = self.refused(stage, orders, Order(id=7), additional_metadata={"by": {7}})
        assert "additional_metadata['by']: {7} is neither a text nor JSON" in message


class TestFailure:
    def test_the_exception_group_holds_an_error_for_each_failed_task(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        trace = 'Traceback (most recent call last):\n  File "orders.py"\nValueError: no card\n'
        error = {"type": "ValueError", "message": "no card", "traceback": trace}
        ends(
            stage,
            "Failed",
            task("charge", "Failed", job="job-1", error=error),
            task("pull", "Failed", reason="ImagePull", message="shop:1 cannot be pulled"),
            task("ship", "Cancelled"),
        )
        with pytest.raises(FailedTaskRunExceptionGroup) as failure:
            orders.run(Order(id=7))
        assert failure.value.message == f"Workflow run {stage.run['metadata']['name']} failed."
        whole = "task charge: ValueError: no card; task pull: ImagePull: shop:1 cannot be pulled"
        assert str(failure.value) == f"{failure.value.message} {whole}"
        charge, pull = failure.value.exceptions
        assert (charge.task, charge.exc_type, charge.exc) == ("charge", "ValueError", "no card")
        assert (charge.trace, charge.task_run_external_id) == (trace, "job-1")
        assert str(charge) == f"task charge: ValueError: no card\n{trace.rstrip()}"
        assert str(pull) == "task pull: ImagePull: shop:1 cannot be pulled"

    def test_a_run_that_was_not_accepted_is_an_error(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        refused = {
            "type": "Accepted",
            "status": "False",
            "reason": "InputInvalid",
            "message": "spec.input.id: 'x' is not of type 'integer'",
            "lastTransitionTime": "2026-01-01T00:00:00Z",
        }
        ends(stage, "Failed", conditions=[refused])
        with pytest.raises(InvalidRun, match=r"^WorkflowRun 'orders-.*InputInvalid: spec.input.id"):
            orders.run(Order(id=7))

    async def test_a_cancelled_run_says_why(self, stage: Stage, orders: Workflow[Order]) -> None:
        ends(stage, "Cancelled", task("charge", "Cancelled", message="no node has gpu=yes"))
        with pytest.raises(RunCancelled, match="charge: no node has gpu=yes") as sync:
            orders.run_no_wait(Order(id=7)).result()
        assert sync.value.workflow_run_id == stage.run["metadata"]["name"]
        with pytest.raises(RunCancelled, match="charge: no node has gpu=yes"):
            await orders.aio_run(Order(id=7))

    def test_a_cluster_without_podhatch_is_named(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        stage.cluster.installed = False
        with pytest.raises(NotInstalled, match="podhatch is not installed in this cluster"):
            orders.run(Order(id=7))
        assert not stage.cluster.objects("ConfigMap")

    def test_a_missing_namespace_is_named(self, stage: Stage, orders: Workflow[Order]) -> None:
        stage.cluster.namespaces = {"shop"}
        with pytest.raises(RequestRefused, match="no such namespace; create it, or name another"):
            orders.run(Order(id=7))

    def test_a_traceback_shows_the_callers_line_and_not_ours(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        ends(stage, "Cancelled")
        with pytest.raises(RunCancelled) as failure:
            orders.run(Order(id=7))
        frames = [entry.path for entry in failure.traceback]
        assert str(frames[0]) == __file__
        assert not any("outcome" in str(frame) for frame in frames)
