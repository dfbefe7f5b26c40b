"""What may be defined, what a definition holds, and what is refused with which words."""

import functools
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Never, NoReturn, TypedDict

import pytest
from podhatch import (
    Context,
    DefaultFilter,
    DesiredWorkerLabel,
    EmptyModel,
    Hatchet,
    SleepCondition,
    WorkerLabelComparator,
    or_,
)
from podhatch.definitions.task import Task
from podhatch.task.handle import find_task
from pydantic import BaseModel


class Order(BaseModel):
    id: int


@dataclass
class Parcel:
    weight: float


class Address(TypedDict):
    street: str


def work(input: Any, ctx: Context) -> None: ...


class TestNames:
    def test_a_task_is_named_as_its_function_in_lower_case(self, hatchet: Hatchet) -> None:
        workflow = hatchet.workflow("Orders of the Day")

        @workflow.task()
        def ChargeCard(input: EmptyModel, ctx: Context) -> None: ...  # noqa: N802

        assert workflow.name == "Orders of the Day"
        assert ChargeCard.name == "chargecard"

    def test_the_name_of_a_task_may_be_passed(self, hatchet: Hatchet) -> None:
        assert hatchet.workflow(name="orders").task("Charge-Card")(work).name == "charge-card"

    def test_a_standalone_names_its_workflow_and_its_task(self, hatchet: Hatchet) -> None:
        standalone = hatchet.task()(work)
        assert (standalone.name, standalone.workflow.name, standalone.task.name) == ("work",) * 3

    def test_a_standalone_may_have_any_name(self, hatchet: Hatchet) -> None:
        standalone = hatchet.task("Charge Card")(work)
        assert standalone.name == "Charge Card"
        assert standalone.task.name == "charge-card-htqsjw6c"

    def test_tasks_are_found_by_true_names(self, hatchet: Hatchet) -> None:
        charge = hatchet.workflow("Orders 2").task()(work)
        alone = hatchet.task("Ship It")(work)
        assert find_task("Orders 2", "work") is charge
        assert find_task("Ship It", alone.task.name) is alone.task
        assert find_task("Orders 2", "ship") is None


def executed(hatchet: Hatchet, code: str, module: str = "__main__", file: str = "cell-1") -> None:
    """Run code as a module or a notebook's cell would be run, with what it needs."""
    names = {"__name__": module, "hatchet": hatchet}
    exec(compile(code, file, "exec"), names)


CELL = """
@hatchet.task()
def orders(input, ctx): ...
"""


class TestOneNameTwice:
    """Two definitions of one name are refused; one that is run again replaces what it made."""

    def test_a_workflow_and_a_standalone_task_may_not_share_a_name(self, hatchet: Hatchet) -> None:
        @hatchet.task()
        def orders(input: EmptyModel, ctx: Context) -> None: ...

        message = refusal(ValueError, lambda: hatchet.workflow("orders"))
        assert message.startswith("workflow 'orders': name: this Hatchet has a workflow or task of")
        assert f"from {__file__}:" in message
        assert hatchet.definitions == [orders.workflow]

    def test_two_workflows_in_one_place_may_not_share_a_name(self, hatchet: Hatchet) -> None:
        hatchet.workflow("orders")
        with pytest.raises(ValueError, match="pass another name"):
            hatchet.workflow("orders")

    def test_a_task_of_another_module_may_not_share_a_name(self, hatchet: Hatchet) -> None:
        executed(hatchet, CELL, "orders", "orders.py")
        with pytest.raises(ValueError, match=r"workflow 'orders': name: .*from orders.py:2"):
            executed(hatchet, CELL, "other", "other.py")

    @pytest.mark.parametrize(
        ("module", "file"), [("__main__", "cell-1"), ("__main__", "cell-2"), ("main", "cell-1")]
    )
    @pytest.mark.parametrize("again", [CELL, f"\n{CELL}"])
    def test_a_cell_or_module_that_is_run_again_replaces_its_definitions(
        self, hatchet: Hatchet, again: str, module: str, file: str
    ) -> None:
        executed(hatchet, CELL)
        [first] = hatchet.definitions
        executed(hatchet, again, module, file)
        [second] = hatchet.definitions
        assert first is not second

    def test_a_function_may_define_a_workflow_again(self, hatchet: Hatchet) -> None:
        made = [hatchet.workflow("orders") for _ in range(2)]
        assert hatchet.definitions == made[1:]

    def test_another_hatchet_may_use_the_name_again(self, hatchet: Hatchet) -> None:
        hatchet.workflow("orders")
        assert Hatchet().workflow("orders").name == "orders"

    def test_only_the_one_that_runs_is_published(self, hatchet: Hatchet) -> None:
        first, second = [hatchet.workflow("orders", image="shop:1") for _ in range(2)]
        first.task("work")(work)
        second.task("work")(work)
        publication = hatchet._project.publication([first])  # pyright: ignore[reportPrivateUsage]
        assert (len(publication.needed), publication.others) == (1, ())


