"""What a pod loads before the user's file, and for a task that asks nothing of the cluster."""

from typing import cast

import pytest

from tests.unit.runner.conftest import Pod

MAX_MODULES = 25
pytestmark = pytest.mark.usefixtures("unmeasured")


def loaded(task_pod: Pod, code: str) -> list[str]:
    """Run a task that returns the names of modules."""
    return cast("list[str]", task_pod.run(code).output)


def test_the_runner_imports_few_modules_before_the_users_file(connected_pod: Pod) -> None:
    ours = loaded(
        connected_pod,
        """
        import sys

        OURS = [each for each in sys.modules if each.split(".")[0] == "podhatch"]

        def charge(input, ctx):
            return OURS
        """,
    )
    assert "podhatch.runner.loader" in ours
    assert len(ours) <= MAX_MODULES, ours


def test_the_runner_imports_no_data_classes_before_the_users_file(connected_pod: Pod) -> None:
    modules = loaded(
        connected_pod,
        """
        import sys

        LOADED = [*sys.modules]

        def charge(input, ctx):
            return LOADED
        """,
    )
    assert not {"asyncio", "dataclasses", "datetime", "inspect", "traceback"} & {*modules}


def test_a_pod_loads_no_client_for_a_task_that_does_not_use_the_cluster(task_pod: Pod) -> None:
    unwanted = loaded(
        task_pod,
        """
        import sys
        from podhatch import Context, Hatchet
        from pydantic import BaseModel

        hatchet = Hatchet()

        class Order(BaseModel):
            id: int

        orders = hatchet.workflow(name="Orders", input_validator=Order)

        @orders.task(retries=3)
        def charge(input: Order, ctx: Context) -> list[str]:
            heavy = ("aiohttp", "asyncio", "croniter", "kubernetes", "podhatch.cluster", "yaml")
            return [each for each in sys.modules if each.startswith(heavy)]
        """,
    )
    assert unwanted == []
