"""Renders the log of a durable task: its calls in their order, and what came of each."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from rich.console import RenderableType
from rich.text import Text

from podhatch.api.condition import LeafCondition
from podhatch.api.durable_log import DurableCall, DurableLog, DurableWait
from podhatch.api.limits import MEMO
from podhatch.cli.rendering.format import STYLES, duration, local_time, new_table, shortened

MAX_CALLS = 50
"""The last calls of a log, which are shown."""
MAX_WHAT = 200
_NAMED = 5
"""So many conditions of a wait are named."""


def durable_log(task: str, pages: Sequence[DurableLog], now: datetime) -> Iterator[RenderableType]:
    """Yield a title and a table of the last calls, of which `pages` are the last pages."""
    calls = [call for page in pages for call in page.spec.calls]
    waits = {(wait.node, wait.branch): wait for page in pages for wait in _waits(page)}
    stored = {(value.node, value.branch) for page in pages for value in page.spec.values}
    cancelled = pages[-1].spec.cancelled if pages else []
    shown = calls[-MAX_CALLS:]
    if not shown:
        return
    which = f", the last {len(shown)} of {shown[-1].node} calls" if shown[0].node > 1 else ""
    yield Text(f"\nLog of task {task}{which}:", "bold")
    rows: list[tuple[str | Text, ...]] = []
    for call in shown:
        place = call.node, call.branch
        wait = waits.get(place, DurableWait(node=call.node, branch=call.branch))
        is_cancelled = call.node in cancelled
        state = _state(call, wait, is_stored=place in stored, is_cancelled=is_cancelled)
        waited = call.kind != MEMO and not is_cancelled
        took = duration(call.at, wait.over_at or now) if waited else ""
        what = ": ".join(part for part in (call.label, _awaited(call, wait)) if part)
        rows.append(
            (
                str(call.node),
                call.kind,
                Text(state, STYLES.get(state, STYLES["Succeeded"])),
                local_time(call.at),
                took,
                shortened(what, MAX_WHAT),
            )
        )
    yield new_table(("NODE", "KIND", "STATE", "CALLED", "TOOK", "WHAT"), rows)


def _waits(page: DurableLog) -> list[DurableWait]:
    return page.status.waits if page.status else []


def _state(call: DurableCall, wait: DurableWait, *, is_stored: bool, is_cancelled: bool) -> str:
    if call.kind == MEMO:
        return "Stored" if is_stored else "Running"
    if is_cancelled:
        return "Cancelled"
    if wait.error is not None:
        return "Failed"
    return "Waiting" if wait.over_at is None else "Over"


def _awaited(call: DurableCall, wait: DurableWait) -> str:
    """Return what the call waits for, or what has ended the wait."""
    if wait.error is not None:
        return wait.error
    if call.child is not None:
        return f"run {call.child}"
    if wait.over_at is not None:
        return _joined([each.key for each in wait.met], ", ")
    groups = [
        _joined([_condition(call, leaf) for leaf in each.group], " or ") for each in call.wait_for
    ]
    return _joined(groups, ", and ")


def _joined(parts: Sequence[str], word: str) -> str:
    rest = [f"{len(parts) - _NAMED} more"] if len(parts) > _NAMED else []
    return word.join([*parts[:_NAMED], *rest])


def _condition(call: DurableCall, leaf: LeafCondition) -> str:
    if leaf.event is not None:
        return f"event {leaf.event.key}"
    if leaf.sleep_seconds is not None:
        return f"sleep until {local_time(call.at + timedelta(seconds=leaf.sleep_seconds))}"
    return leaf.data_key
