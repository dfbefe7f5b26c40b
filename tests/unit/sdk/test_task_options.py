"""Retries, defaults, pods and hooks: what a definition holds, and what is refused."""

from collections.abc import Callable
from typing import Any

import pytest
import yaml
from podhatch import Context, Hatchet, Pod, StickyStrategy, TaskDefaults, Workflow
from podhatch.task.handle import find_task


def work(input: Any, ctx: Context) -> None: ...


def spec_of(workflow: Workflow[Any]) -> dict[str, Any]:
    return yaml.safe_load(workflow.to_yaml())["spec"]


def refusal(define: Callable[[], object], error: type[Exception] = ValueError) -> str:
    with pytest.raises(error) as refused:
        define()
    return str(refused.value)


@pytest.fixture
def orders(hatchet: Hatchet) -> Workflow[Any]:
    return hatchet.workflow("orders", image="shop:1")


class TestRetries:
    def test_the_retries_of_a_task_are_written_out(self, orders: Workflow[Any]) -> None:
        orders.task(
            "ship", retries=3, backoff_factor=2.5, backoff_max_seconds=60, backoff_jitter=0.5
        )(work)
        [task] = spec_of(orders)["tasks"]
        assert (task["retries"], task["backoffFactor"]) == (3, 2.5)
        assert (task["backoffMaxSeconds"], task["backoffJitter"]) == (60, 0.5)

    def test_the_retries_of_a_standalone_are_its_tasks(self, hatchet: Hatchet) -> None:
        ship = hatchet.task("ship", retries=3, image="shop:1")(work)
        assert spec_of(ship.workflow)["tasks"][0]["retries"] == 3

    @pytest.mark.parametrize(
        ("option", "value", "range_"),
        [
            ("retries", -1, "a whole number from 0 to 100"),
            ("retries", 101, "a whole number from 0 to 100"),
            ("retries", 1.0, "a whole number from 0 to 100"),
            ("retries", True, "a whole number from 0 to 100"),
            ("backoff_factor", 0.5, "a number from 1 to 1000"),
            ("backoff_factor", 1001, "a number from 1 to 1000"),
            ("backoff_max_seconds", 0, "a whole number from 1 to 86400"),
            ("backoff_max_seconds", 86401, "a whole number from 1 to 86400"),
            ("backoff_jitter", 1.1, "a number from 0 to 1"),
            ("backoff_jitter", float("nan"), "a number from 0 to 1"),
        ],
    )
    def test_a_retry_option_out_of_range_is_refused(
        self, orders: Workflow[Any], option: str, value: object, range_: str
    ) -> None:
        options: Any = {option: value}
        message = refusal(lambda: orders.task("ship", **options)(work))
        place = f"workflow 'orders', task 'ship': {option}"
        assert message == f"{place}: expected {range_}, got {value!r}"


