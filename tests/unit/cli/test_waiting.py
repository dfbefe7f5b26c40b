"""Why runs and tasks wait, as `podhatch get` shows what the operator has written."""

import pytest
from podhatch.api.run import WorkflowRun
from podhatch.cli.rendering.tree import run_tree

from tests.unit.cli.runs import text_of
from tests.unit.operator.manifests import python
from tests.unit.operator.operator import Operator
from tests.unit.operator.test_rate_limits import Limited


@pytest.fixture
def team() -> Limited:
    return Limited(Operator())


def shown(team: Limited, run: str) -> list[str]:
    """Return the lines of a run from its phase on, each with single spaces."""
    raw = team.operator.cluster.find("WorkflowRun", run)
    now = team.operator.context.now()
    picture = text_of(run_tree(WorkflowRun.model_validate(raw), {}, now), width=160)
    lines = [" ".join(line.split()) for line in picture.splitlines()]
    return lines[lines.index("Workflow: flow") + 1 :]


async def test_a_run_says_who_holds_its_slots_and_how_many_are_ahead(team: Limited) -> None:
    await team.deploy({"expression": "input.tenant", "maxRuns": 2})
    await team.start(*(f"import-{number}" for number in range(5)), input={"tenant": "tenant-7"})
    assert shown(team, "import-4") == [
        "Phase: ◷ Pending",
        'Message: Concurrency: 2 of 2 slots of "tenant-7" are taken by import-0 and import-1; '
        "2 are ahead",
    ]


async def test_a_task_says_who_holds_its_slots_and_how_many_are_ahead(team: Limited) -> None:
    await team.deploy(tasks=[{**python("load"), "concurrency": [{"maxRuns": 1}]}])
    await team.start("one", "two", "three")
    assert shown(team, "three")[-1].endswith(
        'Concurrency: 1 of 1 slots of task "load" is taken by one/load; 1 is ahead'
    )


async def test_a_task_says_how_many_units_are_left_and_how_many_are_ahead(team: Limited) -> None:
    await team.put(5, "mail", duration="HOUR")
    await team.deploy_task({"staticKey": "mail", "units": 3})
    await team.start("one", "two", "three")
    assert shown(team, "three")[-1].endswith(
        "RateLimit: needs 3 units of 'mail': 2 of 5 are left until 2026-11-23 13:00:06 UTC; "
        "1 is ahead"
    )
