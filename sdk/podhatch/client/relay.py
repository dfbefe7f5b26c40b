"""An async generator of the portal's loop, for a caller in another one.

Used by `runs.subscribe_to_stream`.
"""

import asyncio
from collections.abc import AsyncGenerator
from typing import Final, TypeVar

from podhatch.client import portal

T = TypeVar("T")

_END: Final = object()


async def relayed(stream: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a generator yields whose connections live in the portal."""
    turn = asyncio.Lock()
    """A caller who is cancelled leaves at once; the portal ends the step it was in first."""

    async def step() -> T | object:
        async with turn:
            return await anext(stream, _END)

    async def close() -> None:
        async with turn:
            await stream.aclose()

    try:
        while (item := await portal.aio_wait(step())) is not _END:
            yield item  # pyright: ignore[reportReturnType] - not the end
    finally:
        await portal.aio_wait(close())
