"""Many requests at once, but not too many. Used wherever a call stands for several requests."""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import TypeVar

T = TypeVar("T")

AT_ONCE = 10


async def gathered(requests: Iterable[Awaitable[T]]) -> list[T]:
    """Return the results in the order of the requests, of which ten are under way at a time.

    The first error is raised once all requests have ended.
    """
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def bounded(request: Awaitable[T]) -> T:
        async with semaphore:
            return await request

    results = await asyncio.gather(*map(bounded, requests), return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
