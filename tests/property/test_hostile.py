"""Whatever objects a cluster holds, no plan raises past the reconciler, and each says something."""

import asyncio
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended
from podhatch.cli.lint.check import broken_rules
from podhatch.cluster import kind_of
from podhatch.cluster.bounded import bounded_object
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import waits_over
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import PlanFailed, RetryLater

from tests.fakes.answers import answered
from tests.fakes.durable import page
from tests.fakes.objects import NOW, run
from tests.property.hostile import SCHEMAS, Hostile
from tests.property.hostile_children import HostileChildren, OtherStatuses
from tests.property.test_runs import thorough
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator

WITH_STATUS = (
    "Workflow",
    "WorkflowRun",
    "WorkflowEvent",
    "EventFilter",
    "CronWorkflow",
    "RateLimit",
)
OBJECTS = 12


hostile = settings(parent=thorough, max_examples=250)


@hostile
@given(st.integers(0, 2**32))
def test_every_object_gets_a_status_or_a_condition(seed: int) -> None:
    asyncio.run(every_object_speaks(seed))


async def every_object_speaks(seed: int) -> None:
    operator = Operator()
    for raw in Hostile(seed, NAMESPACE).objects(OBJECTS):
        taken = any(same(raw, other) for other in operator.cluster.objects(raw["kind"]))
        if not taken and is_accepted(raw):
            see(operator, await operator.cluster.create_as_user(raw))
    await live(operator)
    for kind in WITH_STATUS:
        for raw in operator.cluster.objects(kind):
            assert speaks(raw), raw


@hostile
@given(st.integers(0, 2**32))
def test_stored_statuses_and_children_can_say_what_they_like(seed: int) -> None:
    asyncio.run(stored_objects_are_planned(HostileChildren(seed, NAMESPACE).stored()))


async def stored_objects_are_planned(objects: list[JsonObject]) -> None:
    operator = Operator()
    for raw in filter(is_accepted, objects):
        see(operator, operator.cluster.put(raw))
    await live(operator)


@hostile
@given(st.integers(0, 2**32))
def test_a_status_that_cannot_be_read_becomes_a_condition(seed: int) -> None:
    asyncio.run(unreadable_statuses_are_told(OtherStatuses(seed, NAMESPACE).stored()))


async def unreadable_statuses_are_told(objects: list[JsonObject]) -> None:
    operator = Operator()
    for raw in objects:
        if is_accepted({name: part for name, part in raw.items() if name != "status"}):
            see(operator, operator.cluster.put(raw))
    failures = await live(operator, may_fail=True)
    for key, failure in failures.items():
        raw = operator.cluster.find(key.kind, key.name)
        assert raw is None or has_ended(raw) or tells(raw, failure), (raw, failure)


def is_accepted(raw: JsonObject) -> bool:
    """Return whether the API server would store an object."""
    schema = SCHEMAS.get(raw["kind"])
    return schema is None or not any(broken_rules(raw, schema, ()))


def see(operator: Operator, stored: JsonObject) -> None:
    """Let the operator see an object, as it reads it from its watch."""
    operator.intake.changed(kind_of(stored), bounded_object(json.dumps(stored)))


def tells(raw: JsonObject, failure: str) -> bool:
    """Return whether the status of an object says why it cannot be planned."""
    conditions = [each for each in raw["status"].get("conditions", ()) if each]
    texts = [raw["status"].get("message"), *(each.get("message") for each in conditions)]
    return any("cannot plan this" in (text or "") for text in texts)


async def live(operator: Operator, *, may_fail: bool = False) -> dict[Key, str]:
    """Reconcile everything a few times; return what could not be planned the last time."""
    failures: dict[Key, str] = {}
    for _ in range(3):
        await work(operator, failures)
        assert may_fail or not failures, failures
        operator.timers.pass_time(10)
    return failures


def same(one: JsonObject, other: JsonObject) -> bool:
    return one["metadata"]["name"] == other["metadata"]["name"]


def speaks(raw: JsonObject) -> bool:
    status: JsonObject = raw.get("status") or {}
    said = status.get("conditions") or status.get("message") or status.get("handledAt")
    return bool(said) or "left" in status


async def work(operator: Operator, failures: dict[Key, str]) -> None:
    """Reconcile what waits. What is tried again later is not waited for."""
    for _ in range(20 * OBJECTS):
        if not len(operator.queue):
            return
        key = await operator.queue.get()
        assert key is not None
        failures.pop(key, None)
        try:
            await operator.reconciler.reconcile(key)
        except RetryLater:
            pass
        except PlanFailed as failure:
            failures[key] = str(failure)
        finally:
            operator.queue.done(key)


@hostile
@given(st.integers(0, 2**32))
def test_no_plan_of_a_durable_log_raises(seed: int) -> None:
    """Also when its spec and its status are all that the API server would store."""
    made = Hostile(seed, NAMESPACE)
    schema: JsonObject = SCHEMAS["DurableLog"]["properties"]
    log = page()
    for part in ("spec", "status"):
        log[part] = made.value(schema[part], part)
    calls: JsonObject = schema["spec"]["properties"]["calls"]["items"]
    conditions: JsonObject = calls["properties"]["waitFor"]["items"]["properties"]
    log["spec"]["calls"] = [
        {
            **made.value(calls, "call"),
            "node": made.pick((1, 2, 3)),
            "kind": made.pick(("WaitFor", "Run", "Memo")),
            "waitFor": [
                {name: made.value(conditions[name], name)}
                for name in made.sample(("event", "sleepSeconds"), 2)
            ],
        }
        for _ in range(3)
    ]
    events = [made.of_kind("WorkflowEvent") for _ in range(4)]
    if is_accepted(log):
        stored_events = [each for each in events if is_accepted(each)]
        plan = answered(
            lambda known: plan_durable_log(
                ObservedDurableLog(log, run(), stored_events, answers=known), NOW
            )
        )
        status = plan.status if plan.status is not None else log["status"]
        assert plan.status is None or is_accepted({**log, "status": plan.status})
        assert waits_over([{**log, "status": status}]) <= len(log["spec"].get("calls", ()))
