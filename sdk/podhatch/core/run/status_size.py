"""What of outputs, errors and records stands in the run's status, and what is left out.

The status of a run has room for 256 KiB; outputs that do not fit stay in their TaskResults, words
that do not fit are cut. Called by plan_run.
"""

from collections.abc import Collection, Iterable

from podhatch.api.run import MAX_INLINE_OUTPUT_BYTES, TaskError, TaskStatus
from podhatch.core.common.text import cut, json_size
from podhatch.core.run.progress import Step

STATUS_BUDGET_BYTES = 236 * 1024
"""For the tasks; the rest of the 256 KiB is for the run's own conditions and message."""
FRAME_BYTES = 340
"""An entry's names, counters and times."""
RECORD_BYTES = 230
SHORT = 40
"""So many bytes of JSON are left of a message for which there is no room."""


def with_outputs(steps: Iterable[Step], stored: Collection[TaskStatus]) -> list[TaskStatus]:
    """Return the tasks' entries, whole while room is left.

    Entries that are stored already stay as they are: they are given their room first.
    """
    unchanged = {id(entry) for entry in stored}
    taken = list(steps)
    least = FRAME_BYTES + 2 * SHORT
    sizes = [_size(step.status) if id(step.status) in unchanged else least for step in taken]
    room = STATUS_BUDGET_BYTES - sum(sizes)
    entries: list[TaskStatus] = []
    for step, size in zip(taken, sizes, strict=True):
        if id(step.status) in unchanged:
            entries.append(step.status)
            continue
        entry = _fitting(step.status, room + size)
        room -= _size(entry) - size
        entry = _with_output(step, entry, room)
        room -= _text_size(entry.output)
        entries.append(entry)
    return entries


def _with_output(step: Step, entry: TaskStatus, room: int) -> TaskStatus:
    if step.output is None:
        return entry
    small = len(step.output.encode()) <= MAX_INLINE_OUTPUT_BYTES
    if (small and _text_size(step.output) <= room) or not step.output_in_result:
        return entry.model_copy(update={"output": step.output})
    return entry.model_copy(update={"output_ref": entry.job})


def _fitting(entry: TaskStatus, room: int) -> TaskStatus:
    """Return the entry without its traceback if that is too much, and with few words if all is."""
    if _size(entry) <= room:
        return entry
    error = entry.error
    if error and error.traceback:
        error = error.model_copy(update={"traceback": None})
        return _fitting(entry.model_copy(update={"error": error}), room)
    changes: dict[str, object] = {
        "message": entry.message and _short(entry.message),
        "error": error and TaskError(type=_short(error.type), message=_short(error.message)),
        "attempts": [],
    }
    return entry.model_copy(update=changes)


def _short(text: str) -> str:
    kept = cut(text, SHORT)
    return text if kept == text else f"{cut(text, SHORT - _text_size('…'))}…"


def _size(entry: TaskStatus) -> int:
    error = entry.error
    words = _text_size(entry.message) + _text_size(entry.output)
    if error:
        words += _text_size(error.type) + _text_size(error.message) + _text_size(error.traceback)
    words += sum(map(_text_size, entry.met))
    records = sum(RECORD_BYTES + _text_size(record.message) for record in entry.attempts)
    return FRAME_BYTES + words + records


def _text_size(text: str | None) -> int:
    """Return the bytes of a text as JSON."""
    return json_size(text) if text else 0
