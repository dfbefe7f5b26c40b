"""The objects a workflow becomes, as `to_yaml()` prints them."""

from datetime import timedelta
from typing import Any

import pytest
from podhatch import Context, DesiredWorkerLabel, Hatchet, WorkerLabelComparator
from podhatch.definitions.manifest.source import locate
from pydantic import BaseModel

GOLDEN = """\
apiVersion: podhatch.dev/v1alpha1
kind: Workflow
metadata:
  name: orders-of-the-day-6nlbbmlb
  namespace: shop
  annotations:
    podhatch.dev/content-hash: HASH
spec:
  name: Orders of the Day
  description: Charges and ships.
  version: '2'
  image: shop:1
  imagePullPolicy: IfNotPresent
  inputSchema:
    properties:
      id:
        title: Id
        type: integer
    required:
    - id
    title: Order
    type: object
  tasks:
  - name: charge
    python: MODULE:charge
    executionTimeoutSeconds: 90.5
    desiredWorkerLabels:
    - key: disk
      value: ssd
      required: true
    - key: memory
      value: '64'
      comparator: GreaterThanOrEqual
      weight: 10
  - name: ship
    python: MODULE:ship
    image: shop:2
    scheduleTimeoutSeconds: 3600.0
    clusterAccess: none
    runAsUser: 0
    parents:
    - charge
"""


class Order(BaseModel):
    id: int


def charge(input: Order, ctx: Context) -> None: ...


def ship(input: Order, ctx: Context) -> None: ...


def define(hatchet: Hatchet, **options: Any) -> Any:
    settings: Any = {"description": "Charges and ships.", "version": "2", "image": "shop:1"}
    return hatchet.workflow("Orders of the Day", input_validator=Order, **{**settings, **options})


def test_the_yaml_of_a_workflow_is_complete() -> None:
    orders = define(Hatchet("shop"), image_pull_policy="IfNotPresent")
    first = orders.task(
        execution_timeout=timedelta(seconds=90.5),
        desired_worker_labels=[
            DesiredWorkerLabel(key="disk", value="ssd", required=True),
            DesiredWorkerLabel(
                key="memory",
                value=64,
                weight=10,
                comparator=WorkerLabelComparator.GREATER_THAN_OR_EQUAL,
            ),
        ],
    )(charge)
    orders.task(
        parents=[first],
        schedule_timeout="1h",
        image="shop:2",
        cluster_access=False,
        run_as_user=0,
    )(ship)
    text = orders.to_yaml()
    module = locate("", charge).python.removesuffix(":charge")
    assert text == GOLDEN.replace("HASH", hash_of(text)).replace("MODULE", module)


def hash_of(text: str) -> str:
    return text.split("content-hash: ")[1].split("\n")[0]


def test_the_hash_of_a_manifest_depends_on_its_content_alone(hatchet: Hatchet) -> None:
    def text(**options: Any) -> str:
        orders = define(hatchet, **options)
        orders.task()(charge)
        return orders.to_yaml()

    assert text() == text()
    assert hash_of(text()) != hash_of(text(version="3"))


def test_a_task_that_is_added_later_is_in_the_yaml(hatchet: Hatchet) -> None:
    orders = define(hatchet)
    orders.task()(charge)
    assert "name: ship" not in orders.to_yaml()
    orders.task()(ship)
    assert "name: ship" in orders.to_yaml()


def test_a_short_name_is_the_name_of_the_object(hatchet: Hatchet) -> None:
    standalone = hatchet.task("ship", input_validator=Order, image="shop:1")(charge)
    text = standalone.to_yaml()
    assert "metadata:\n  name: ship\n" in text
    assert "spec:\n  image: shop:1\n" in text


def test_a_workflow_without_tasks_is_refused(hatchet: Hatchet) -> None:
    with pytest.raises(ValueError, match="workflow 'Orders of the Day' has no task: add one with"):
        define(hatchet).to_yaml()
    with pytest.raises(ValueError, match="has no task"):
        define(hatchet).run({"id": 7})


def test_what_the_objects_cannot_hold_is_named(hatchet: Hatchet) -> None:
    orders = define(hatchet, description="x" * 5000)
    orders.task()(charge)
    with pytest.raises(ValueError, match="workflow 'Orders of the Day': description: String"):
        orders.to_yaml()