class TestFunctions:
    @pytest.mark.parametrize("wait", [False, True])
    def test_a_task_is_sync_or_async_as_its_function(self, hatchet: Hatchet, wait: bool) -> None:
        def sync(input: EmptyModel, ctx: Context) -> int:
            return 1

        async def asynchronous(input: EmptyModel, ctx: Context) -> int:
            return 1

        standalone = hatchet.task()(asynchronous if wait else sync)
        assert standalone.is_async_function is wait
        assert standalone.output_validator is int

    def test_a_workflow_is_durable_if_one_of_its_tasks_is(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders")
        charge = orders.task("charge")(work)
        assert (orders.tasks, orders.is_durable) == ([charge], False)
        orders.durable_task("approve")(work)
        assert orders.is_durable

    def test_a_standalone_task_has_its_task_and_is_durable_like_it(self, hatchet: Hatchet) -> None:
        for index, decorator in enumerate((hatchet.task, hatchet.durable_task)):
            standalone = decorator(name=f"work-{index}")(work)
            assert standalone.tasks == [standalone.task]
            assert standalone.is_durable is (index == 1)

    def test_a_function_needs_no_annotations(self, hatchet: Hatchet) -> None:
        def greet(input, ctx):  # pyright: ignore
            return "hello"

        assert hatchet.task()(greet).output_validator is None  # pyright: ignore

    def test_the_declared_return_of_a_wrapped_function_counts(self, hatchet: Hatchet) -> None:
        def logged(fn: Callable[[Any, Context], Parcel]) -> Callable[[Any, Context], Parcel]:
            @functools.wraps(fn)
            def wrapper(input: Any, ctx: Context) -> Parcel:
                return fn(input, ctx)

            return wrapper

        @hatchet.task()
        @logged
        def pack(input: EmptyModel, ctx: Context) -> Parcel:
            return Parcel(1.0)

        assert pack.name == "pack"
        assert pack.output_validator is Parcel

    @pytest.mark.parametrize(
        ("declared", "words"),
        [
            ("Unknown[int]", "'Unknown[int]' cannot be read: name 'Unknown' is not defined. Defin"),
            ("some words", "'some words' cannot be read: "),
            (functools.partial, "cannot be the type of an output: Unable to generate"),
            (list[functools.partial[int]], "or declare Any"),
        ],
    )
    def test_a_declared_return_of_no_use_is_refused(
        self, hatchet: Hatchet, declared: object, words: str
    ) -> None:
        def pack(input: EmptyModel, ctx: Context) -> None: ...

        pack.__annotations__["return"] = declared
        task: Any = hatchet.task(image="shop:1")(pack)
        for refused in (task.to_yaml, task.run_local):
            message = refusal(ValueError, refused)
            assert message.startswith("workflow 'pack', task 'pack': its return type ")
            assert words in message

    @pytest.mark.parametrize(
        ("declared", "meant"),
        [
            (Awaitable[int], int),
            (Coroutine[Any, Any, Parcel], Parcel),
            (Never, None),
            (NoReturn, None),
            (Any, None),
        ],
    )
    def test_a_declared_return_is_the_output_type(
        self, hatchet: Hatchet, declared: object, meant: object
    ) -> None:
        def pack(input: EmptyModel, ctx: Context) -> None: ...

        pack.__annotations__["return"] = declared
        assert hatchet.task()(pack).output_validator is meant

    def test_a_declared_return_may_be_defined_later(self, hatchet: Hatchet) -> None:
        def pack(input: EmptyModel, ctx: Context) -> None: ...

        pack.__annotations__["return"] = "list[Parcel]"
        assert hatchet.task()(pack).output_validator == list[Parcel]


class TestInputs:
    def test_the_default_input_is_the_empty_model(self, hatchet: Hatchet) -> None:
        assert hatchet.workflow("orders").input_validator is EmptyModel
        assert hatchet.task()(work).input_validator is EmptyModel

    @pytest.mark.parametrize("declared", [Order, Parcel, Address, dict, dict[str, Any]])
    def test_an_input_is_declared_by_either_name(
        self, hatchet: Hatchet, declared: type[Any]
    ) -> None:
        assert hatchet.workflow("a", input_validator=declared).input_validator is declared
        assert hatchet.workflow("b", input_type=declared).input_validator is declared
        assert hatchet.task("c", input_validator=declared)(work).input_validator is declared
        assert hatchet.task("d", input_type=declared)(work).input_validator is declared

    @pytest.mark.parametrize("declared", [str, list[int], "Order", 7])
    def test_an_input_that_is_not_an_object_is_refused(
        self, hatchet: Hatchet, declared: Any
    ) -> None:
        with pytest.raises(
            ValueError, match=r"workflow 'orders': input_validator: expected a pydantic model"
        ):
            hatchet.workflow("orders", input_validator=declared)

    def test_both_names_are_refused(self, hatchet: Hatchet) -> None:
        both: Any = {"input_validator": Order, "input_type": Order}
        with pytest.raises(ValueError, match=r"workflow 'orders'.*input_type is its older name"):
            hatchet.workflow("orders", **both)
        with pytest.raises(ValueError, match=r"workflow 'work'.*input_type is its older name"):
            hatchet.task("work", **both)


class TestSettings:
    def test_the_settings_of_a_task_have_defaults(self, hatchet: Hatchet) -> None:
        settings = hatchet.workflow("orders").task()(work).settings
        assert settings.schedule_timeout_seconds == 300
        assert settings.execution_timeout_seconds == 60
        assert settings.cluster_access is None
        assert (settings.image, settings.run_as_user) == (None, None)
        assert settings.desired_worker_labels == ()

    def test_a_task_keeps_its_settings(self, hatchet: Hatchet) -> None:
        gpu = DesiredWorkerLabel(key="gpu", value="yes", required=True)
        task = hatchet.workflow("orders").task(
            schedule_timeout="1h30m",
            execution_timeout=timedelta(milliseconds=1500),
            desired_worker_labels=[gpu],
            image="shop:2",
            cluster_access=False,
            run_as_user=0,
        )(work)
        settings = task.settings
        assert settings.schedule_timeout_seconds == 5400
        assert settings.execution_timeout_seconds == 1.5
        assert settings.desired_worker_labels == (gpu,)
        assert (settings.image, settings.cluster_access, settings.run_as_user) == (
            "shop:2",
            "none",
            0,
        )

    def test_the_settings_of_a_standalone_belong_to_its_workflow_or_its_task(
        self, hatchet: Hatchet
    ) -> None:
        standalone = hatchet.task(
            description="ships", version="2", image="shop:2", execution_timeout="5s"
        )(work)
        settings = standalone.workflow.settings
        assert (settings.description, settings.version, settings.image) == ("ships", "2", "shop:2")
        assert standalone.task.settings.execution_timeout_seconds == 5
        assert standalone.task.settings.image is None

    def test_a_list_of_settings_may_be_a_generator(self, hatchet: Hatchet) -> None:
        key, rule = "order:paid", DefaultFilter("true", "shop")
        options: Any = {
            "on_events": (each for each in [key]),
            "on_crons": (each for each in ["@daily"]),
            "default_filters": (each for each in [rule]),
        }
        orders = hatchet.workflow("orders", **options)
        settings = orders.settings
        assert (settings.on_events, settings.default_filters) == ((key,), (rule,))
        assert settings.on_crons == ("@daily",)
        charge, nap = orders.task("charge")(work), SleepCondition("5s")
        more: Any = {
            "parents": (each for each in [charge]),
            "wait_for": (each for each in [nap]),
            "desired_worker_labels": (each for each in [DesiredWorkerLabel(key="a", value="b")]),
        }
        ship = orders.task("ship", **more)(work)
        assert (ship.parents, ship.settings.wait_for) == ([charge], (nap,))
        assert len(ship.settings.desired_worker_labels) == 1

    def test_parents_are_kept_once(self, hatchet: Hatchet) -> None:
        workflow = hatchet.workflow("orders")
        charge = workflow.task("charge")(work)
        ship = workflow.task("ship", parents=[charge, charge])(work)
        assert ship.parents == [charge]


def refusal(error: type[Exception], define: Callable[[], object]) -> str:
    with pytest.raises(error) as refused:
        define()
    return str(refused.value)


class TestRefused:
    @pytest.mark.parametrize("name", ["", "x" * 254])
    def test_an_empty_or_long_name_of_a_workflow_is_refused(
        self, hatchet: Hatchet, name: str
    ) -> None:
        assert "name: it needs 1 to 253" in refusal(ValueError, lambda: hatchet.workflow(name))

    @pytest.mark.parametrize("name", ["charge card", "_charge", "charge-", "x" * 64, "größe"])
    def test_a_bad_name_of_a_task_is_refused(self, hatchet: Hatchet, name: str) -> None:
        task = hatchet.workflow("orders").task(name)
        message = refusal(ValueError, lambda: task(work))
        assert message.startswith(f"workflow 'orders', task '{name}': name:")
        assert "pass name=" in message

    def test_a_second_task_of_a_name_is_refused(self, hatchet: Hatchet) -> None:
        workflow = hatchet.workflow("orders")
        workflow.task("Charge")(work)
        message = refusal(ValueError, lambda: workflow.task("charge")(work))
        assert message == (
            "workflow 'orders', task 'charge': name: the workflow has a task of this name already"
        )

    def test_a_parent_of_another_workflow_is_refused(self, hatchet: Hatchet) -> None:
        other = hatchet.workflow("other").task("charge")(work)
        workflow = hatchet.workflow("orders")
        message = refusal(ValueError, lambda: workflow.task("ship", parents=[other])(work))
        assert message.startswith("workflow 'orders', task 'ship': parents: <Task charge of work")

    def test_a_parent_that_is_a_plain_function_is_refused(self, hatchet: Hatchet) -> None:
        parents: Any = [work]
        ship = hatchet.workflow("orders").task("ship", parents=parents)
        assert "is not a task of this workflow" in refusal(ValueError, lambda: ship(work))

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("schedule_timeout", "5 minutes", "or '7d', got '5 minutes'"),
            ("execution_timeout", 60, "or '7d', got 60"),
            ("execution_timeout", "0s", "out of range"),
            ("desired_worker_labels", {"gpu": "a b"}, "label 'gpu': value 'a b' is not"),
            ("image", " ", "it is empty"),
            ("run_as_user", -1, "expected a whole number from 0 to 2147483647, got -1"),
            ("run_as_user", "root", "to 2147483647, got 'root'"),
            ("slot_cost", "2", "expected a whole number from 1 to 2147483647, got '2'"),
            ("slot_cost", True, "to 2147483647, got True"),
            ("slot_cost", 0, "expected a whole number from 1 to 2147483647, got 0"),
            ("image", 5, "expected a string, got 5"),
            ("cluster_access", "no", "'spawn', True or False, got 'no'"),
            ("cluster_access", 0, "'spawn', True or False, got 0"),
            ("pod", {"suspend": True}, "expected a Pod, got {'suspend': True}"),
            ("desired_worker_labels", ["gpu"], "expected a list of DesiredWorkerLabel"),
            ("desired_worker_labels", "gpu", "expected a list, got 'gpu'"),
            ("desired_worker_labels", 5, "expected a list, got 5"),
            ("wait_for", SleepCondition("5s"), "expected a list, got"),
            ("skip_if", or_(SleepCondition("5s")), "expected a list, got"),
            ("cancel_if", [5], "expected a condition, got 5"),
            ("parents", work, "expected a list, got"),
        ],
    )
    def test_a_bad_value_of_an_option_is_refused(
        self, hatchet: Hatchet, option: str, value: object, words: str
    ) -> None:
        options: Any = {option: value}
        task = hatchet.workflow("orders").task("charge", **options)
        message = refusal(ValueError, lambda: task(work))
        assert message.startswith(f"workflow 'orders', task 'charge': {option}")
        assert words in message

    @pytest.mark.parametrize(
        ("option", "value", "words"),
        [
            ("description", 5, "expected a string, got 5"),
            ("version", 2, "expected a string, got 2"),
            ("image", 5, "expected a string, got 5"),
            ("pod", {"suspend": True}, "expected a Pod, got {'suspend': True}"),
            ("task_defaults", {"retries": 3}, "expected TaskDefaults, got {'retries': 3}"),
            (
                "ttl_seconds_after_finished",
                timedelta(days=1),
                "expected a whole number of seconds from 0 to 315360000, got",
            ),
            ("on_events", 5, "expected a list, got 5"),
            ("default_filters", DefaultFilter("true", "shop"), "expected a list, got"),
            (
                "default_additional_metadata",
                "abc",
                "expected a mapping from names to values, got 'abc'",
            ),
        ],
    )
    def test_a_bad_option_of_a_workflow_is_refused(
        self, hatchet: Hatchet, option: str, value: object, words: str
    ) -> None:
        options: Any = {option: value}
        message = refusal(ValueError, lambda: hatchet.workflow("orders", **options))
        assert message.startswith(f"workflow 'orders': {option}: ")
        assert words in message

    def test_a_name_that_is_not_a_string_is_refused(self, hatchet: Hatchet) -> None:
        name: Any = 5
        assert refusal(ValueError, lambda: hatchet.workflow(name)).startswith(
            "workflow 5: name: expected a string, got 5"
        )
        assert "name: expected a string, got 5" in refusal(
            ValueError, lambda: hatchet.task(name)(work)
        )

    def test_an_unknown_pull_policy_is_refused(self, hatchet: Hatchet) -> None:
        policy: Any = "Sometimes"
        message = refusal(ValueError, lambda: hatchet.workflow("orders", image_pull_policy=policy))
        assert message.startswith(
            "workflow 'orders': image_pull_policy: expected one of Always, IfNotPresent, Never, got"
        )

    def test_an_option_that_does_not_exist_is_refused(self, hatchet: Hatchet) -> None:
        options: Any = {"execution_timout": "5s"}
        assert refusal(TypeError, lambda: hatchet.workflow("orders", **options)) == (
            "workflow 'orders': there is no option 'execution_timout'"
        )
        task = hatchet.workflow("orders").task(**options)
        assert refusal(TypeError, lambda: task(work)) == (
            "workflow 'orders', task 'work': there is no option 'execution_timout'; did you mean "
            "execution_timeout?"
        )
        assert "no option" in refusal(TypeError, lambda: hatchet.task(**options)(work))

    def test_a_decorator_without_parentheses_is_refused(self, hatchet: Hatchet) -> None:
        function: Any = work
        message = refusal(TypeError, lambda: hatchet.task(function))
        assert message == "write the decorator with parentheses: @hatchet.task()"
        workflow = hatchet.workflow("orders")
        for decorator in (workflow.task, workflow.on_failure_task, workflow.on_success_task):
            message = refusal(TypeError, lambda decorator=decorator: decorator(function))
            assert message.endswith(f"@workflow.{decorator.__name__}()")

    @pytest.mark.parametrize("fn", [functools.partial(work, None), print, 7])
    def test_a_task_that_is_not_a_function_is_refused(self, hatchet: Hatchet, fn: Any) -> None:
        task: Callable[[Any], Task[Any, Any]] = hatchet.workflow("orders").task("charge")
        message = refusal(ValueError, lambda: task(fn))
        assert message.startswith("workflow 'orders', task 'charge': ")
        assert "is not a function" in message

    def test_a_function_of_other_arguments_is_refused(self, hatchet: Hatchet) -> None:
        def nothing() -> None: ...

        task: Any = hatchet.workflow("orders").task()
        message = refusal(ValueError, lambda: task(nothing))
        assert message.startswith("workflow 'orders', task 'nothing': the function must take (inp")


