"""Runs a function that is async, or has a lifespan or dependencies: all in one asyncio task.

In one, because a task group or cancel scope must be left in the task it was entered in. It imports
asyncio, which costs other functions nothing this way.
"""

import asyncio
import contextlib
import contextvars
import inspect
import sys
import traceback
from collections.abc import AsyncGenerator, Callable, Coroutine
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from podhatch.errors import LifespanSetupError
from podhatch.runner.loader import LoadedTask
from podhatch.task.dependencies import resolve

if TYPE_CHECKING:
    from podhatch.runner.attempt import CallObserver
    from podhatch.task.context import Context


class AsyncCall:
    """One call of the user's function, with all that is around it."""

    def __init__(
        self,
        task: LoadedTask,
        positional: tuple[object, ...],
        input: object,
        context: "Context",
        observer: "CallObserver",
    ) -> None:
        self._task = task
        self._positional = positional
        self._input = input
        self._context = context
        self._observer = observer
        self._call: Callable[[], object] | None = None
        self._called: asyncio.Future[tuple[object, BaseException | None]] | None = None
        self._interruptible: asyncio.Task[None] | None = None
        self.coroutine: Coroutine[Any, Any, object] | None = None
        """What is awaited; None while a function that is not async runs."""

    def run(self) -> None:
        """Run it all, and report the end to the observer. Raises what `Call.run` does."""
        with asyncio.Runner() as runner:
            loop = runner.get_loop()
            self.coroutine = self._around()
            task = loop.create_task(self.coroutine)
            task.add_done_callback(lambda _: loop.stop())
            while not task.done():
                loop.run_forever()
                self._call_now()
            task.result()

    def interrupt(self) -> bool:
        """Cancel what is awaited, from another thread; False while nothing is.

        A function that is not async, and the clean-up after the task, are not interrupted.
        """
        task = self._interruptible
        if task is None:
            return False
        with contextlib.suppress(RuntimeError):  # the loop has closed
            task.get_loop().call_soon_threadsafe(task.cancel)
        return True

    async def _around(self) -> None:
        async with _entered_lifespan(self._task.lifespan) as self._context.lifespan:
            self._observer.begin()
            value, error = await self._perform()
            self._observer.end(value, error)

    async def _perform(self) -> tuple[object, BaseException | None]:
        """Return what the function returned or raised."""
        value: object = None
        error: BaseException | None = None
        self._interruptible = asyncio.current_task()
        try:
            async with contextlib.AsyncExitStack() as stack:
                values = await resolve(self._task.function, self._input, self._context, stack)
                try:
                    value = await self._result(values)
                except BaseException as raised:
                    error = raised
                    raise
                finally:
                    self._interruptible = None
        except BaseException as raised:
            error = raised
        finally:
            self._interruptible = None
        return value, error

    async def _result(self, values: dict[str, object]) -> object:
        value, error = await self._call_outside(values)
        if error is not None:
            raise error
        if not inspect.iscoroutine(value):
            return value
        self.coroutine = value
        self._interruptible = asyncio.current_task()
        return await value

    async def _call_outside(self, values: dict[str, object]) -> tuple[object, BaseException | None]:
        """Call the function while the loop is stopped: it may run a loop of its own."""
        around, self.coroutine = self.coroutine, None
        self._interruptible = None
        loop = asyncio.get_running_loop()
        call = partial(self._task.function, *self._positional, **values)
        self._call = partial(contextvars.copy_context().run, call)
        self._called = loop.create_future()
        loop.stop()
        outcome = await self._called
        self.coroutine = around
        return outcome

    def _call_now(self) -> None:
        """Call the function if its turn has come."""
        call, self._call = self._call, None
        if call is None or self._called is None:
            return
        try:
            self._called.set_result((call(), None))
        except BaseException as error:
            self._called.set_result((None, error))


@contextlib.asynccontextmanager
async def _entered_lifespan(fn: Callable[..., object] | None) -> AsyncGenerator[object]:
    """Yield what the lifespan yields, and run its rest afterwards; None without a lifespan.

    Errors after its `yield` are written to stderr and change nothing.

    Raises:
        LifespanSetupError: It did not reach its `yield`.
    """
    if fn is None:
        yield None
        return
    name = getattr(fn, "__qualname__", repr(fn))
    generator = cast("AsyncGenerator[object, None]", fn())
    if not inspect.isasyncgen(generator):
        raise LifespanSetupError(f"the lifespan {name} is not an async generator function")
    try:
        value: object = await anext(generator)
    except StopAsyncIteration:
        raise LifespanSetupError(f"the lifespan {name} ended without a yield") from None
    except Exception as error:
        why = f"{type(error).__name__}: {error}"
        raise LifespanSetupError(f"the lifespan {name} failed before its yield: {why}") from error
    try:
        yield value
    finally:
        await _end_lifespan(name, generator)


async def _end_lifespan(name: str, generator: AsyncGenerator[object, None]) -> None:
    try:
        await anext(generator)
    except StopAsyncIteration:
        return
    except Exception:
        sys.stderr.write(f"podhatch: the lifespan {name} failed after its yield:\n")
        traceback.print_exc()
        return
    sys.stderr.write(f"podhatch: the lifespan {name} yielded twice; the rest of it does not run\n")
    await generator.aclose()
