"""The status of a run, from where its tasks stand: phase, progress, conditions, times, entries.

It has room for 256 KiB: outputs that do not fit stay in their TaskResults, texts are cut, and tasks
for whose claims there is no room wait before they claim anything.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime

from podhatch.api import run as api
from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.model import StatusCondition
from podhatch.api.rate_limit import RateLimitClaim
from podhatch.api.run import Phase, WorkflowRun, WorkflowRunStatus
from podhatch.api.task_status import (
    MAX_INLINE_OUTPUT_BYTES,
    TERMINAL_STATES,
    EndReason,
    TaskError,
    TaskStatus,
)
from podhatch.core.common.condition import with_condition
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.common.text import cut, text_size
from podhatch.core.run.acceptance import start_delay, start_moment
from podhatch.core.run.position import Ended, Settled
from podhatch.core.run.run_requests import CANCELLED_MESSAGE, RUN_CANCELLED
from podhatch.core.workflow.revision import Revision

MAX_RUN_MESSAGE = 2000


def accepted_status(
    run: WorkflowRun,
    revision: str,
    tasks: Sequence[TaskStatus],
    claims: Sequence[ConcurrencyClaim],
    units: Sequence[RateLimitClaim],
    node: str | None,
    now: datetime,
) -> WorkflowRunStatus:
    """Return the status of a run that is under way or over; then it claims nothing any more."""
    old = run.status or WorkflowRunStatus.model_validate({})
    states = [task.state for task in tasks]
    phase = _run_phase(states)
    generation = run.metadata.generation
    conditions = with_condition(
        _not_terminal(old.conditions), api.ACCEPTED, "Accepted", "", now, generation
    )
    message = _message(phase, tasks)
    if phase in api.TERMINAL_PHASES:
        conditions = with_condition(
            conditions, phase, f"Tasks{phase}", message or "", now, generation
        )
    ended = sum(map(TERMINAL_STATES.__contains__, states))
    started_at = old.started_at or start_moment(run, _first_moment(tasks) or now)
    return WorkflowRunStatus(
        observed_generation=generation,
        phase=phase,
        message=message,
        progress=f"{ended}/{len(tasks)}",
        revision=revision,
        node=node,
        replays=run.asked_replays,
        started_at=started_at,
        start_delay_seconds=start_delay(run, started_at),
        finished_at=_last_moment(tasks, now) if phase in api.TERMINAL_PHASES else None,
        conditions=conditions,
        concurrency=[] if phase in api.TERMINAL_PHASES else list(claims),
        rate_limits=[] if phase in api.TERMINAL_PHASES else list(units),
        tasks=list(tasks),
    )


def cancelled_status(
    run: WorkflowRun,
    tasks: Sequence[TaskStatus],
    now: datetime,
    reason: EndReason = RUN_CANCELLED,
    message: str = CANCELLED_MESSAGE,
) -> WorkflowRunStatus:
    """Return the status of a run that is cancelled, whether or not it had started."""
    old = run.status or WorkflowRunStatus.model_validate({})
    changes = {
        "observed_generation": run.metadata.generation,
        "phase": "Cancelled",
        "message": message,
        "finished_at": now,
        "replays": run.asked_replays if run.replay_due else old.replays,
        "concurrency": [],
        "rate_limits": [],
        "tasks": list(tasks),
        "progress": f"{len(tasks)}/{len(tasks)}" if tasks else None,
        "conditions": with_condition(
            old.conditions, api.CANCELLED, reason, message, now, run.metadata.generation
        ),
    }
    return old.model_copy(update=changes)


def rejected_status(run: WorkflowRun, rejection: RunRefusal, now: datetime) -> WorkflowRunStatus:
    """Return the status of a run that cannot start: for good, or until what it needs is there."""
    old = run.status or WorkflowRunStatus.model_validate({})
    generation = run.metadata.generation
    # A replay waits since now, also if the run did not start before.
    conditions = [] if run.finished else old.conditions
    why = rejection.reason, rejection.message, now, generation
    conditions = with_condition(conditions, api.ACCEPTED, *why, status=False)
    if rejection.end:
        conditions = with_condition(conditions, rejection.end, *why)
    return WorkflowRunStatus(
        observed_generation=generation,
        phase=rejection.end or "Pending",
        message=rejection.message[:MAX_RUN_MESSAGE],
        replays=run.asked_replays if rejection.end else old.replays,
        finished_at=now if rejection.end else None,
        conditions=conditions,
    )


def postponed_status(
    run: WorkflowRun, refusal: RunRefusal, claims: Sequence[ConcurrencyClaim], now: datetime
) -> WorkflowRunStatus:
    """Return the status of a run that waits: of a replay, with the tasks as they ended."""
    status, old = rejected_status(run, refusal, now), run.status
    status = status.model_copy(update={"concurrency": list(claims)})
    if old is None:
        return status
    count = len(old.tasks)
    changes = {
        "progress": f"{count}/{count}" if count and refusal.end else None,
        "revision": old.revision,
        "node": old.node,
        "started_at": old.started_at,
        "start_delay_seconds": old.start_delay_seconds,
        "tasks": old.tasks,
    }
    return status.model_copy(update=changes)


def granted_status(run: WorkflowRun, claims: Sequence[ConcurrencyClaim]) -> WorkflowRunStatus:
    """Return the status of a run that has its slots and starts next; all else stays as it is."""
    old = run.status or WorkflowRunStatus.model_validate({})
    changes = {
        "observed_generation": run.metadata.generation,
        "phase": "Pending",
        "message": None,
        "finished_at": None,
        "conditions": _not_terminal(old.conditions),
        "concurrency": list(claims),
        "rate_limits": [],
    }
    return old.model_copy(update=changes)


def _not_terminal(conditions: Iterable[StatusCondition]) -> list[StatusCondition]:
    return [each for each in conditions if each.type not in api.TERMINAL_PHASES]


def _run_phase(states: Collection[str]) -> Phase:
    """Return the phase: Running until every task ended, then the worst of their ends."""
    if not TERMINAL_STATES.issuperset(states):
        return "Running"
    if "Failed" in states:
        return "Failed"
    return "Cancelled" if "Cancelled" in states else "Succeeded"


def _message(phase: Phase, tasks: Sequence[TaskStatus]) -> str | None:
    """Say which task decided the phase, or what a waiting task waits for."""
    if phase == "Succeeded":
        return None
    telling = [phase] if phase in TERMINAL_STATES else ["Queued", "Waiting"]
    for state in telling:
        for task in tasks:
            if task.state == state and task.message:
                return f"task {task.name}: {task.message}"[:MAX_RUN_MESSAGE]
    return None


def _first_moment(tasks: Sequence[TaskStatus]) -> datetime | None:
    moments = [task.queued_at or task.started_at for task in tasks]
    return min((moment for moment in moments if moment), default=None)


def _last_moment(tasks: Sequence[TaskStatus], now: datetime) -> datetime:
    return max((task.finished_at for task in tasks if task.finished_at), default=now)


STATUS_BUDGET_BYTES = 236 * 1024
"""For the tasks; the rest of the 256 KiB is for the run's own conditions and message."""
FRAME_BYTES = 340
"""An entry's names, counters and times."""
RECORD_BYTES = 230
SLOT_CLAIMS_BYTES = 80 * 1024
"""For the slots that tasks hold or wait for: enough for 400 tasks with one limit."""
UNIT_CLAIMS_BYTES = 40 * 1024
"""For the units of rate limits that tasks wait for."""
CLAIM_BYTES = 150
"""A claim's names, numbers and time."""
MAX_CLAIM_BYTES = 2048
"""Of any key; the run's own claims fit beside its conditions."""
SHORT = 40
"""So many bytes of JSON are left of a message for which there is no room."""


