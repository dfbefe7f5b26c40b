"""Runs as tasks start and await them: a durable task records them in its journal.

For other code, and for synchronous code, this is `execution` itself.
"""

import json
from collections.abc import Coroutine, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

from podhatch.api.limits import MEMO, RUN
from podhatch.api.model import JsonObject
from podhatch.client.background_loop import aio_wait
from podhatch.client.manifest import Publication
from podhatch.client.runs import execution
from podhatch.client.runs.execution import Ended, Pace, Progress, all_of, many
from podhatch.client.runs.request import Child, RunRequest
from podhatch.client.runs.rows import Outputs
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.twins import Recorded
from podhatch.errors import FailedTaskRunExceptionGroup, RunCancelled, TaskRunError
from podhatch.task import current_context
from podhatch.task.durable_context import DurableContext
from podhatch.task.journal import Journal, call_key

T = TypeVar("T")
Work: TypeAlias = Coroutine[Any, Any, T] | Recorded[T]


def start(target: Target, publication: Publication, request: RunRequest) -> Work[JsonObject | str]:
    """Create the run, and return it or its name: see `execution.start`."""
    call = partial(execution.start, target, publication, request)
    journal = _journal()
    if journal is None or request.child is None:
        return call()
    return Recorded(call, partial(_start, journal, target, publication, request))


def execute(
    target: Target, publication: Publication, request: RunRequest
) -> Work[tuple[JsonObject | str, Outputs]]:
    """Create the run, wait for its end, and return it with its outputs: see `execution.execute`.

    Inside a durable task a run that failed or was cancelled raises TaskRunError.
    """
    call = partial(execution.execute, target, publication, request)
    journal = _journal()
    if journal is None or request.child is None:
        return call()
    return Recorded(call, partial(_execute, journal, target, publication, request))


def execute_many(
    target: Target,
    publication: Publication,
    requests: Sequence[RunRequest],
    *,
    progress: Progress | None,
    return_exceptions: bool,
    wait_for_result: bool,
) -> Work[Sequence[Ended | BaseException]]:
    """Create the runs and wait for their ends: see `execution.execute_many`."""
    options = {"return_exceptions": return_exceptions, "wait_for_result": wait_for_result}
    call = partial(
        execution.execute_many, target, publication, requests, progress=progress, **options
    )
    journal = _journal()
    if journal is None or any(each.child is None for each in requests):
        return call()
    pace = Pace(len(requests), progress)
    many = partial(_execute_many, journal, target, publication, requests, pace, **options)
    return Recorded(call, many)


def outputs(target: Target, name: str, seen: JsonObject | None) -> Work[Outputs]:
    """Wait for the run's end and return its outputs: see `execution.outputs`."""
    call = partial(execution.outputs, target, name, seen)
    journal = _journal()
    return call() if journal is None else Recorded(call, partial(_outputs, journal, target, name))


def _journal() -> Journal | None:
    """Return the journal of the durable task that this code runs in."""
    context = current_context()
    if isinstance(context, DurableContext) and context.run_uid:
        return context.journal
    return None


async def _start(
    journal: Journal,
    target: Target,
    publication: Publication,
    request: RunRequest,
    pace: Pace | None = None,
) -> str:
    """Create a run once, and return its name."""
    request, _ = _placed(journal, request)

    async def make() -> str:
        run = await aio_wait(_create(target, publication, request, pace))
        return json.dumps(run["metadata"]["name"])

    key = call_key(MEMO, ["start", request.spec.workflow, request.spec.input])
    name = await journal.memo(key, make, f"start {request.spec.workflow}")
    return str(json.loads(name))


async def _execute(
    journal: Journal,
    target: Target,
    publication: Publication,
    request: RunRequest,
    pace: Pace | None = None,
) -> tuple[str, Outputs]:
    if _may_be_renamed(request):
        name = await _start(journal, target, publication, request, pace)
        return name, await _outputs(journal, target, name)
    request, child = _placed(journal, request)

    async def start() -> None:
        await aio_wait(_create(target, publication, request, pace))

    key = call_key(RUN, [request.spec.workflow, request.spec.input])
    read = partial(_read, target, child.name)
    return child.name, await journal.child(key, child.name, start, read, request.spec.workflow)


async def _execute_many(
    journal: Journal,
    target: Target,
    publication: Publication,
    requests: Sequence[RunRequest],
    pace: Pace,
    *,
    return_exceptions: bool,
    wait_for_result: bool,
) -> Sequence[Ended | BaseException]:
    async def run(request: RunRequest) -> Ended:
        return await _execute(journal, target, publication, request, pace)

    if wait_for_result and not any(map(_may_be_renamed, requests)):
        return await all_of(map(run, requests), return_exceptions=return_exceptions)

    async def begin(request: RunRequest) -> str:
        return await _start(journal, target, publication, request, pace)

    async def end_of(name: str) -> Outputs | None:
        return await _outputs(journal, target, name) if wait_for_result else None

    return await many(requests, begin, end_of, return_exceptions=return_exceptions)


async def _outputs(journal: Journal, target: Target, name: str) -> Outputs:
    async def start() -> None:
        await aio_wait(_find(target, name))

    key = call_key(RUN, ["result", name])
    return await journal.child(key, name, start, partial(_read, target, name), name)


async def _read(target: Target, name: str) -> Outputs:
    """Return the outputs of a run that is over."""
    try:
        return await aio_wait(_outputs_of(target, name))
    except FailedTaskRunExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    except RunCancelled as cancelled:
        raise TaskRunError("task was cancelled", "HatchetError") from cancelled


async def _outputs_of(target: Target, name: str) -> Outputs:
    async with (await session_of(target)).finding:
        return await execution.outputs(target, name, None)


async def _create(
    target: Target, publication: Publication, request: RunRequest, pace: Pace | None
) -> JsonObject:
    if pace is None:
        return await execution.start(target, publication, request)
    async with pace.turn():
        run = await execution.start(target, publication, request)
    await pace.tell()
    return run


async def _find(target: Target, name: str) -> None:
    """Raise RunDeleted if there is no such run."""
    await execution.found(await session_of(target), name)


def _placed(journal: Journal, request: RunRequest) -> tuple[RunRequest, Child]:
    """Return the request for the branch that the journal's next call is of, and its child."""
    assert request.child is not None, "checked before"
    child = replace(request.child, branch=journal.branch)
    return replace(request, child=child), child


def _may_be_renamed(request: RunRequest) -> bool:
    """Return whether the name of the run is known only once it is created."""
    return request.idempotency is not None or request.is_of_stub
