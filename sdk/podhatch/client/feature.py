"""The base of the clients of `Hatchet`, such as `hatchet.runs`."""

from collections.abc import Callable, Coroutine
from typing import Any, Concatenate, ParamSpec, TypeVar

from podhatch.client.target import Target
from podhatch.client.twins import in_background
from podhatch.task.loading import refuse_run

P = ParamSpec("P")
T = TypeVar("T")

Act = Callable[Concatenate[Target, P], Coroutine[Any, Any, T]]
"""A coroutine function of `podhatch.client`, which takes the target first."""


class FeatureClient:
    """Objects of one namespace. Every method has a twin for event loops, named `aio_...`.

    They raise `ClusterUnreachable`, `NotInstalled`, and `RequestRefused` where there is no such
    object or access is denied.
    """

    def __init__(self, target: Target) -> None:
        self._target = target

    async def _ask(self, act: Act[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        refuse_run()
        return await in_background(act(self._target, *args, **kwargs))
