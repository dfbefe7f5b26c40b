"""The base of the clients of `Hatchet`, such as `hatchet.runs`."""

from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, ParamSpec, TypeVar

from podhatch.client.target import Target
from podhatch.client.twins import in_background
from podhatch.task.loading import refuse_run

if TYPE_CHECKING:
    from podhatch.client.session import Session

P = ParamSpec("P")
T = TypeVar("T")

Act = Callable[Concatenate["Session", P], Coroutine[Any, Any, T]]
"""A coroutine function of `podhatch.client`, which takes the session first."""


async def ask(target: Target, act: Act[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Return what `act` does with the session of a target; for a `blocking` function."""
    refuse_run()
    return await in_background(_act(target, act, *args, **kwargs))


async def _act(target: Target, act: Act[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    from podhatch.client.sessions import session_of

    return await act(await session_of(target), *args, **kwargs)


class FeatureClient:
    """Objects of one namespace. Every method has a twin for event loops, named `aio_...`.

    They raise `ClusterUnreachable`, `NotInstalled`, and `RequestRefused` where there is no such
    object or access is denied.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    async def _ask(self, act: Act[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return await ask(self._target, act, *args, **kwargs)
