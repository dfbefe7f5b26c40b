"""No public method drops an option that it does not know: a misspelt filter would mean everything.

Each one with `**options` is found by itself, so that a new one cannot be forgotten.
"""

import asyncio
import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import Any

import pytest
from podhatch import Hatchet

from tests.unit.sdk.conftest import Stage

ARGUMENTS: dict[str, Any] = {
    "name": "parcels",
    "workflow_name": "orders",
    "cron_name": "nightly",
    "expression": "@daily",
    "input": {},
    "run_at": datetime.now(UTC) + timedelta(hours=1),
}
"""Of the parameters that have no default, by their names."""


def work(input: Any, ctx: Any) -> None: ...


def openly_called() -> dict[str, Callable[..., Any]]:
    """Return the methods that take any keyword, by the objects that have them."""
    hatchet = Hatchet()
    orders = hatchet.workflow("orders")
    objects: dict[str, object] = {
        "hatchet": hatchet,
        "workflow": orders,
        "task": orders.task("charge")(work),
        "standalone": hatchet.task("alone")(work),
        "stubs": hatchet.stubs,
    }
    for name, member in inspect.getmembers_static(Hatchet):
        if isinstance(member, cached_property):
            objects[f"hatchet.{name}"] = getattr(hatchet, name)
    return {
        f"{owner}.{name}": getattr(each, name)
        for owner, each in objects.items()
        for name, member in inspect.getmembers_static(type(each), inspect.isfunction)
        if not name.startswith("_") and _takes_any_keyword(member)
    }


def _takes_any_keyword(function: Callable[..., Any]) -> bool:
    kinds = {each.kind for each in inspect.signature(function).parameters.values()}
    return inspect.Parameter.VAR_KEYWORD in kinds


METHODS = openly_called()


def test_the_tests_find_public_callables() -> None:
    assert len(METHODS) > 40
    for owner in ("runs", "cron", "event", "scheduled"):
        assert f"hatchet.{owner}.list" in METHODS
        assert f"hatchet.{owner}.aio_list" in METHODS


@pytest.mark.parametrize("name", sorted(METHODS))
def test_an_unknown_option_is_refused(stage: Stage, name: str) -> None:
    method = METHODS[name]
    needed = [
        each.name
        for each in inspect.signature(method).parameters.values()
        if each.default is each.empty and each.kind is not each.VAR_KEYWORD
    ]
    arguments = {each: ARGUMENTS[each] for each in needed}
    with pytest.raises(TypeError, match="there is no option 'colour'"):
        call(method, {**arguments, "colour": "red"})
    assert not stage.connects


def call(method: Callable[..., Any], arguments: dict[str, Any]) -> None:
    """Call it, and do what is left: wait for the answer, or decorate a task."""
    answer = method(**arguments)
    if inspect.iscoroutine(answer):
        asyncio.run(answer)
    else:
        answer(work)
