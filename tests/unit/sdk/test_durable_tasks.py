"""Durable tasks: what their definition holds, and what is refused."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
import yaml
from podhatch import (
    Context,
    DurableContext,
    EvictionNotSupportedError,
    EvictionPolicy,
    Hatchet,
    PodhatchError,
    SleepCondition,
    Workflow,
)
from podhatch.api.limits import MAX_SECONDS
from podhatch.api.workflow import WorkflowSpec

SUBJECT = "workflow 'orders', task 'approve'"


async def approve(input: Any, ctx: DurableContext) -> int:
    await ctx.aio_sleep_for("30d")
    return 1


def prepare(input: Any, ctx: Context) -> None: ...


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Any]:
    return hatchet.workflow("orders", image="shop:1")


def task_of(workflow: Workflow[Any], name: str = "approve") -> dict[str, Any]:
    spec = yaml.safe_load(workflow.to_yaml())["spec"]
    WorkflowSpec.model_validate(spec)
    [task] = [task for task in spec["tasks"] if task["name"] == name]
    return task


def refusal(define: Callable[[], object]) -> str:
    with pytest.raises(ValueError, match=SUBJECT) as refused:
        define()
    return str(refused.value)


class TestManifest:
    def test_a_durable_task_may_write_its_log_and_waits_15_seconds_in_its_pod(
        self, orders: Workflow[Any]
    ) -> None:
        task = orders.durable_task()(approve)
        assert task.is_durable
        assert task_of(orders)["durable"] == {}, "15 seconds is the default of the CRD"
        assert task_of(orders)["clusterAccess"] == "spawn"

    def test_a_plain_task_has_no_durable_settings(self, orders: Workflow[Any]) -> None:
        task = orders.task()(prepare)
        assert not task.is_durable
        assert "durable" not in task_of(orders, "prepare")
        assert task_of(orders, "prepare").get("clusterAccess") != "spawn"

    @pytest.mark.parametrize(
        ("policy", "seconds"),
        [
            (EvictionPolicy(timedelta(seconds=1), allow_capacity_eviction=True, priority=0), 1),
            (EvictionPolicy(ttl="1m30s"), 90),
            (EvictionPolicy(None), MAX_SECONDS),
            (None, MAX_SECONDS),
        ],
    )
    def test_the_policy_says_how_long_the_pod_stays(
        self, orders: Workflow[Any], policy: EvictionPolicy | None, seconds: float
    ) -> None:
        orders.durable_task(eviction_policy=policy)(approve)
        assert task_of(orders)["durable"] == {"evictionTtlSeconds": seconds}

    def test_the_other_options_are_those_of_a_task(self, orders: Workflow[Any]) -> None:
        first = orders.task()(prepare)
        orders.durable_task(
            "Approve",
            parents=[first],
            retries=2,
            backoff_factor=2,
            backoff_max_seconds=9,
            schedule_timeout="1m",
            execution_timeout="2m",
            concurrency=3,
            desired_worker_labels={"disk": "ssd"},
            wait_for=[SleepCondition("1s")],
        )(approve)
        task = task_of(orders)
        assert (task["parents"], task["retries"], task["waitFor"][0]["sleepSeconds"]) == (
            ["prepare"],
            2,
            1,
        )
        assert (task["backoffFactor"], task["backoffMaxSeconds"]) == (2, 9)
        assert (task["scheduleTimeoutSeconds"], task["executionTimeoutSeconds"]) == (60, 120)
        assert task["concurrency"][0]["maxRuns"] == 3
        assert task["desiredWorkerLabels"][0]["key"] == "disk"

    def test_a_standalone_task_can_be_durable(self, hatchet: Hatchet) -> None:
        alone = hatchet.durable_task(
            "Wait", eviction_policy=EvictionPolicy("1h"), on_events=["paid"], image="shop:1"
        )(approve)
        assert alone.task.is_durable
        assert task_of(alone.workflow, "wait")["durable"] == {"evictionTtlSeconds": 3600}
        assert alone.workflow.settings.on_events == ("paid",)

    def test_a_copy_of_a_durable_task_is_durable(
        self, hatchet: Hatchet, orders: Workflow[Any]
    ) -> None:
        orders.add_task(hatchet.durable_task()(approve))
        assert task_of(orders)["durable"] == {}, "15 seconds is the default of the CRD"


class TestRefusals:
    @pytest.mark.parametrize("access", ["none", "report", False])
    def test_a_durable_task_without_access_for_its_log_is_refused(
        self, orders: Workflow[Any], access: Any
    ) -> None:
        message = refusal(lambda: orders.durable_task(cluster_access=access)(approve))
        assert message.startswith(f"{SUBJECT}: cluster_access: a durable task writes a log, which ")

    @pytest.mark.parametrize("access", ["spawn", True])
    def test_the_access_that_it_needs_may_be_written(
        self, orders: Workflow[Any], access: Any
    ) -> None:
        orders.durable_task(cluster_access=access)(approve)
        assert task_of(orders)["clusterAccess"] == "spawn"

    @pytest.mark.parametrize(
        ("policy", "why"),
        [
            ("15s", ": expected an EvictionPolicy or None, got '15s'"),
            (EvictionPolicy("soon"), ".ttl: expected a timedelta or a duration such as '1h30m' or"),
            (
                EvictionPolicy(timedelta(0)),
                ".ttl: datetime.timedelta(0) is out of range: from 1 ms",
            ),
        ],
    )
    def test_a_policy_that_is_not_valid_is_refused(
        self, orders: Workflow[Any], policy: Any, why: str
    ) -> None:
        message = refusal(lambda: orders.durable_task(eviction_policy=policy)(approve))
        assert message.startswith(f"{SUBJECT}: eviction_policy{why}")

    def test_a_plain_task_has_no_policy(self, orders: Workflow[Any]) -> None:
        options: Any = {"eviction_policy": EvictionPolicy("1m")}
        with pytest.raises(TypeError, match="eviction_policy"):
            orders.task(**options)(prepare)

    def test_the_decorators_need_parentheses(self, hatchet: Hatchet, orders: Workflow[Any]) -> None:
        bare: Any = approve
        for decorator in (orders.durable_task, hatchet.durable_task):
            with pytest.raises(TypeError, match=r"durable_task\(\)"):
                decorator(bare)


def test_code_of_hatchet_can_catch_what_is_never_raised() -> None:
    assert issubclass(EvictionNotSupportedError, PodhatchError)
