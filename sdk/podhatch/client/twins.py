"""Methods for synchronous code, each with a twin for event loops, from one function.

The function is written as async. Its own lines run in the caller's thread: it checks arguments, and
makes results of answers. What it awaits by `in_background` runs in the background loop.

    @blocking
    async def get(self, name: str) -> Row: ...

    aio_get = async_twin(get)
"""

from collections.abc import Callable, Coroutine, Generator
from functools import partial, wraps
from inspect import unwrap
from types import coroutine
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


@coroutine
def in_background(work: Coroutine[Any, Any, T]) -> Generator[Coroutine[Any, Any, T], T, T]:
    """Return the result of a coroutine that runs in the background loop."""
    return (yield work)


def blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return the function that waits for the result of an async one."""

    @wraps(function)
    def method(*args: P.args, **kwargs: P.kwargs) -> T:
        from podhatch.client.background_loop import wait

        call = function(*args, **kwargs)
        go_on: Callable[[], Coroutine[Any, Any, Any]] = partial(call.send, None)
        while True:
            try:
                work = go_on()
            except StopIteration as end:
                return end.value
            try:
                go_on = partial(call.send, wait(work))
            except BaseException as error:
                go_on = partial(call.throw, error)

    return method


def async_twin(method: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return the twin of a `blocking` function that awaits the result in the caller's loop."""
    function: Callable[P, Coroutine[Any, Any, T]] = unwrap(method)

    @wraps(function)
    async def twin(*args: P.args, **kwargs: P.kwargs) -> T:
        from podhatch.client.background_loop import aio_wait

        call = function(*args, **kwargs)
        go_on: Callable[[], Coroutine[Any, Any, Any]] = partial(call.send, None)
        while True:
            try:
                work = go_on()
            except StopIteration as end:
                return end.value
            try:
                go_on = partial(call.send, await aio_wait(work))
            except BaseException as error:
                go_on = partial(call.throw, error)

    name = function.__name__
    twin.__name__ = f"aio_{name}"
    twin.__qualname__ = f"{function.__qualname__.removesuffix(name)}aio_{name}"
    return twin
