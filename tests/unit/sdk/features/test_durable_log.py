"""A durable task is reset to a call of its log."""

import asyncio
from collections.abc import Callable

import pytest
from podhatch import Hatchet, RequestRefused
from podhatch.api.durable_log import DurableLog
from podhatch.api.model import JsonObject
from podhatch.client import background_loop
from podhatch.cluster import DURABLE_LOG, WORKFLOW_RUN, Kind

from tests.unit.sdk.conftest import Stage
from tests.unit.sdk.features.logs import create_log

PutLog = Callable[..., str]
MOMENT = "2026-11-23T12:00:00.000000Z"


def call(node: int, branch: int = 1, **more: object) -> JsonObject:
    return {"node": node, "branch": branch, "kind": "Memo", "key": "k", "at": MOMENT, **more}


def value(node: int, text: str = "1") -> JsonObject:
    return {"node": node, "value": text}


def page(*calls: JsonObject, **spec: object) -> JsonObject:
    return {"calls": list(calls), **spec}


@pytest.fixture
def put_log(stage: Stage) -> PutLog:
    """Return a function that puts a run of one task, and its log, and returns the log's name."""

    def put(*pages: JsonObject) -> str:
        status = {"phase": "Succeeded"}
        task = {"name": "approve", "state": "Succeeded", "attempt": 4}
        return background_loop.wait(create_log(stage.cluster, status, task, *pages))

    return put


def specs(stage: Stage) -> list[JsonObject]:
    logs = [DurableLog.model_validate(each) for each in stage.cluster.objects("DurableLog")]
    return [log.spec.to_wire() for log in sorted(logs, key=lambda log: log.spec.page)]


def nodes(spec: JsonObject) -> list[int]:
    return [each["node"] for each in spec["calls"]]


def test_the_calls_from_the_node_on_are_removed_and_the_run_starts_over(
    stage: Stage, hatchet: Hatchet, put_log: PutLog
) -> None:
    put_log(page(call(1, label="first"), call(2), call(3), values=[value(1), value(3)]))
    reference = hatchet.runs.reset_durable_task("one", 2)
    [spec] = specs(stage)
    assert nodes(spec) == [1]
    assert spec["calls"][0]["label"] == "first"
    assert spec["values"] == [value(1)]
    assert (spec["branch"], spec["invocation"]) == (2, 5)
    assert reference.workflow_run_id == "one"
    assert stage.run["spec"]["replay"] == {"count": 1, "failedOnly": False, "task": "approve"}


def test_a_replay_after_a_reset_is_one_of_all_tasks(
    stage: Stage, hatchet: Hatchet, put_log: PutLog
) -> None:
    put_log(page(call(1)))
    hatchet.runs.reset_durable_task("one", 1)
    hatchet.runs.replay("one")
    assert stage.run["spec"]["replay"] == {"count": 2, "failedOnly": False}


async def test_the_twin_for_event_loops_resets_too(
    stage: Stage, hatchet: Hatchet, put_log: PutLog
) -> None:
    await asyncio.to_thread(put_log, page(call(1), call(2)))
    await hatchet.runs.aio_reset_durable_task("one/approve", node_id=1, branch_id=1)
    [spec] = specs(stage)
    assert (spec.get("calls", []), spec["branch"]) == ([], 2)


def test_later_pages_go_and_values_of_earlier_calls_are_kept(
    stage: Stage, hatchet: Hatchet, put_log: PutLog
) -> None:
    put_log(
        page(call(1), call(2), closed=True, values=[value(1)]),
        page(call(3), call(4), closed=True, branch=3),
        page(call(5), branch=3, values=[value(2), value(4), value(5)]),
        page(branch=3, cancelled=[1, 3, 4, 5]),
    )
    hatchet.runs.reset_durable_task("one", 4)
    first, second = specs(stage)
    assert (nodes(first), first["closed"]) == ([1, 2], True)
    assert (nodes(second), second.get("closed", False)) == ([3], False)
    assert second["values"] == [value(2)]
    assert second["cancelled"] == [1, 3]
    assert (second["branch"], second["invocation"]) == (4, 5)


def test_a_reset_to_a_call_of_an_earlier_page_reads_no_further(
    stage: Stage, hatchet: Hatchet, put_log: PutLog
) -> None:
    put_log(page(call(1), closed=True), page(call(2), closed=True), page(call(3)))
    hatchet.runs.reset_durable_task("one", 1)
    [spec] = specs(stage)
    assert (spec.get("calls", []), spec.get("closed", False)) == ([], False)


def test_a_pod_that_still_writes_loses_the_log_first(
    stage: Stage, hatchet: Hatchet, put_log: PutLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = put_log(page(call(1), call(2)))
    patch, raced = stage.cluster.merge_patch, list[str]()

    async def next_page_comes(
        kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        """The pod closes page 0 and creates page 1 just before the first patch."""
        if kind == DURABLE_LOG and not raced:
            raced.append(name)
            [first] = stage.cluster.objects("DurableLog")
            await patch(kind, namespace, name, {"spec": {"closed": True}})
            kept = {each: first["metadata"][each] for each in ("namespace", "labels")}
            spec = {**first["spec"], "page": 1, "calls": [call(3)]}
            await stage.cluster.create(
                {**first, "metadata": {**kept, "name": f"{log}-1"}, "spec": spec}
            )
        if kind == WORKFLOW_RUN:
            assert all(spec["invocation"] == 5 for spec in specs(stage))
        return await patch(kind, namespace, name, body)

    monkeypatch.setattr(stage.cluster, "merge_patch", next_page_comes)
    hatchet.runs.reset_durable_task("one", 2)
    [spec] = specs(stage)
    assert raced
    assert (nodes(spec), spec.get("closed", False)) == ([1], False)


@pytest.mark.parametrize(
    ("node", "branch", "why"),
    [
        (4, None, "the log of task approve of run one has no call 4"),
        (0, None, "the log of task approve of run one has no call 0"),
        (3, 1, "call 3 is of branch 2, not 1"),
    ],
)
def test_a_call_that_the_log_does_not_have_is_refused(
    stage: Stage, hatchet: Hatchet, put_log: PutLog, node: int, branch: int | None, why: str
) -> None:
    put_log(page(call(1), call(2), closed=True), page(call(3, branch=2), branch=2))
    with pytest.raises(RequestRefused, match=why):
        hatchet.runs.reset_durable_task("one", node, branch)
    assert [nodes(spec) for spec in specs(stage)] == [[1, 2], [3]]
    assert "replay" not in stage.run["spec"]


def test_a_task_without_a_log_is_refused(stage: Stage, hatchet: Hatchet, put_log: PutLog) -> None:
    put_log()
    with pytest.raises(RequestRefused, match="task approve of run one has no log: it is not dura"):
        hatchet.runs.reset_durable_task("one", 1)
    assert "replay" not in stage.run["spec"]
