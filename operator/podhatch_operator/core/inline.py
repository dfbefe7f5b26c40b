"""What of outputs and tracebacks stands in the run's status, and what stays in TaskResults.

The status of a run has room for 256 KiB; everything else refers. Called by plan_run.
"""

from collections.abc import Iterable

from podhatch.api.run import MAX_INLINE_OUTPUT_BYTES, TaskStatus

from podhatch_operator.core.progress import Step

INLINE_BUDGET_BYTES = 192 * 1024
"""For outputs and errors; the rest of the 256 KiB is for the entries themselves."""


def with_outputs(steps: Iterable[Step]) -> list[TaskStatus]:
    """Return the tasks' entries, with outputs inline where they are small and room is left."""
    room = INLINE_BUDGET_BYTES
    entries: list[TaskStatus] = []
    for step in steps:
        entry = _place_output(step, room)
        if entry.error and entry.error.traceback and len(entry.error.traceback.encode()) > room:
            error = entry.error.model_copy(update={"traceback": None})
            entry = entry.model_copy(update={"error": error})
        room -= _size(entry)
        entries.append(entry)
    return entries


def _place_output(step: Step, room: int) -> TaskStatus:
    if step.output is None:
        return step.status
    size = len(step.output.encode())
    small = size <= min(MAX_INLINE_OUTPUT_BYTES, room)
    if small or not step.output_in_result:
        return step.status.model_copy(update={"output": step.output})
    return step.status.model_copy(update={"output_ref": step.status.job})


def _size(entry: TaskStatus) -> int:
    traceback = entry.error.traceback if entry.error else None
    return len((entry.output or "").encode()) + len((traceback or "").encode())
