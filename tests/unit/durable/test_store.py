"""The pages of a log: who may write them, and how they follow one another."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest
from podhatch.api.condition import Condition, EventCondition, LeafCondition
from podhatch.api.durable_log import (
    MAX_ENTRY_BYTES,
    MAX_PAGE_ENTRIES,
    DurableCall,
    DurableValue,
)
from podhatch.api.model import JsonObject
from podhatch.cluster import DURABLE_LOG, ApiError, ClusterUnreachable, Kind
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.core.common.text import stored_size
from podhatch.durable.store import LogIdentity, LogStore, TakenOver
from podhatch.errors import InvalidRun, RequestRefused

AT = datetime(2026, 1, 1, tzinfo=UTC)


class Cluster(InMemoryCluster):
    """A cluster that refuses writes, or loses its answers to them, as a test asks."""

    def __init__(self) -> None:
        super().__init__("shop")
        self.refusals: list[ApiError | ClusterUnreachable] = []
        self.lost_answers = 0
        self.after_list: Callable[[], Awaitable[None]] | None = None
        """Done once, between the next list and what follows from it."""
        self.writes: list[str] = []

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        self._begin("create")
        return self._answer(await super().create(manifest, dry_run=dry_run))

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        self._begin("patch")
        return self._answer(await super().merge_patch(kind, namespace, name, body))

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> tuple[list[JsonObject], str]:
        found = await super().list(kind, namespace, label_selector=label_selector)
        if act := self.after_list:
            self.after_list = None
            await act()
        return found

    def _begin(self, verb: str) -> None:
        self.writes.append(verb)
        if self.refusals:
            raise self.refusals.pop(0)

    def _answer(self, answer: JsonObject) -> JsonObject:
        if self.lost_answers:
            self.lost_answers -= 1
            raise ClusterUnreachable("the connection is lost")
        return answer


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Cluster:
    monkeypatch.setattr("podhatch.client.waiting.RETRY_SECONDS", 0.0)
    return Cluster()


def store(cluster: Cluster, invocation: int = 1) -> LogStore:
    return LogStore(cluster, LogIdentity("shop", "log", "orders-1", "uid-1", "approve", invocation))


async def opened(cluster: Cluster, invocation: int = 1) -> LogStore:
    made = store(cluster, invocation)
    await made.open()
    return made


def calls(first: int, count: int = 1) -> list[DurableCall]:
    return [
        DurableCall(node=node, kind="Memo", key="k", at=AT) for node in range(first, first + count)
    ]


def pages(cluster: Cluster) -> list[JsonObject]:
    return [page["spec"] for page in cluster.objects("DurableLog")]


def nodes(cluster: Cluster) -> list[int]:
    return [call["node"] for page in pages(cluster) for call in page.get("calls", [])]


async def test_a_page_belongs_to_the_run_and_names_the_task(cluster: Cluster) -> None:
    log = await opened(cluster)
    assert cluster.writes == []
    await log.append(calls(1), [])
    [page] = cluster.objects("DurableLog")
    assert page["metadata"]["name"] == "log-0"
    assert page["metadata"]["labels"] == {
        "podhatch.dev/run": "orders-1",
        "podhatch.dev/task": "approve",
    }
    [owner] = page["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("WorkflowRun", "uid-1")
    assert page["spec"]["invocation"] == 1


async def test_calls_and_values_of_one_append_are_one_write(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1), [])
    await log.append(calls(2, 3), [DurableValue(node=1, value="7")])
    assert cluster.writes == ["create", "patch"]
    assert nodes(cluster) == [1, 2, 3, 4]


async def test_a_full_page_is_closed_before_the_next_one(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1, 2 * MAX_PAGE_ENTRIES + 10), [])
    await log.append(calls(2 * MAX_PAGE_ENTRIES + 11), [])
    assert [page.get("closed", False) for page in pages(cluster)] == [True, True, False]
    assert [len(page["calls"]) for page in pages(cluster)] == [250, 250, 11]
    read = await store(cluster, 2).open()
    assert [call.node for page in read for call in page.calls] == nodes(cluster)


async def test_a_page_lists_what_is_cancelled_and_the_next_one_takes_it_over(
    cluster: Cluster,
) -> None:
    log = await opened(cluster)
    await log.append(calls(1, 3), [], [2])
    await log.append(calls(4), [])
    assert pages(cluster)[0]["cancelled"] == [2]
    await log.append(calls(5, MAX_PAGE_ENTRIES), [])
    assert [page["cancelled"] for page in pages(cluster)] == [[2], [2]]
    await log.append([], [], [])
    assert [page["cancelled"] for page in pages(cluster)] == [[2], []]
    log.pages[1]["spec"]["closed"] = True
    await log.append(calls(MAX_PAGE_ENTRIES + 5), [], [7])
    assert [page["cancelled"] for page in pages(cluster)] == [[2], [], [7]]


@pytest.mark.parametrize("lost", [0, 1])
async def test_a_change_of_what_is_cancelled_is_made_once_whatever_comes_between(
    cluster: Cluster, lost: int
) -> None:
    log = await opened(cluster)
    await log.append(calls(1, 3), [])
    cluster.change("DurableLog", "log-0", status={"waiting": "sleeps"})
    cluster.lost_answers = lost
    await log.append([], [], [2, 3])
    assert pages(cluster)[0]["cancelled"] == [2, 3]
    assert nodes(cluster) == [1, 2, 3]
    await opened(cluster, 2)
    with pytest.raises(TakenOver):
        await log.append([], [], [])
    assert pages(cluster)[0]["cancelled"] == [2, 3]


async def test_a_page_takes_no_more_bytes_than_it_may(cluster: Cluster) -> None:
    log = await opened(cluster)
    large = [DurableValue(node=node, value="x" * 60_000) for node in range(1, 8)]
    await log.append(calls(1, 7), large)
    assert [len(page.get("values", [])) for page in pages(cluster)] == [3, 3, 1]


async def test_the_bytes_of_a_page_are_those_that_the_api_server_sends(cluster: Cluster) -> None:
    log = await opened(cluster)
    escaped = [DurableValue(node=node, value="<" * 60_000) for node in range(1, 4)]
    await log.append(calls(1, 3), escaped)
    assert [len(page.get("values", [])) for page in pages(cluster)] == [0, 1, 1, 1]
    assert all(stored_size(page) < MAX_ENTRY_BYTES for page in pages(cluster))


async def test_a_call_that_is_too_large_for_any_page_is_refused(cluster: Cluster) -> None:
    log = await opened(cluster)
    event = EventCondition(key="k", expression="x" + "<" * 1000)
    wait_for = [Condition(any_of=[LeafCondition(event=event)] * 16)] * 16
    large = DurableCall(node=1, kind="WaitFor", key="k", at=AT, wait_for=wait_for)
    with pytest.raises(InvalidRun, match=r"call 1 of the log has \d+ bytes, and at most 409600"):
        await log.append([large], [])
    assert cluster.writes == []


async def test_a_status_that_is_written_meanwhile_is_no_reason_to_stop(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1), [])
    cluster.change("DurableLog", "log-0", status={"waiting": "sleeps"})
    await log.append(calls(2), [])
    assert nodes(cluster) == [1, 2]
    assert cluster.writes == ["create", "patch", "patch"]


@pytest.mark.parametrize("before", [0, 1])
async def test_a_write_whose_answer_is_lost_is_not_made_twice(
    cluster: Cluster, before: int
) -> None:
    log = await opened(cluster)
    if before:
        await log.append(calls(1), [])
    cluster.lost_answers = 1
    await log.append(calls(before + 1), [])
    await log.append(calls(before + 2), [])
    assert nodes(cluster) == [*range(1, before + 3)]


async def test_a_write_is_made_again_after_an_outage(cluster: Cluster) -> None:
    log = await opened(cluster)
    cluster.refusals = [ClusterUnreachable("away"), ApiError(503, "ServiceUnavailable", "later")]
    await log.append(calls(1), [])
    assert nodes(cluster) == [1]


async def test_a_refusal_is_explained(cluster: Cluster) -> None:
    log = await opened(cluster)
    cluster.refusals = [ApiError(403, "Forbidden", "not yours")]
    with pytest.raises(RequestRefused, match="not yours"):
        await log.append(calls(1), [])


async def test_a_pod_writes_nothing_once_another_one_has_the_log(cluster: Cluster) -> None:
    stale = await opened(cluster)
    await stale.append(calls(1), [])
    await opened(cluster, 2)
    with pytest.raises(TakenOver):
        await stale.append(calls(2), [])
    assert nodes(cluster) == [1]


async def test_a_first_pod_without_a_page_cannot_begin_one_later(cluster: Cluster) -> None:
    stale = await opened(cluster)
    later = await opened(cluster, 2)
    with pytest.raises(TakenOver):
        await stale.append(calls(1), [])
    await later.append(calls(1), [])
    assert nodes(cluster) == [1]


async def test_a_pod_between_two_pages_cannot_begin_the_next_one(cluster: Cluster) -> None:
    stale = await opened(cluster)
    await stale.append(calls(1), [])
    patch = {"spec": {"closed": True}}
    stale.pages[0] = await cluster.merge_patch(DURABLE_LOG, "shop", "log-0", patch)
    await opened(cluster, 2)
    assert [page["invocation"] for page in pages(cluster)] == [2, 2]
    with pytest.raises(TakenOver):
        await stale.append(calls(2), [])


async def test_an_earlier_pod_cannot_open_the_log(cluster: Cluster) -> None:
    await opened(cluster, 3)
    with pytest.raises(TakenOver, match="invocation 3"):
        await store(cluster, 2).open()


async def test_a_write_just_before_the_log_is_taken_over_is_read(cluster: Cluster) -> None:
    stale = await opened(cluster)
    await stale.append(calls(1), [])
    cluster.after_list = lambda: stale.append(calls(2), [])
    [page] = await store(cluster, 2).open()
    assert [call.node for call in page.calls] == [1, 2]


async def test_a_log_that_was_deleted_is_not_written_again(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1), [])
    cluster.remove("DurableLog", "log-0")
    with pytest.raises(TakenOver):
        await log.append(calls(2), [])
    assert cluster.objects("DurableLog") == []


async def test_pages_of_others_are_not_read(cluster: Cluster) -> None:
    await (await opened(cluster)).append(calls(1), [])
    [page] = cluster.objects("DurableLog")
    metadata = {"name": "mine-0", "labels": page["metadata"]["labels"]}
    cluster.put({**page, "metadata": metadata})
    assert len(await store(cluster, 2).open()) == 1


async def test_changes_are_followed_through_the_end_of_a_watch(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1), [])
    seen: asyncio.Queue[str] = asyncio.Queue()
    log.on_page = lambda page: seen.put_nowait(page["status"]["waiting"])
    following = asyncio.create_task(log.follow())
    for number in range(3):
        cluster.change("DurableLog", "log-0", status={"waiting": str(number)})
        assert await asyncio.wait_for(seen.get(), 5) == str(number)
        if number == 0:
            cluster.drop_watches()
        else:
            cluster.forget()
            cluster.drop_watches()
    following.cancel()


async def test_a_pod_that_follows_its_log_notices_its_successor(cluster: Cluster) -> None:
    log = await opened(cluster)
    await log.append(calls(1), [])
    following = asyncio.create_task(log.follow())
    await opened(cluster, 2)
    with pytest.raises(TakenOver):
        await asyncio.wait_for(following, 5)
