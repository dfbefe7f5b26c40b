"""Options of workflows that let runs start, schedules, crons, stubs, and what is published."""

import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from podhatch import (
    ClientConfig,
    Context,
    DefaultFilter,
    EmptyModel,
    Hatchet,
    IllegalTaskOutputError,
    InvalidRun,
    Priority,
    RequestRefused,
    TaskDefaults,
    Workflow,
)
from podhatch.api.labels import WORKFLOW_GENERATION
from pydantic import BaseModel

from tests.unit.sdk.conftest import Stage


class Order(BaseModel):
    id: int


LATER = datetime.now(UTC) + timedelta(hours=1)


def work(input: Any, ctx: Context) -> None: ...


def spec_of(workflow: Workflow[Any]) -> dict[str, Any]:
    return yaml.safe_load(workflow.to_yaml())["spec"]


def refusal(define: Callable[[], object], error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as refused:
        define()
    return str(refused.value)


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Order]:
    orders = hatchet.workflow(
        "orders",
        input_validator=Order,
        image="shop:1",
        default_additional_metadata={"team": "shop", "by": "default"},
        default_priority=Priority.MEDIUM,
    )
    orders.task("charge")(work)
    return orders


class TestDefinition:
    def test_the_triggers_of_a_workflow_are_written_out(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow(
            "orders",
            input_validator=Order,
            image="shop:1",
            on_events=["order:*", "paid", "paid"],
            on_crons=["0  9 * * MON", "@Daily"],
            cron_input=Order(id=7),
            default_filters=[DefaultFilter("input.id > payload.low", "eu", {"low": 3})],
            default_additional_metadata={"team": "shop"},
            default_priority=Priority.HIGH,
        )
        orders.task("charge")(work)
        spec = spec_of(orders)
        assert spec["onEvents"] == ["order:*", "paid"]
        assert spec["onCrons"] == ["0 9 * * MON", "@daily"]
        assert spec["cronInput"] == {"id": 7}
        assert spec["defaultFilters"] == [
            {"expression": "input.id > payload.low", "scope": "eu", "payload": {"low": 3}}
        ]
        assert spec["defaultAdditionalMetadata"] == {"team": "shop"}
        assert spec["defaultPriority"] == 3

    def test_a_standalone_has_the_triggers_of_its_workflow(self, hatchet: Hatchet) -> None:
        alone = hatchet.task("alone", image="shop:1", on_events=["paid"], default_priority=1)(work)
        assert spec_of(alone.workflow)["onEvents"] == ["paid"]
        assert spec_of(alone.workflow)["defaultPriority"] == 1

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("on_crons", ["0 0 9 * * *"], "on_crons[0]: '0 0 9 * * *' is not a cron expr"),
            ("on_crons", ["@daily", "0 25 * * *"], "on_crons[1]: '0 25 * * *' is not"),
            ("on_crons", "@daily", "on_crons: expected a list, got '@daily'"),
            ("on_events", "paid", "on_events: expected a list, got 'paid'"),
            ("on_events", ["paid", ""], "on_events[1]: expected an event key, got ''"),
            ("default_priority", 4, "default_priority: expected a priority from 1"),
            (
                "default_filters",
                ["true"],
                "default_filters[0]: expected a DefaultFilter, got 'true'",
            ),
            ("default_filters", [DefaultFilter("", "eu")], "default_filters[0].expression: it is"),
            ("default_filters", [DefaultFilter("true", "")], "default_filters[0].scope: it is"),
            ("default_additional_metadata", {"n": {1}}, "default_additional_metadata['n']: {1} is"),
        ],
    )
    def test_what_cannot_be_is_refused(
        self, hatchet: Hatchet, option: str, value: object, words: str
    ) -> None:
        options: Any = {option: value}
        message = refusal(lambda: hatchet.workflow("orders", **options))
        assert message.startswith(f"workflow 'orders': {words}")

    @pytest.mark.parametrize("option", ["rate_limits"])
    def test_an_option_that_is_not_implemented_is_refused(
        self, hatchet: Hatchet, option: str
    ) -> None:
        options: Any = {option: None}
        assert "there is no option" in refusal(lambda: hatchet.workflow("o", **options), TypeError)

    def test_the_input_of_crons_must_fit(self, hatchet: Hatchet) -> None:
        def define(**options: Any) -> Workflow[Any]:
            orders = hatchet.workflow(
                "orders", input_validator=Order, image="shop:1", on_crons=["@daily"], **options
            )
            orders.task("charge")(work)
            return orders

        assert "workflow 'orders': cron_input: " in refusal(define(cron_input={"id": "x"}).to_yaml)
        assert "id: Field required" in refusal(define().to_yaml)

    def test_a_default_filter_must_be_cel(self, hatchet: Hatchet) -> None:
        filters = [DefaultFilter("event_key == payload.x", "eu"), DefaultFilter("input.n >", "eu")]
        orders = hatchet.workflow("orders", image="shop:1", default_filters=filters)
        orders.task("charge")(work)
        message = refusal(orders.to_yaml)
        assert message.startswith("workflow 'orders': default_filters[1].expression: 'input.n >'")

    def test_slots_and_a_default_priority_mean_nothing(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders", image="i", task_defaults=TaskDefaults(priority=3))
        orders.task("charge", slot_cost=2)(work)
        assert spec_of(orders)["tasks"] == [
            {"name": "charge", "python": spec_of(orders)["tasks"][0]["python"]}
        ]
        message = refusal(lambda: orders.task("ship", slot_cost=0)(work))
        assert message.startswith("workflow 'orders', task 'ship': slot_cost: expected a whole")


class TestAddTask:
    def test_add_task_copies_a_standalone(self, hatchet: Hatchet) -> None:
        alone = hatchet.task("alone", retries=3, image="shop:2", execution_timeout="5s")(work)
        orders = hatchet.workflow("orders", image="shop:1")
        copied = orders.add_task(alone)
        orders.task("after", parents=[copied])(work)
        [task, _] = spec_of(orders)["tasks"]
        assert (task["name"], task["retries"], task["image"]) == ("alone", 3, "shop:2")
        assert task["executionTimeoutSeconds"] == 5
        assert alone.task.workflow is alone.workflow

    def test_add_task_is_refused_twice_and_of_a_stub(self, hatchet: Hatchet) -> None:
        alone = hatchet.task("alone")(work)
        orders = hatchet.workflow("orders")
        orders.add_task(alone)
        assert "a task of this name already" in refusal(lambda: orders.add_task(alone))
        task: Any = hatchet.workflow("other").task("a")(work)
        message = refusal(lambda: orders.add_task(task), TypeError)
        assert "expected a task made by @hatchet.task()" in message
        stub = hatchet.stubs.task(name="far", input_validator=EmptyModel, output_validator=int)
        assert "is a stub" in refusal(lambda: hatchet.workflow("x").add_task(stub))


class TestHatchet:
    def test_the_config_names_the_namespace(self) -> None:
        config = ClientConfig(namespace="shop", token="ey", logger=logging.getLogger("x"))
        hatchet = Hatchet(config=config, debug=True)
        assert hatchet.namespace == "shop"
        assert hatchet.workflow("orders").config is config
        assert Hatchet("other", config=config).namespace == "other"
        assert Hatchet().namespace is None

    def test_a_hatchet_knows_what_is_defined(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders")
        alone = hatchet.task("alone")(work)
        hatchet.stubs.workflow(name="far")
        assert hatchet.definitions == [orders, alone.workflow]


class TestRun:
    def test_a_run_has_the_defaults_of_its_workflow(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        orders.run_no_wait(Order(id=7), additional_metadata={"by": "me"}, priority=Priority.HIGH)
        spec = stage.run["spec"]
        assert spec["additionalMetadata"] == {"team": "shop", "by": "me"}
        assert spec["priority"] == 3
        assert stage.run["metadata"]["labels"]["podhatch.dev/client"]

    def test_an_option_without_a_meaning_here_is_accepted(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        orders.run_no_wait(
            Order(id=7), None, sticky=True, desired_worker_id="w", desired_worker_labels={"a": 1}
        )
        assert "priority" not in stage.run["spec"]

    def test_a_run_without_waiting_returns_a_reference(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        reference = orders.run(Order(id=7), wait_for_result=False)
        assert reference.workflow_run_id == stage.run["metadata"]["name"]

    def test_a_result_is_read_by_the_runs_name(self, stage: Stage, orders: Workflow[Order]) -> None:
        stage.outputs(charge="7")
        reference = orders.run_no_wait(Order(id=7))
        assert orders.get_result(str(reference)) == {"charge": 7}
        assert orders.get_run_ref(str(reference)).get().spec.input == {"id": 7}
        assert stage.cluster.requests["get WorkflowRun"] == 2


class TestSchedule:
    def test_a_schedule_is_a_run_that_starts_later(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        at = datetime(2030, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2)))
        version = orders.schedule(at, Order(id=7), starting_deadline="90s", priority=1)
        spec = stage.run["spec"]
        assert spec["startAt"] == "2030-01-02T01:04:05.000000Z"
        assert spec["startingDeadlineSeconds"] == 90
        assert (spec["priority"], spec["input"]) == (1, {"id": 7})
        [scheduled] = version.scheduled_workflows
        assert scheduled.id == stage.run["metadata"]["name"]
        assert scheduled.trigger_at == at
        assert version.id == "orders"

    async def test_a_naive_time_is_utc_with_a_warning(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        with pytest.warns(UserWarning, match="no time zone") as warned:
            await orders.aio_schedule(datetime(2030, 1, 2), Order(id=7))  # noqa: DTZ001
        assert warned[0].filename == __file__
        assert stage.run["spec"]["startAt"] == "2030-01-02T00:00:00.000000Z"

    def test_the_input_of_a_schedule_must_fit(self, stage: Stage, orders: Workflow[Order]) -> None:
        with pytest.raises(InvalidRun):
            orders.schedule(datetime.now(UTC), {"id": "x"})
        message = refusal(lambda: orders.schedule(LATER, Order(id=7), starting_deadline="0"))
        assert message.startswith("workflow 'orders': starting_deadline: expected a timedelta or")
        placed: Any = {"sticky": True}
        assert "no option 'sticky'" in refusal(
            lambda: orders.schedule(LATER, Order(id=7), **placed), TypeError
        )
        text: Any = "2030-01-01"
        with pytest.raises(TypeError, match="run_at: expected a datetime, got '2030-01-01'"):
            orders.schedule(text, Order(id=7))
        assert not stage.connects


class TestCron:
    def test_a_cron_is_created_as_described(self, stage: Stage, orders: Workflow[Order]) -> None:
        cron = orders.create_cron(
            "nightly",
            "0 3 * * *",
            Order(id=7),
            {"by": "cron"},
            Priority.LOW,
            time_zone="Europe/Paris",
            concurrency_policy="Forbid",
            starting_deadline="1m",
        )
        [stored] = stage.cluster.objects("CronWorkflow")
        assert stored["spec"] == {
            "workflow": "orders",
            "name": "nightly",
            "schedule": "0 3 * * *",
            "timeZone": "Europe/Paris",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 60,
            "input": {"id": 7},
            "additionalMetadata": {"team": "shop", "by": "cron"},
            "priority": 1,
        }
        assert cron.metadata.id == stored["metadata"]["name"]
        assert stage.workflow["metadata"]["name"] == "orders"

    def test_the_deadline_of_a_cron_has_two_spellings(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[Order]
    ) -> None:
        both: list[dict[str, Any]] = [
            {"starting_deadline": timedelta(minutes=1)},
            {"starting_deadline_seconds": 60},
        ]
        for number, options in enumerate(both):
            orders.create_cron(f"a{number}", "@daily", Order(id=7), **options)
            hatchet.cron.create("orders", f"b{number}", "@daily", {"id": 7}, **options)
        stored = stage.cluster.objects("CronWorkflow")
        assert [each["spec"]["startingDeadlineSeconds"] for each in stored] == [60] * 4
        together = {**both[0], **both[1]}
        for create in (
            lambda: orders.create_cron("c", "@daily", Order(id=7), **together),
            lambda: hatchet.cron.create("orders", "c", "@daily", {}, **together),
        ):
            assert "cron 'c': give either starting_deadline or" in refusal(create)
        wrong: Any = {"starting_deadline": 60}
        message = refusal(lambda: hatchet.cron.create("orders", "c", "@daily", {}, **wrong))
        assert message.startswith("cron 'c': starting_deadline: expected a timedelta or a duration")

    async def test_an_invalid_cron_creates_nothing(
        self, stage: Stage, orders: Workflow[Order]
    ) -> None:
        with pytest.raises(ValueError, match="got six: CronJobs do not support seconds"):
            await orders.aio_create_cron("often", "* * * * * *", Order(id=7))
        with pytest.raises(InvalidRun, match="id: Field required"):
            orders.create_cron("often", "* * * * *")
        for zone in ("Europe/Pari", "Europe", "../x"):
            with pytest.raises(ValueError, match=r"time_zone: expected an IANA name"):
                orders.create_cron("often", "* * * * *", Order(id=7), time_zone=zone)
        assert not stage.connects


class TestStubs:
    def test_the_run_of_a_stub_publishes_nothing(self, stage: Stage, hatchet: Hatchet) -> None:
        far = hatchet.stubs.workflow(
            name="Far Away", input_validator=Order, default_additional_metadata={"by": "stub"}
        )
        stage.outputs(a="1", b=None)
        assert far.run(Order(id=7)) == {"a": 1, "b": None}
        assert stage.cluster.objects("Workflow") == []
        assert stage.run["spec"]["workflow"].startswith("far-away-")
        assert stage.run["spec"]["additionalMetadata"] == {"by": "stub"}
        assert WORKFLOW_GENERATION not in stage.run["metadata"]["annotations"]

    def test_a_stub_of_a_task_returns_what_it_declares(
        self, stage: Stage, hatchet: Hatchet
    ) -> None:
        far = hatchet.stubs.task(name="far", input_validator=Order, output_validator=Order)
        stage.outputs(any_name='{"id": 8}')
        assert far.run(Order(id=7)) == Order(id=8)
        stage.outputs(any_name='{"id": "x"}')
        with pytest.raises(IllegalTaskOutputError):
            far.run(Order(id=7))

    def test_a_stub_takes_no_task(self, hatchet: Hatchet) -> None:
        far = hatchet.stubs.workflow(name="far")
        assert "is a stub, whose code is elsewhere" in refusal(lambda: far.task("a")(work))

    def test_the_function_of_a_stub_cannot_be_called(self, hatchet: Hatchet) -> None:
        far = hatchet.stubs.task(name="far", input_validator=EmptyModel, output_validator=int)
        with pytest.raises(RuntimeError, match=r"^'far' is a stub: its code is elsewhere$"):
            far.mock_run()


class TestPublishing:
    def test_all_that_is_defined_goes_with_the_first_run(
        self, stage: Stage, hatchet: Hatchet, orders: Workflow[Order]
    ) -> None:
        hatchet.task("child")(work)
        hatchet.workflow("empty")
        orders.run_no_wait(Order(id=7))
        published = {each["metadata"]["name"] for each in stage.cluster.objects("Workflow")}
        assert published == {"orders", "child"}
        stage.cluster.requests.clear()
        orders.run_no_wait(Order(id=7))
        assert stage.cluster.requests == {"create WorkflowRun": 1}

    def test_a_flaw_in_another_workflow_is_a_warning(
        self,
        stage: Stage,
        hatchet: Hatchet,
        orders: Workflow[Order],
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        flawed = hatchet.workflow("flawed", on_crons=["@daily"], input_validator=Order)
        flawed.task("a")(work)
        for _ in range(2):
            orders.run_no_wait(Order(id=7))
        assert caplog.text.count("workflow 'flawed': cron_input") == 1
        with pytest.raises(ValueError, match="cron_input"):
            flawed.run_no_wait(Order(id=7))

    def test_a_refusal_of_another_workflow_is_a_warning(
        self,
        stage: Stage,
        hatchet: Hatchet,
        orders: Workflow[Order],
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        from podhatch.cluster import ApiError

        create = stage.cluster.create

        async def picky(manifest: dict[str, Any], *, dry_run: bool = False) -> dict[str, Any]:
            if manifest["metadata"]["name"] == "child":
                raise ApiError(403, "Forbidden", "not for you")
            return await create(manifest, dry_run=dry_run)

        monkeypatch.setattr(stage.cluster, "create", picky)
        child = hatchet.task("child")(work)
        for _ in range(2):
            orders.run_no_wait(Order(id=7))
        assert caplog.text.count("not for you") == 1
        with pytest.raises(RequestRefused, match="not for you"):
            child.run_no_wait(EmptyModel())
