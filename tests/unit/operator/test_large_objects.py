"""Objects that are too large to be held, and large values that are held as bytes."""

import json
import tracemalloc
from typing import Any

import pytest
from podhatch.api import labels
from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.cluster import CONTROLLER_REVISION, JOB, WORKFLOW_EVENT, WORKFLOW_RUN
from podhatch.cluster.bounded import bounded_object
from podhatch.core.common.observed import Defaults
from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.trimming import MAX_UNPACKED_BYTES, Packed, newest_unpacked, unpacked
from podhatch_operator.controllers.event import EventController
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key
from podhatch_operator.watch.handlers import BoundedLines
from podhatch_operator.watch.resync import Resync

from tests.unit.operator.objects import NAMESPACE, child, metadata, revision, run
from tests.unit.operator.operator import Operator

WHY = "the object has 1400000 bytes"
DAY = 86_400


def event(payload: Any, name: str = "one", version: int = 1) -> JsonObject:
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowEvent",
        "metadata": metadata(name, version),
        "spec": {"key": "paid", "payload": payload},
    }


def cut(kind: str, version: int = 1) -> JsonObject:
    raw = {"apiVersion": labels.API_VERSION, "kind": kind, "metadata": metadata("one", version)}
    return {**raw, "spec": {"workflow": UNREADABLE, "key": UNREADABLE}, UNREADABLE: WHY}


