"""Turns of the code and of its journal: the code first does all that it can do.

The journal then does one step, such as giving the code one result, and it is the code's turn again.
"""

import asyncio
from collections.abc import Callable

MAX_TURNS = 1000
"""Turns of an event loop that never rests, after which it counts as resting."""
FIXED_TURNS = 100
"""Turns of an event loop that does not tell whether it rests."""


class Turns:
    """Does steps as long as there is anything to do."""

    def __init__(
        self,
        step: Callable[[], bool],
        at_rest: Callable[[], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Begin with the code's turn.

        Args:
            step: Does one step, and returns whether the code may have something to do now.
            at_rest: Called when neither has anything to do.
            failed: Called with what one of them has raised.
        """
        self._step = step
        self._at_rest = at_rest
        self._failed = failed
        self._again = False
        self._task: asyncio.Task[None] | None = None

    def wake(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have a step done once the code rests."""
        self._again = True
        if self._task is None or self._task.done():
            self._task = loop.create_task(self._run())
            self._task.add_done_callback(self._check)

    def close(self) -> None:
        """Do no more steps."""
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        while self._again:
            self._again = False
            await _rest()
            if self._step():
                self._again = True
        self._at_rest()

    def _check(self, task: "asyncio.Task[None]") -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._failed(error)


async def _rest() -> None:
    """Return once nothing else is to be done in the event loop but to wait."""
    ready: object = getattr(asyncio.get_running_loop(), "_ready", None)
    for _ in range(MAX_TURNS if ready is not None else FIXED_TURNS):
        await asyncio.sleep(0)
        if ready is not None and not ready:
            return
