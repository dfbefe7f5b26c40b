"""Idempotency keys: one run holds a key, and who asks for another is told which."""

import asyncio
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import (
    BulkTriggerIdempotencyCollisionError,
    Context,
    Hatchet,
    IdempotencyCollisionError,
    InvalidRun,
    NonDeterminismError,
    PodhatchError,
    RequestRefused,
    Standalone,
    StatusBasedIdempotencyConfig,
    TTLBasedIdempotencyConfig,
    WorkflowRunRef,
)
from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Kind
from podhatch.task import entered
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage

DONE: list[JsonObject] = [
    {"phase": "Succeeded", "tasks": [{"name": "charge", "state": "Succeeded", "output": "7"}]}
]
HOUR = timedelta(hours=1)
TTL = TTLBasedIdempotencyConfig("input.id", HOUR)
UNTIL_THE_END = StatusBasedIdempotencyConfig("input.id", HOUR)


class Order(BaseModel):
    id: str
    amount: int = 0


def task_with(hatchet: Hatchet, idempotency: Any, **options: Any) -> Standalone[Order, int]:
    @hatchet.task("charge", input_validator=Order, idempotency=idempotency, **options)
    def charge(input: Order, ctx: Context) -> int:
        return 7

    return charge


@pytest.fixture
def clock(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """The API server's time, as the only element."""
    times = [datetime(2030, 1, 1, tzinfo=UTC)]
    monkeypatch.setattr(stage.cluster, "timestamp", lambda: f"{times[0]:%Y-%m-%dT%H:%M:%SZ}")
    return times


class TestOneRun:
    def test_a_run_that_has_ended_holds_its_key_for_the_ttl(
        self, stage: Stage, hatchet: Hatchet, clock: list[datetime]
    ) -> None:
        charge = task_with(hatchet, TTL)
        stage.statuses = lambda _: DONE
        first = charge.run_no_wait(Order(id="a"))
        assert first.result() == 7
        assert stage.run["spec"]["idempotency"] == {"key": "a", "ttlSeconds": 3600}
        clock[0] += HOUR
        with pytest.raises(IdempotencyCollisionError) as caught:
            charge.run(Order(id="a"))
        assert caught.value.existing_run_external_id == first.workflow_run_id
        assert str(caught.value) == f"run {first.workflow_run_id} holds the idempotency key 'a'"
        clock[0] += timedelta(seconds=1)
        second = charge.run_no_wait(Order(id="a"))
        assert second.workflow_run_id != first.workflow_run_id
        assert len(stage.cluster.objects("WorkflowRun")) == 2

    def test_a_status_based_key_is_free_once_the_run_has_ended(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        names = {charge.run_no_wait(Order(id="a")).workflow_run_id}
        with pytest.raises(IdempotencyCollisionError):
            charge.run_no_wait(Order(id="a"))
        for _ in range(4):
            for run in stage.cluster.objects("WorkflowRun"):
                stage.cluster.change("WorkflowRun", run["metadata"]["name"], status=DONE[0])
            names.add(charge.run_no_wait(Order(id="a")).workflow_run_id)
            with pytest.raises(IdempotencyCollisionError):
                charge.run_no_wait(Order(id="a"))
        assert len(names) == 5

    def test_the_fallback_ttl_frees_the_key_of_a_run_that_does_not_end(
        self, stage: Stage, hatchet: Hatchet, clock: list[datetime]
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        charge.run_no_wait(Order(id="a"))
        clock[0] += HOUR + timedelta(seconds=1)
        charge.run_no_wait(Order(id="a"))
        assert len(stage.cluster.objects("WorkflowRun")) == 2

    def test_a_replayed_run_holds_its_key_again(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        stage.statuses = lambda _: DONE
        first = charge.run_no_wait(Order(id="a"))
        first.result()
        hatchet.runs.replay(first.workflow_run_id)
        with pytest.raises(IdempotencyCollisionError):
            charge.run_no_wait(Order(id="a"))

    def test_a_deleted_run_holds_no_key(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTL)
        first = charge.run_no_wait(Order(id="a"))
        stage.cluster.remove("WorkflowRun", first.workflow_run_id)
        charge.run_no_wait(Order(id="a"))

    @pytest.mark.parametrize("key", ["a,b", "a=b", "a\\b", "a in (b)", " a ", "ä\n,=\\", "x" * 256])
    def test_any_text_can_be_a_key(self, stage: Stage, hatchet: Hatchet, key: str) -> None:
        charge = task_with(hatchet, TTL)
        charge.run_no_wait(Order(id=key))
        with pytest.raises(IdempotencyCollisionError) as caught:
            charge.run_no_wait(Order(id=key))
        assert caught.value.key == key
        charge.run_no_wait(Order(id="other"))

    def test_the_same_key_of_another_workflow_is_another_key(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        task_with(hatchet, TTL).run_no_wait(Order(id="a"))

        @hatchet.task("ship", input_validator=Order, idempotency=TTL)
        def ship(input: Order, ctx: Context) -> None: ...

        ship.run_no_wait(Order(id="a"))
        assert len(stage.cluster.objects("WorkflowRun")) == 2

    def test_the_key_may_come_from_the_metadata(self, stage: Stage, hatchet: Hatchet) -> None:
        config = TTLBasedIdempotencyConfig("additional_metadata.team + input.id", "1h")
        metadata = {"team": "shop-"}
        task_with(hatchet, config, default_additional_metadata=metadata).run_no_wait({"id": "a"})
        assert stage.run["spec"]["idempotency"]["key"] == "shop-a"

    def test_the_error_refers_to_the_run(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTL)
        stage.statuses = lambda _: DONE
        charge.run(Order(id="a"))
        with pytest.raises(IdempotencyCollisionError) as caught:
            charge.run(Order(id="a"))
        assert isinstance(caught.value.ref, WorkflowRunRef)
        assert caught.value.ref.result() == {"charge": 7}

    async def test_the_async_twin_is_told_the_same(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTL)
        first = await charge.aio_run_no_wait(Order(id="a"))
        with pytest.raises(IdempotencyCollisionError) as caught:
            await charge.aio_run(Order(id="a"))
        assert caught.value.existing_run_external_id == first.workflow_run_id
        assert caught.value.ref.workflow_run_id == first.workflow_run_id

    async def test_of_many_creators_at_once_one_gets_the_key(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        calls = [charge.aio_run_no_wait(Order(id="a")) for _ in range(20)]
        ends = await asyncio.gather(*calls, return_exceptions=True)
        assert sum(isinstance(each, IdempotencyCollisionError) for each in ends) == 19
        assert len(stage.cluster.objects("WorkflowRun")) == 1

    def test_a_schedule_holds_its_key_before_it_starts(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        later = datetime.now(UTC) + HOUR
        version = charge.schedule(later, Order(id="a"))
        with pytest.raises(IdempotencyCollisionError) as caught:
            charge.run(Order(id="a"))
        assert caught.value.existing_run_external_id == version.scheduled_workflows[0].id
        with pytest.raises(IdempotencyCollisionError) as caught:
            charge.schedule(later, Order(id="a"))
        assert caught.value.ref.workflow_run_id == version.scheduled_workflows[0].id

    def test_a_run_that_has_the_name_and_not_the_key_is_named(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, TTL)
        name = charge.run_no_wait(Order(id="a")).workflow_run_id
        stored = stage.run
        stage.cluster.remove("WorkflowRun", name)
        del stored["spec"]["idempotency"]
        stage.cluster.put(stored)
        with pytest.raises(RequestRefused, match=f"'{name}' exists and does not have the idem"):
            charge.run_no_wait(Order(id="a"))


class TestManyRuns:
    def test_the_other_runs_are_created(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTL)
        old = charge.run_no_wait(Order(id="b"))
        items = [charge.create_bulk_run_item(Order(id=each)) for each in "abcad"]
        with pytest.raises(BulkTriggerIdempotencyCollisionError) as caught:
            charge.run_many(items)
        made = caught.value.successful_workflow_run_external_ids
        keys = [
            each["spec"]["idempotency"]["key"]
            for name in made
            for each in stage.cluster.objects("WorkflowRun")
            if each["metadata"]["name"] == name
        ]
        assert sorted(keys) == ["a", "c", "d"]
        assert {each.key for each in caught.value.collisions} == {"a", "b"}
        existing = {each.existing_run_external_id for each in caught.value.collisions}
        assert old.workflow_run_id in existing
        assert {each.ref.workflow_run_id for each in caught.value.collisions} == existing
        assert str(caught.value).startswith("2 of 5 runs were not created, since other runs hold")

    async def test_the_twins_without_waiting_raise_the_same(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, TTL)
        items = [charge.create_bulk_run_item(Order(id="a")) for _ in range(3)]
        with pytest.raises(BulkTriggerIdempotencyCollisionError) as caught:
            await charge.aio_run_many_no_wait(items)
        assert len(caught.value.successful_workflow_run_external_ids) == 1
        assert len(caught.value.collisions) == 2
        with pytest.raises(BulkTriggerIdempotencyCollisionError):
            await asyncio.to_thread(charge.run_many_no_wait, items)

    def test_errors_can_stand_in_the_place_of_results(self, stage: Stage, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTL)
        stage.statuses = lambda _: DONE
        charge.run(Order(id="a"))
        items = [charge.create_bulk_run_item(Order(id=each)) for each in "ab"]
        collision, result = charge.run_many(items, return_exceptions=True)
        assert isinstance(collision, IdempotencyCollisionError)
        assert collision.ref.result() == {"charge": 7}
        assert result == 7


def refusal(call: Callable[[], object], error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as caught:
        call()
    return str(caught.value)


class TestDefinition:
    def test_the_workflow_says_what_gives_the_key(self, stage: Stage, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders", input_validator=Order, idempotency=TTL)

        @orders.task()
        def charge(input: Order, ctx: Context) -> None: ...

        orders.run_no_wait({"id": "a"})
        assert stage.workflow["spec"]["idempotency"] == {
            "keyExpression": "input.id",
            "ttlSeconds": 3600,
        }

    def test_a_time_is_rounded_up_to_seconds(self, stage: Stage, hatchet: Hatchet) -> None:
        task_with(hatchet, StatusBasedIdempotencyConfig("input.id", "1500ms")).run_no_wait(
            {"id": "a"}
        )
        rule = {"keyExpression": "input.id", "fallbackTtlSeconds": 2}
        assert stage.workflow["spec"]["idempotency"] == rule

    @pytest.mark.parametrize(
        ("config", "words"),
        [
            ("input.id", ": expected a TTLBasedIdempotencyConfig or StatusBasedIdempotencyConfig"),
            (
                TTLBasedIdempotencyConfig("", HOUR),
                ".key_expression: expected an expression, got ''",
            ),
            (TTLBasedIdempotencyConfig("input.id", timedelta()), ".ttl: "),
            (StatusBasedIdempotencyConfig("input.id", "1 hour"), ".fallback_ttl: expected a timed"),
        ],
    )
    def test_what_is_not_valid_is_refused(self, hatchet: Hatchet, config: Any, words: str) -> None:
        text = refusal(lambda: hatchet.workflow("orders", idempotency=config))
        assert text.startswith(f"workflow 'orders': idempotency{words}")

    def test_an_expression_that_is_not_cel_is_refused(self, hatchet: Hatchet) -> None:
        charge = task_with(hatchet, TTLBasedIdempotencyConfig("input.id +", HOUR), image="shop:1")
        text = refusal(charge.to_yaml)
        assert text.startswith("workflow 'charge': idempotency.key_expression: 'input.id +' is not")

    @pytest.mark.parametrize(
        ("expression", "words"),
        [
            ("input.order", "'input.order' failed: Key not found in map"),
            (
                "input.amount",
                "'input.amount' gives 0, which is not a string: convert it with string(...)",
            ),
            (
                "input.id + input.id",
                "gives a string of 400 characters, and at most 256 are allowed",
            ),
            ("''", "gives an empty string"),
        ],
    )
    def test_an_expression_that_gives_no_key_is_named(
        self, stage: Stage, hatchet: Hatchet, expression: str, words: str
    ) -> None:
        charge = task_with(hatchet, TTLBasedIdempotencyConfig(expression, HOUR))
        text = refusal(lambda: charge.run(Order(id="x" * 200)), InvalidRun)
        assert text.startswith(f"workflow 'charge': idempotency.key_expression: {expression!r} ")
        assert words in text
        assert stage.cluster.objects("WorkflowRun") == []

    def test_a_key_needs_the_library_that_evaluates_it(
        self, stage: Stage, hatchet: Hatchet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("podhatch.evaluation.client._LIBRARIES", ["not_installed"])
        charge = task_with(hatchet, TTL)
        text = refusal(lambda: charge.run(Order(id="a")), PodhatchError)
        assert "pip install 'podhatch[local]'" in text


class TestStubs:
    @pytest.fixture
    def published(self, stage: Stage) -> None:
        spec: JsonObject = {
            "tasks": [{"name": "charge", "container": {"image": "charge:1"}}],
            "idempotency": {
                "keyExpression": "additional_metadata.team + input.id",
                "ttlSeconds": 60,
            },
            "defaultAdditionalMetadata": {"team": "shop-"},
        }
        manifest: JsonObject = {"apiVersion": API_VERSION, "kind": "Workflow", "spec": spec}
        stage.cluster.put({**manifest, "metadata": {"name": "charge"}})

    @pytest.mark.usefixtures("published")
    def test_the_workflow_in_the_cluster_gives_the_key(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = hatchet.stubs.workflow(name="charge")
        charge.run_no_wait({"id": "a"})
        assert stage.run["spec"]["idempotency"] == {"key": "shop-a", "ttlSeconds": 60}
        refusal(lambda: charge.run({"id": "a"}), IdempotencyCollisionError)
        charge.run_no_wait({"id": "a"}, additional_metadata={"team": "other-"})

    @pytest.mark.usefixtures("published")
    def test_runs_and_schedules_that_are_created_by_name_have_keys(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        created = hatchet.runs.create("charge", {"id": "a"})
        assert created.run.idempotency_key == "shop-a"
        with pytest.raises(IdempotencyCollisionError) as caught:
            hatchet.scheduled.create("charge", datetime.now(UTC) + HOUR, {"id": "a"})
        assert caught.value.ref.workflow_run_id == created.run.metadata.id

    def test_a_workflow_that_may_not_be_read_gives_no_key(
        self, stage: Stage, hatchet: Hatchet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        allowed = stage.cluster.requested

        def requested(verb: str, kind: Kind, *, dry_run: bool = False) -> None:
            if (verb, kind.kind) == ("get", "Workflow"):
                raise ApiError(403, "Forbidden", "not yours")
            allowed(verb, kind, dry_run=dry_run)

        monkeypatch.setattr(stage.cluster, "requested", requested)
        hatchet.stubs.workflow(name="charge").run_no_wait({"id": "a"})
        assert "idempotency" not in stage.run["spec"]


def attempt(number: int = 1, run: str = "orders-1") -> Context:
    return Context(
        workflow_run_id=run,
        run_uid=f"uid-of-{run}",
        task_run_id=f"{run}-pay-abc-{number}",
        workflow_name="orders",
        task_name="pay",
        attempt_number=number,
    )


class TestChildren:
    def test_two_parents_do_not_both_start_a_run_of_a_key(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        with entered(attempt(run="orders-1")):
            first = charge.run_no_wait(Order(id="a"))
        with entered(attempt(run="orders-2")), pytest.raises(IdempotencyCollisionError) as caught:
            charge.run_no_wait(Order(id="a"))
        assert caught.value.existing_run_external_id == first.workflow_run_id
        assert stage.run["metadata"]["ownerReferences"][0]["name"] == "orders-1"

    @pytest.mark.parametrize("has_ended", [False, True])
    def test_a_later_attempt_gets_its_child_again(
        self, stage: Stage, hatchet: Hatchet, has_ended: bool
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        stage.statuses = lambda _: DONE if has_ended else []
        with entered(attempt(1)):
            first = charge.run_no_wait(Order(id="a"))
            if has_ended:
                first.result()
        with entered(attempt(2)):
            assert charge.run_no_wait(Order(id="a")).workflow_run_id == first.workflow_run_id
        assert len(stage.cluster.objects("WorkflowRun")) == 1

    def test_a_later_attempt_cannot_ask_for_another_key(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        with entered(attempt(1)):
            charge.run_no_wait(Order(id="a"))
        with entered(attempt(2)), pytest.raises(NonDeterminismError, match="has another input"):
            charge.run_no_wait(Order(id="b"))

    def test_a_task_of_another_run_of_the_same_name_gets_no_child_of_it(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        charge = task_with(hatchet, UNTIL_THE_END)
        with entered(attempt(1)):
            charge.run_no_wait(Order(id="a"))
        again = attempt(1)
        again.task_run_id = "orders-1-pay-xyz-1"
        with entered(again), pytest.raises(IdempotencyCollisionError):
            charge.run_no_wait(Order(id="a"))


def test_definitions_do_not_load_what_keys_need() -> None:
    """The options are plain values, which a task's pod imports."""
    module = sys.modules[TTLBasedIdempotencyConfig.__module__]
    assert "pydantic" not in vars(module)