class TestDefaults:
    def test_a_default_holds_where_the_task_says_nothing(self, hatchet: Hatchet) -> None:
        defaults = TaskDefaults(execution_timeout="5m", retries=4, backoff_factor=2)
        orders = hatchet.workflow("orders", task_defaults=defaults)
        plain = orders.task("plain")(work).settings
        assert (plain.execution_timeout_seconds, plain.retries, plain.backoff_factor) == (300, 4, 2)
        assert plain.schedule_timeout_seconds == 300
        own = orders.task("own", execution_timeout="60s", retries=0)(work).settings
        assert (own.execution_timeout_seconds, own.retries, own.backoff_factor) == (60, 0, 2)
        assert orders.on_failure_task("undo")(work).settings.retries == 4

    def test_a_default_is_checked_like_an_option(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders", task_defaults=TaskDefaults(retries=200))
        message = refusal(lambda: orders.task("ship")(work))
        assert message.startswith(
            "workflow 'orders', task 'ship': retries: expected a whole number from 0 to 100"
        )

    def test_a_standalone_has_no_defaults_for_tasks(self, hatchet: Hatchet) -> None:
        options: Any = {"task_defaults": TaskDefaults()}
        message = refusal(lambda: hatchet.task("ship", **options)(work), TypeError)
        assert "there is no option 'task_defaults'" in message


class TestPods:
    def test_a_workflow_and_a_task_have_pod_settings(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow(
            "orders",
            image="shop:1",
            pod=Pod(node_selector={"disk": "ssd"}, image_pull_secrets=["registry"]),
            sticky=StickyStrategy.HARD,
            ttl_seconds_after_finished=0,
        )
        token = {"secretKeyRef": {"name": "shop", "key": "token"}}
        toleration = {"key": "gpu", "operator": "Exists"}
        orders.task(
            "ship",
            pod=Pod(
                requests={"cpu": "500m"},
                limits={"memory": "1Gi"},
                tolerations=[toleration],
                service_account_name="shipper",
                env={"MODE": "fast", "TOKEN": token},
                env_from=[{"configMapRef": {"name": "shop"}}],
                volumes=[{"name": "cache", "emptyDir": {}}],
                volume_mounts=[{"name": "cache", "mountPath": "/cache"}],
                job_labels={"kueue.x-k8s.io/queue-name": "shop"},
                suspend=True,
                pod_template={"spec": {"hostNetwork": True}},
            ),
        )(work)
        spec = spec_of(orders)
        assert spec["pod"] == {
            "nodeSelector": {"disk": "ssd"},
            "imagePullSecrets": [{"name": "registry"}],
        }
        assert (spec["sticky"], spec["ttlSecondsAfterFinished"]) == ("Hard", 0)
        assert spec["tasks"][0]["pod"] == {
            "resources": {"requests": {"cpu": "500m"}, "limits": {"memory": "1Gi"}},
            "tolerations": [toleration],
            "serviceAccountName": "shipper",
            "env": [{"name": "MODE", "value": "fast"}, {"name": "TOKEN", "valueFrom": token}],
            "envFrom": [{"configMapRef": {"name": "shop"}}],
            "volumes": [{"name": "cache", "emptyDir": {}}],
            "volumeMounts": [{"name": "cache", "mountPath": "/cache"}],
            "jobLabels": {"kueue.x-k8s.io/queue-name": "shop"},
            "suspend": True,
            "podTemplate": {"spec": {"hostNetwork": True}},
        }

    def test_the_pod_settings_of_a_standalone_belong_to_its_workflow(
        self, hatchet: Hatchet
    ) -> None:
        ship = hatchet.task("ship", pod=Pod(suspend=True), image="shop:1")(work)
        assert spec_of(ship.workflow)["pod"] == {"suspend": True}

    def test_what_the_object_cannot_hold_is_named(self, orders: Workflow[Any]) -> None:
        limits: Any = {"memory": 1}
        orders.task("ship", pod=Pod(limits=limits))(work)
        assert refusal(orders.to_yaml) == (
            "workflow 'orders', task 'ship': pod.resources.limits.memory: Input should be a valid "
            "string"
        )

    def test_what_the_workflow_cannot_hold_is_named(self, hatchet: Hatchet) -> None:
        orders = hatchet.workflow("orders", image="shop:1", pod=Pod(image_pull_secrets=[""]))
        orders.task("ship")(work)
        message = refusal(orders.to_yaml)
        assert message.startswith("workflow 'orders': pod.image_pull_secrets.0.name: String should")

    @pytest.mark.parametrize(
        ("option", "value"), [("sticky", "Hard"), ("ttl_seconds_after_finished", -1)]
    )
    def test_a_bad_pod_option_of_a_workflow_is_refused(
        self, hatchet: Hatchet, option: str, value: object
    ) -> None:
        options: Any = {option: value}
        message = refusal(lambda: hatchet.workflow("orders", **options))
        assert message.startswith(f"workflow 'orders': {option}: ")
        assert repr(value) in message


class TestHooks:
    def test_hooks_are_written_out_and_found_by_pods(self, orders: Workflow[Any]) -> None:
        orders.task("ship")(work)
        undo = orders.on_failure_task(retries=2, execution_timeout="5s")(work)
        tell = orders.on_success_task("Tell")(work)
        spec = spec_of(orders)
        assert spec["onFailureTask"]["name"] == undo.name == "work-on-failure"
        assert spec["onFailureTask"]["python"].endswith(":work")
        assert (
            spec["onFailureTask"]["retries"],
            spec["onFailureTask"]["executionTimeoutSeconds"],
        ) == (2, 5)
        assert spec["onSuccessTask"]["name"] == tell.name == "tell-on-success"
        assert [task["name"] for task in spec["tasks"]] == ["ship"]
        assert find_task("orders", "tell-on-success") is tell

    def test_a_second_hook_is_refused(self, orders: Workflow[Any]) -> None:
        orders.on_failure_task("undo")(work)
        orders.on_success_task("tell")(work)
        assert refusal(lambda: orders.on_failure_task("again")(work)) == (
            "workflow 'orders': it has <Task undo-on-failure of workflow orders> already"
        )
        assert "tell-on-success" in refusal(lambda: orders.on_success_task("again")(work))

    def test_a_hook_needs_a_name_of_its_own(self, orders: Workflow[Any]) -> None:
        orders.task("undo-on-failure")(work)
        message = refusal(lambda: orders.on_failure_task("undo")(work))
        assert message.startswith("workflow 'orders', task 'undo-on-failure': name: the workflow")

    def test_a_hook_has_no_parents_and_no_conditions(self, orders: Workflow[Any]) -> None:
        options: Any = {"wait_for": []}
        message = refusal(lambda: orders.on_failure_task("undo", **options)(work), TypeError)
        assert message.endswith("there is no option 'wait_for'")
