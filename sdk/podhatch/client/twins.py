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
from typing import Any, Generic, NamedTuple, ParamSpec, TypeAlias, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Recorded(NamedTuple, Generic[T]):
    """Work for a durable task: in its event loop, parts of it are recorded in its journal."""

    background: Callable[[], Coroutine[Any, Any, T]]
    """The same work for synchronous code, which cannot wait without its pod."""
    here: Callable[[], Coroutine[Any, Any, T]]
    """For the caller's event loop."""


_Work: TypeAlias = Coroutine[Any, Any, Any] | Recorded[Any]


@coroutine
def in_background(
    work: Coroutine[Any, Any, T] | Recorded[T],
) -> Generator[Coroutine[Any, Any, T] | Recorded[T], T, T]:
    """Return the result of a coroutine that runs in the background loop."""
    return (yield work)


def blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Return the function that waits for the result of an async one."""

    @wraps(function)
    def method(*args: P.args, **kwargs: P.kwargs) -> T:
        from podhatch.client.background_loop import wait

        call = function(*args, **kwargs)
        go_on: Callable[[], _Work] = partial(call.send, None)
        while True:
            try:
                work: _Work = go_on()
            except StopIteration as end:
                return end.value
            try:
                begun = work.background() if isinstance(work, Recorded) else work
                go_on = partial(call.send, wait(begun))
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
        go_on: Callable[[], _Work] = partial(call.send, None)
        while True:
            try:
                work: _Work = go_on()
            except StopIteration as end:
                return end.value
            try:
                waited = work.here() if isinstance(work, Recorded) else aio_wait(work)
                go_on = partial(call.send, await waited)
            except BaseException as error:
                go_on = partial(call.throw, error)

    name = function.__name__
    twin.__name__ = f"aio_{name}"
    twin.__qualname__ = f"{function.__qualname__.removesuffix(name)}aio_{name}"
    return twin
