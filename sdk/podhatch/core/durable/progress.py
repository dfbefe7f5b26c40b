"""How far the log of a durable task has come, from the raw objects of its pages.

The operator, and the task's pod, count by these rules: a task that waits without a pod is resumed
once more of its waits are over than its last pod has seen. Nothing here trusts an object's shape.
"""

from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Any, cast

from podhatch.api import labels
from podhatch.api.limits import MEMO
from podhatch.api.model import JsonObject

WaitKey = tuple[int, int]
"""Node and branch of a call, and of what the status says of it."""
MAX_WAITING = 1000
LOST_AFTER = timedelta(minutes=1)
"""After so long without a pod, a task waits in vain for what the operator has not seen by then."""


def waits_over(pages: Iterable[JsonObject]) -> int:
    """Return how many waits of a log are over, without those that the task has cancelled."""
    pages = [*pages]
    cancelled = cancelled_nodes(pages)
    return sum(node not in cancelled for page in pages for node, _ in over_calls(page))


def over_calls(page: JsonObject) -> set[WaitKey]:
    """Return the calls of a page that are over. Waits of calls that were reset do not count."""
    return _over(page).intersection(map(key_of, calls_of(page)))


def cancelled_nodes(pages: Iterable[JsonObject]) -> set[int]:
    """Return the nodes that the task does not wait for any more, as the last page says."""
    specs = [_map(page.get("spec")) for page in pages]
    last: JsonObject = max(specs, key=_number) if specs else {}
    nodes: object = last.get("cancelled")
    if not isinstance(nodes, list):
        return set()
    return {node for node in cast("list[object]", nodes) if isinstance(node, int)}


def calls_of(page: JsonObject) -> list[JsonObject]:
    """Return the calls of a page that have a node."""
    return _entries(page.get("spec"), "calls")


def open_calls(page: JsonObject) -> list[JsonObject]:
    """Return the calls of a page that wait for something that has not happened."""
    over = _over(page)
    return [
        call for call in calls_of(page) if call.get("kind") != MEMO and key_of(call) not in over
    ]


def awaits_anything(pages: Iterable[JsonObject]) -> bool:
    """Return whether a call of a log is open that the task has not cancelled."""
    pages = [*pages]
    cancelled = cancelled_nodes(pages)
    return any(call["node"] not in cancelled for page in pages for call in open_calls(page))


def stored_waits(page: JsonObject) -> dict[WaitKey, JsonObject]:
    """Return what the status of a page says of its calls."""
    return {key_of(wait): wait for wait in _entries(page.get("status"), "waits")}


def key_of(entry: JsonObject) -> WaitKey:
    """Return node and branch of a call, or of a wait."""
    branch: object = entry.get("branch", 1)
    return entry["node"], branch if isinstance(branch, int) else 0


def awaited_events(page: JsonObject) -> set[str]:
    """Return the keys of the events that the open calls of a page wait for."""
    return {
        event["key"]
        for call in open_calls(page)
        for leaf in _leaves(call)
        for event in _maps([leaf.get("event")])
        if isinstance(event.get("key"), str)
    }


def awaited_runs(page: JsonObject) -> set[str]:
    """Return the names of the child runs that the open calls of a page wait for."""
    children: list[object] = [call.get("child") for call in open_calls(page)]
    return {child for child in children if isinstance(child, str)}


def task_of(page: JsonObject) -> str:
    """Return the task whose log a page is of. The spec of a page that cannot be held is not."""
    task: str = page["metadata"].get("labels", {}).get(labels.TASK, "")
    return task


def parked_entry(run: JsonObject, task: str) -> JsonObject | None:
    """Return the entry of a task that waits without a pod, as the run's status says, or None."""
    for entry in task_entries(run):
        if entry.get("name") == task and entry.get("state") == "Waiting":
            return entry
    return None


def task_entries(run: JsonObject) -> list[JsonObject]:
    """Return the entries of a run's status, which may be one that cannot be read."""
    return _maps(_map(run.get("status")).get("tasks"))


def waiting_text(pages: Iterable[JsonObject]) -> str:
    """Say what the task of a log waits for."""
    texts: list[object] = [_map(page.get("status")).get("waiting") for page in pages]
    told = "; ".join(text for text in texts if isinstance(text, str))
    return told[:MAX_WAITING] or "waits without a pod"


def _over(page: JsonObject) -> set[WaitKey]:
    return {key for key, wait in stored_waits(page).items() if "overAt" in wait or "error" in wait}


def _leaves(call: JsonObject) -> Iterator[JsonObject]:
    for condition in _maps(call.get("waitFor")):
        yield condition
        yield from _maps(condition.get("or"))


def _entries(part: object, name: str) -> list[JsonObject]:
    return [each for each in _maps(_map(part).get(name)) if isinstance(each.get("node"), int)]


def _number(spec: JsonObject) -> int:
    """Return the number of a page."""
    number: object = spec.get("page")
    return number if isinstance(number, int) else -1


def _maps(values: Any) -> list[JsonObject]:
    if not isinstance(values, list):
        return []
    return [each for each in cast("list[Any]", values) if isinstance(each, dict)]


def _map(value: Any) -> JsonObject:
    return cast("JsonObject", value) if isinstance(value, dict) else {}
