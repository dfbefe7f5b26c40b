"""The lifespan around a task: an async generator of the user's, run up to its `yield` and beyond.

Called by the conductor in a pod, and by `run_local`.
"""

import inspect
import sys
import traceback
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import cast

from podhatch.errors import LifespanSetupError


@asynccontextmanager
async def entered_lifespan(fn: Callable[..., object] | None) -> AsyncGenerator[object]:
    """Yield what the lifespan yields first, and run its rest afterwards; None without a lifespan.

    What goes wrong after its `yield` is written to stderr, and changes nothing.

    Raises:
        LifespanSetupError: It did not come to its `yield`.
    """
    if fn is None:
        yield None
        return
    name = getattr(fn, "__qualname__", repr(fn))
    generator = cast("AsyncGenerator[object, None]", fn())
    if not inspect.isasyncgen(generator):
        raise LifespanSetupError(f"the lifespan {name} is no async generator function")
    try:
        value: object = await anext(generator)
    except StopAsyncIteration:
        raise LifespanSetupError(f"the lifespan {name} ended without a yield") from None
    except Exception as error:
        told = f"{type(error).__name__}: {error}"
        raise LifespanSetupError(f"the lifespan {name} failed before its yield: {told}") from error
    try:
        yield value
    finally:
        await _end(name, generator)


async def _end(name: str, generator: AsyncGenerator[object, None]) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    except Exception:
        sys.stderr.write(f"podhatch: the lifespan {name} failed after its yield:\n")
        traceback.print_exc()
        return
    sys.stderr.write(f"podhatch: the lifespan {name} yielded twice; what follows does not run\n")
    await generator.aclose()
