"""Conditions: how they are written out, and which are refused with which words."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml
from podhatch import (
    RUN_START,
    Context,
    Hatchet,
    ParentCondition,
    SleepCondition,
    Task,
    UserEventCondition,
    Workflow,
    or_,
)
from podhatch.api.condition import Condition as WireCondition


def work(input: Any, ctx: Context) -> None: ...


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Any]:
    return hatchet.workflow("orders", image="shop:1")


@pytest.fixture
def charge(orders: Workflow[Any]) -> Task[Any, Any]:
    return orders.task("charge")(work)


def written(orders: Workflow[Any]) -> dict[str, Any]:
    """Return the last task as the YAML holds it."""
    return yaml.safe_load(orders.to_yaml())["spec"]["tasks"][-1]


def refusal(define: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match="task 'ship'") as refused:
        define()
    return str(refused.value).removeprefix("workflow 'orders', task 'ship': ")


def test_conditions_of_all_kinds_are_written_out(
    orders: Workflow[Any], charge: Task[Any, Any]
) -> None:
    orders.task(
        "ship",
        parents=[charge],
        wait_for=[
            SleepCondition(timedelta(milliseconds=1500)),
            or_(
                UserEventCondition("paid", "input.sum > 7", scope="eu"),
                SleepCondition("1h", readable_data_key="enough"),
            ),
        ],
        skip_if=[ParentCondition(charge, "output.sum == 0")],
        cancel_if=[
            UserEventCondition("stop", consider_events_since=RUN_START),
            UserEventCondition(
                "halt", consider_events_since=datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC)
            ),
        ],
    )(work)
    task = written(orders)
    assert task["waitFor"] == [
        {"sleepSeconds": 1.5},
        {
            "or": [
                {"event": {"key": "paid", "expression": "input.sum > 7", "scope": "eu"}},
                {"readableDataKey": "enough", "sleepSeconds": 3600.0},
            ]
        },
    ]
    assert task["skipIf"] == [{"parent": {"name": "charge", "expression": "output.sum == 0"}}]
    assert [each["event"]["considerEventsSince"] for each in task["cancelIf"]] == [
        "RunStart",
        "2026-01-02T03:04:05.000006Z",
    ]


def test_the_names_of_conditions_are_those_of_the_wire(
    orders: Workflow[Any], charge: Task[Any, Any]
) -> None:
    conditions = [
        SleepCondition("90s"),
        UserEventCondition("paid"),
        UserEventCondition("paid", readable_data_key="money"),
        ParentCondition(charge, "output.sum == 0"),
    ]
    orders.task("ship", parents=[charge], wait_for=conditions)(work)
    wire = [WireCondition.model_validate(each) for each in written(orders)["waitFor"]]
    assert [each.data_key for each in wire] == [each.data_key for each in conditions]


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (SleepCondition("soon"), ".duration: expected a timedelta or a duration such as"),
        (UserEventCondition(""), ".event_key: it is empty"),
        (UserEventCondition("paid", ""), ".expression: it is empty"),
        (
            UserEventCondition("paid", consider_events_since=datetime(2026, 1, 1)),  # noqa: DTZ001
            ".consider_events_since: 2026-01-01 00:00:00 has no time zone",
        ),
        ("paid", ": expected a condition, got 'paid'"),
        (or_(), ": a group has 1 to 16 conditions"),
    ],
)
def test_an_invalid_condition_is_refused(orders: Workflow[Any], condition: Any, words: str) -> None:
    task = orders.task("ship", skip_if=[SleepCondition("1s"), condition])
    assert refusal(lambda: task(work)).startswith(f"skip_if[1]{words}")


def test_too_many_conditions_are_refused(orders: Workflow[Any]) -> None:
    conditions = [UserEventCondition(f"event-{n}") for n in range(17)]
    message = refusal(lambda: orders.task("ship", wait_for=conditions)(work))
    assert message == "wait_for: 17 conditions, 16 are allowed"


def test_two_conditions_of_one_name_are_refused(orders: Workflow[Any]) -> None:
    task = orders.task(
        "ship",
        wait_for=[or_(SleepCondition("1s"), UserEventCondition("paid"))],
        cancel_if=[UserEventCondition("paid", "input.no")],
    )
    assert refusal(lambda: task(work)) == (
        "cancel_if[0].readable_data_key: wait_for[0][1] is called 'paid' too; give one of them "
        "another readable_data_key"
    )


def test_a_condition_on_a_task_that_is_not_a_parent_is_refused(
    orders: Workflow[Any], charge: Task[Any, Any]
) -> None:
    task = orders.task("ship", skip_if=[ParentCondition(charge, "output.sum == 0")])
    message = refusal(lambda: task(work))
    assert message.startswith("skip_if[0].parent: <Task charge of workflow orders> is not among")


def test_an_expression_that_is_not_cel_is_refused(orders: Workflow[Any]) -> None:
    orders.task("ship", wait_for=[or_(UserEventCondition("paid", "input.sum >"))])(work)
    message = refusal(orders.to_yaml)
    assert message.startswith("wait_for[0][0].expression: 'input.sum >' is not CEL: 1:12: Syntax")


def test_an_expression_is_not_checked_without_the_cel_library(
    orders: Workflow[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    orders.task("ship", wait_for=[UserEventCondition("paid", "input.sum >")])(work)
    assert written(orders)["waitFor"][0]["event"]["expression"] == "input.sum >"


def test_what_the_object_cannot_hold_is_named(orders: Workflow[Any]) -> None:
    orders.task("ship", skip_if=[or_(UserEventCondition("x" * 254))])(work)
    assert refusal(orders.to_yaml).startswith(
        "skip_if.0.or.0.event.key: String should have at most"
    )
