"""Whatever objects a cluster holds, no plan raises past the reconciler, and each says something."""

import asyncio
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.cli.lint.schema import broken_rules
from podhatch.cluster import kind_of
from podhatch.cluster.bounded import bounded_object
from podhatch_operator.queue.workers import PlanFailed, RetryLater

from tests.property.hostile import SCHEMAS, Hostile
from tests.property.test_runs import thorough
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator

WITH_STATUS = ("Workflow", "WorkflowRun", "WorkflowEvent", "EventFilter", "CronWorkflow")
OBJECTS = 12


@settings(parent=thorough, max_examples=250)
@given(st.integers(0, 2**32))
def test_every_object_gets_a_status_or_a_condition(seed: int) -> None:
    asyncio.run(every_object_speaks(seed))


async def every_object_speaks(seed: int) -> None:
    operator = Operator()
    for raw in Hostile(seed, NAMESPACE).objects(OBJECTS):
        taken = any(same(raw, other) for other in operator.cluster.objects(raw["kind"]))
        if not taken and not any(broken_rules(raw, SCHEMAS[raw["kind"]], ())):
            stored = await operator.cluster.create_as_user(raw)
            operator.intake.changed(kind_of(raw), bounded_object(json.dumps(stored)))
    for _ in range(3):
        await work(operator)
        operator.timers.pass_time(10)
    for kind in WITH_STATUS:
        for raw in operator.cluster.objects(kind):
            assert speaks(raw), raw


def same(one: JsonObject, other: JsonObject) -> bool:
    return one["metadata"]["name"] == other["metadata"]["name"]


def speaks(raw: JsonObject) -> bool:
    status: JsonObject = raw.get("status") or {}
    return bool(status.get("conditions") or status.get("message") or status.get("handledAt"))


async def work(operator: Operator) -> None:
    """Reconcile what waits. What is tried again later is not waited for."""
    for _ in range(20 * OBJECTS):
        if not len(operator.queue):
            return
        key = await operator.queue.get()
        assert key is not None
        try:
            await operator.reconciler.reconcile(key)
        except RetryLater:
            pass
        except PlanFailed as failure:
            pytest.fail(f"{key}: {failure}")
        finally:
            operator.queue.done(key)