def room_for_tasks(revision: Revision) -> int:
    """Return the bytes that are left for the entries of tasks, whatever they claim."""
    tasks = revision.by_name
    slots = sum(len(tasks[name].concurrency) for name in revision.limited)
    units = sum(len(tasks[name].rate_limits) for name in revision.rate_limited)
    slot_bytes = min(slots * MAX_CLAIM_BYTES, SLOT_CLAIMS_BYTES)
    unit_bytes = min(units * MAX_CLAIM_BYTES, UNIT_CLAIMS_BYTES)
    return STATUS_BUDGET_BYTES - slot_bytes - unit_bytes


def with_outputs(
    positions: Sequence[Settled],
    stored_sizes: Mapping[str, int],
    room_for_all: int = STATUS_BUDGET_BYTES,
) -> list[TaskStatus]:
    """Return the entries of tasks that are not stored as they are, whole while room is left.

    Entries that stay as they are stored are given their room first.

    Args:
        positions: where the tasks stand, the first of which are given room first.
        stored_sizes: the size of each entry of the stored status, by name.
        room_for_all: the bytes for the entries of all tasks.
    """
    replaced = sum(stored_sizes.get(each.status.name, 0) for each in positions)
    least = FRAME_BYTES + 2 * SHORT
    room = room_for_all - sum(stored_sizes.values()) + replaced - least * len(positions)
    entries: list[TaskStatus] = []
    for position in positions:
        entry, size = _fitting(position.status, room + least)
        room -= size - least
        entry = _with_output(position, entry, room)
        room -= _text_size(entry.output)
        entries.append(entry)
    return entries


