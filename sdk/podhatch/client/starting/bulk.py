"""Many runs at once: created side by side at a bounded rate, so that the API server has room left.

Coroutines for the background loop, called by `run_many` and its kin.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

from podhatch.api.model import JsonObject
from podhatch.client.manifest import Publication
from podhatch.client.sessions import session_of
from podhatch.client.starting.request import RunRequest
from podhatch.client.starting.runs import Outputs, create, outputs
from podhatch.client.target import Target
from podhatch.client.workflows import published

PARALLEL = 16
PER_SECOND = 100.0

T = TypeVar("T")
Progress = Callable[[int, int], None]
"""Called with how many runs are created, and how many there will be; in a thread, one at a time."""


async def start_many(
    target: Target,
    publication: Publication,
    requests: Sequence[RunRequest],
    *,
    progress: Progress | None,
    return_exceptions: bool,
) -> list[JsonObject | BaseException]:
    """Create the runs, and return them in the order of the requests.

    With `return_exceptions` an error stands in the place of a run that was refused; without, the
    first one ends it, as one of `progress` always does; what was created by then goes on.
    """
    session = await session_of(target)
    generations = await published(session, publication)
    places, telling = asyncio.Semaphore(PARALLEL), asyncio.Lock()
    begun_at, created = asyncio.get_running_loop().time(), 0

    async def make(number: int, request: RunRequest) -> JsonObject | BaseException:
        nonlocal created
        try:
            async with places:
                due = begun_at + number / PER_SECOND
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                run = await create(session, request, generations)
        except Exception as error:
            if return_exceptions:
                return error
            raise
        created += 1
        if progress is not None:
            await tell(progress, created)
        return run

    async def tell(progress: Progress, count: int) -> None:
        async with telling:  # those who wait come in their order
            # In a thread, as it may ask podhatch for something: that would wait for this loop.
            await asyncio.to_thread(progress, count, len(requests))

    making = [make(number, request) for number, request in enumerate(requests)]
    return await _all(making, return_exceptions=False)


async def outputs_of_many(
    target: Target, runs: Sequence[JsonObject | BaseException], *, return_exceptions: bool
) -> list[Outputs | BaseException]:
    """Wait for the end of all, and return their outputs in order; an error stands for itself.

    With `return_exceptions` an error stands in the place of the outputs of a run that did not
    succeed; without, the first one is raised at once.
    """

    async def wait(run: JsonObject | BaseException) -> Outputs | BaseException:
        if isinstance(run, BaseException):
            return run
        return await outputs(target, run["metadata"]["name"], run)

    return await _all([wait(run) for run in runs], return_exceptions=return_exceptions)


async def _all(
    coroutines: Sequence[Awaitable[T]], *, return_exceptions: bool
) -> list[T | BaseException]:
    """Await all; without `return_exceptions` the first error cancels the others."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