def test_labels_may_be_written_in_three_ways(hatchet: Hatchet) -> None:
    size = DesiredWorkerLabel(
        value=4, weight=10, comparator=WorkerLabelComparator.GREATER_THAN_OR_EQUAL
    )
    workflow = hatchet.workflow("orders")
    listed = workflow.task(
        "a", desired_worker_labels=[DesiredWorkerLabel(key="disk", value="ssd")]
    )(work)
    keyed = workflow.task("b", desired_worker_labels={"size": size})(work)
    plain = workflow.task("c", desired_worker_labels={"disk": "ssd", "size": 4})(work)
    assert listed.settings.desired_worker_labels == (DesiredWorkerLabel(key="disk", value="ssd"),)
    assert keyed.settings.desired_worker_labels[0].key == "size"
    assert [label.value for label in plain.settings.desired_worker_labels] == ["ssd", 4]


def test_the_repr_of_a_definition_names_it(hatchet: Hatchet) -> None:
    workflow = hatchet.workflow("orders")
    assert repr(workflow) == "<Workflow orders: no task>"
    task = workflow.task("charge")(work)
    assert (repr(workflow), repr(task)) == (
        "<Workflow orders: charge>",
        "<Task charge of workflow orders>",
    )
    assert repr(hatchet.task("ship")(work)) == "<Standalone ship>"


def test_a_hatchet_takes_its_namespace_as_a_string() -> None:
    assert Hatchet("shop").namespace == "shop"
    assert Hatchet(True).namespace is None  # Hatchet's positional debug
    number: Any = 5
    with pytest.raises(ValueError, match="Hatchet: namespace: expected a string, got 5"):
        Hatchet(number)