def _with_output(position: Settled, entry: TaskStatus, room: int) -> TaskStatus:
    if not isinstance(position, Ended) or position.output is None:
        return entry
    small = len(position.output.encode()) <= MAX_INLINE_OUTPUT_BYTES
    if (small and _text_size(position.output) <= room) or not position.output_in_result:
        return entry.model_copy(update={"output": position.output})
    return entry.model_copy(update={"output_ref": entry.job})


def _fitting(entry: TaskStatus, room: int) -> tuple[TaskStatus, int]:
    """Return the entry and its size: without its traceback if need be, or even with few words."""
    size = entry_size(entry)
    if size <= room:
        return entry, size
    error = entry.error
    if error and error.traceback:
        error = error.model_copy(update={"traceback": None})
        return _fitting(entry.model_copy(update={"error": error}), room)
    changes: dict[str, object] = {
        "message": entry.message and _short(entry.message),
        "error": error and TaskError(type=_short(error.type), message=_short(error.message)),
        "attempts": [],
    }
    short = entry.model_copy(update=changes)
    return short, entry_size(short)


def _short(text: str) -> str:
    kept = cut(text, SHORT)
    return text if kept == text else f"{cut(text, SHORT - _text_size('…'))}…"


def entry_size(entry: TaskStatus) -> int:
    """Return the bytes of an entry as JSON, nearly."""
    error = entry.error
    size = FRAME_BYTES + _text_size(entry.message) + _text_size(entry.output)
    if error:
        size += _text_size(error.type) + _text_size(error.message) + _text_size(error.traceback)
    for met in entry.met:
        size += _text_size(met)
    for record in entry.attempts:
        size += RECORD_BYTES + _text_size(record.message)
    return size


def claims_size(claims: Iterable[ConcurrencyClaim | RateLimitClaim]) -> int:
    """Return the bytes of claims as JSON, nearly."""
    size = 0
    for claim in claims:
        last = claim.key if isinstance(claim, ConcurrencyClaim) else claim.job
        size += CLAIM_BYTES + sum(map(_text_size, (claim.task, claim.limit, last)))
    return size


def _text_size(text: str | None) -> int:
    return text_size(text) if text else 0
