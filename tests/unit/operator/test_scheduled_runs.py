"""Scheduled runs are woken at their time, by the operator that saw them or by its successor."""

from datetime import timedelta

from podhatch.api.model import JsonObject, format_time

from tests.unit.operator.manifests import run, workflow
from tests.unit.operator.operator import RUN, START, Operator


def scheduled(seconds: float) -> JsonObject:
    made = run()
    start = format_time(START + timedelta(seconds=seconds))
    return {**made, "spec": {**made["spec"], "startAt": start}}


async def test_a_run_is_looked_at_when_its_time_has_come(operator: Operator) -> None:
    await operator.user_creates(workflow(), scheduled(2 * 3600))
    await operator.work()
    operator.timers.pass_time(1)
    await operator.work()
    assert operator.status()["conditions"][0]["reason"] == "Scheduled"
    for _ in range(2):
        operator.timers.pass_time(3599)
        await operator.work()
        assert operator.jobs() == []
    operator.timers.pass_time(2)
    assert RUN in await operator.work()
    assert len(operator.jobs()) == 1


async def test_another_time_replaces_the_appointment(operator: Operator) -> None:
    await operator.user_creates(workflow(), scheduled(60))
    await operator.work()
    await operator.user_patches({"startAt": scheduled(30)["spec"]["startAt"]})
    await operator.work()
    operator.timers.pass_time(30)
    await operator.work()
    assert len(operator.jobs()) == 1


async def test_the_next_operator_starts_what_was_missed(operator: Operator) -> None:
    await operator.user_creates(workflow(), scheduled(60))
    await operator.work()
    operator.timers.pass_time(600)
    successor = Operator(operator.cluster, operator.timers)
    successor.clock_begins(operator)
    for kind in ("Workflow", "WorkflowRun"):
        for raw in operator.cluster.objects(kind):
            successor.see(raw)
    await successor.work()
    assert len(successor.jobs()) == 1