def tiny_objects(size: int) -> JsonObject:
    """Return a value whose JSON has about so many bytes."""
    return {"list": [{"a": 1}] * (size // 8)}


@pytest.fixture
def operator() -> Operator:
    return Operator(defaults=Defaults("runner:test", run_ttl_seconds=DAY))


async def seen(operator: Operator, kind: str) -> JsonObject:
    """Let the operator see a cut object that is whole in the cluster; return its status."""
    whole = {**cut(kind), "spec": {"workflow": "flow", "key": "paid"}}
    stored = await operator.cluster.create_as_user(whole)
    operator.see({**cut(kind), "metadata": stored["metadata"]})
    await operator.work()
    (raw,) = operator.cluster.objects(kind)
    return raw["status"]


@pytest.mark.parametrize("kind", ["Workflow", "CronWorkflow", "EventFilter"])
async def test_an_object_that_is_too_large_is_not_valid(operator: Operator, kind: str) -> None:
    status = await seen(operator, kind)
    (condition,) = status["conditions"]
    assert (condition["type"], condition["status"]) == ("Valid", "False")
    assert (condition["reason"], condition["message"]) == ("ObjectTooLarge", WHY)
    operator.queue.add(Key(kind, NAMESPACE, "one"))
    await operator.work()
    assert operator.cluster.order.count(f"update {kind}") == 1


async def test_a_run_that_is_too_large_fails_and_is_deleted_in_time(operator: Operator) -> None:
    status = await seen(operator, "WorkflowRun")
    assert (status["phase"], status["message"]) == ("Failed", WHY)
    assert [(each["type"], each["status"]) for each in status["conditions"]] == [
        ("Accepted", "False"),
        ("Failed", "True"),
    ]
    operator.timers.pass_time(DAY - 10)
    await operator.work()
    assert operator.cluster.order == ["update WorkflowRun"]
    operator.timers.pass_time(20)
    await operator.work()
    assert operator.cluster.objects("WorkflowRun") == []


async def test_an_event_that_is_too_large_starts_nothing_and_is_deleted_in_time(
    operator: Operator,
) -> None:
    status = await seen(operator, "WorkflowEvent")
    assert status["message"] == WHY
    assert "handledAt" in status
    operator.timers.pass_time(DAY + 10)
    await operator.work()
    assert operator.cluster.objects("WorkflowEvent") == []


async def test_a_run_of_a_workflow_that_is_too_large_waits_and_says_why(
    operator: Operator,
) -> None:
    operator.see({**cut("Workflow"), "metadata": metadata("flow", 1)})
    await operator.user_creates(run())
    operator.timers.pass_time(10)
    await operator.reconciler.reconcile(Key("WorkflowRun", NAMESPACE, "run"))
    (condition,) = operator.status()["conditions"]
    assert condition["reason"] == "WorkflowInvalid"
    assert WHY in condition["message"]


def test_of_an_object_without_a_status_the_version_alone_is_held() -> None:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    for kind, raw in ((JOB, child("Job", "one")), (CONTROLLER_REVISION, revision("one"))):
        assert cache.apply(kind, {**raw, "spec": {}, UNREADABLE: WHY})
        assert cache.get(kind, (NAMESPACE, "one")) is None
        assert cache.version(kind, (NAMESPACE, "one")) == 1


async def test_what_the_list_cuts_is_held_as_cut(operator: Operator) -> None:
    resync = Resync(
        operator.context.cluster,
        WATCH_LIST.selectors,
        operator.cache,
        operator.intake,
        operator.metrics,
    )
    await operator.cluster.create_as_user(event(1))
    await resync.list_all()
    assert operator.cache.count(WORKFLOW_EVENT) == 1


def test_large_payloads_are_held_as_bytes_and_shown_as_they_are() -> None:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    payload = tiny_objects(200_000)
    cache.apply(WORKFLOW_EVENT, event(payload))
    held = cache.get(WORKFLOW_EVENT, (NAMESPACE, "one"))
    assert held is not None
    assert isinstance(held["spec"]["payload"], Packed)
    observed = EventController.observe(cache, NAMESPACE, "one")
    assert observed is not None
    assert observed.event["spec"]["payload"] == payload


def test_the_input_of_a_run_is_held_until_it_is_over() -> None:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    value = tiny_objects(100_000)
    raw = {**run(), "spec": {"workflow": "flow", "input": value}}
    cache.apply(WORKFLOW_RUN, raw)
    observed = RunController.observe(cache, NAMESPACE, "run")
    assert observed is not None
    assert observed.run["spec"]["input"] == value
    over = {**run(2, phase="Succeeded"), "spec": raw["spec"]}
    cache.apply(WORKFLOW_RUN, over)
    held = cache.get(WORKFLOW_RUN, (NAMESPACE, "run"))
    assert held is not None
    assert "input" not in held["spec"]
    again = {**over["spec"], "replay": {"count": 1}}
    cache.apply(WORKFLOW_RUN, {**over, "metadata": metadata("run", 3), "spec": again})
    observed = RunController.observe(cache, NAMESPACE, "run")
    assert observed is not None
    assert observed.run["spec"]["input"] == value


def test_a_small_payload_is_held_as_it_is() -> None:
    raw = event({"a": 1})
    assert unpacked(WORKFLOW_EVENT, raw) is raw


async def test_an_event_with_too_large_a_payload_says_so(operator: Operator) -> None:
    await operator.user_creates(event({"text": "x" * MAX_INPUT_BYTES}))
    await operator.work()
    (raw,) = operator.cluster.objects("WorkflowEvent")
    assert "spec.payload: " in raw["status"]["message"]
    held = operator.cache.get(WORKFLOW_EVENT, (NAMESPACE, "one"))
    assert held is not None
    assert held["spec"] == {"key": "paid"}


def test_of_many_large_events_the_newest_are_shown() -> None:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    for number in range(1, 21):
        payload = tiny_objects(200_000) if number > 1 else {}
        cache.apply(WORKFLOW_EVENT, event(payload, f"e{number}", number))
    cache.apply(WORKFLOW_EVENT, {**cut("WorkflowEvent", 99)})
    held = [*cache.group(WORKFLOW_EVENT, NAMESPACE, "paid").values()]
    names = [raw["metadata"]["name"] for raw in newest_unpacked(held)]
    count = MAX_UNPACKED_BYTES // 200_000
    assert names == [f"e{number}" for number in range(20, 20 - count, -1)] + ["e1"]


def test_a_flood_of_fat_events_takes_little_memory() -> None:
    cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
    tracemalloc.start()
    try:
        for number in range(10):
            size = 1_400_000 if number == 0 else 250_000
            raw = event({"list": []}, f"e{number}", number + 1)
            text = json.dumps(raw).replace("[]", "[" + ",".join(['{"a":1}'] * (size // 8)) + "]")
            cache.apply(WORKFLOW_EVENT, bounded_object(text))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 500_000


class Content:
    """What aiohttp gives: chunks that end anywhere."""

    def __init__(self, *chunks: bytes) -> None:
        self._chunks = chunks

    async def iter_chunked(self, size: int) -> Any:
        for chunk in self._chunks:
            yield chunk[:size]

    def exception(self) -> str:
        return "none"


async def test_a_watch_yields_whole_lines_none_of_which_is_too_long() -> None:
    raw = json.dumps(event("x" * 1_400_000))
    line = f'{{"type":"ADDED","object":{raw}}}\n'.encode()
    content: Any = Content(b'{"a"', b":1}\n" + line[:99], line[99:], b"rest")
    bounded = BoundedLines(content, lambda _: False)
    read = [each async for each in bounded.iter_chunked(10_000_000)]
    assert read[0] == b'{"a":1}\n'
    assert UNREADABLE in json.loads(read[1])["object"]
    assert len(read) == 2
    assert bounded.exception() == "none"
