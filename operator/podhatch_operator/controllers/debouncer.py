"""Holds statuses that nobody waits for, so that several changes cost one write."""

from collections.abc import Callable
from datetime import timedelta

from podhatch.core.common.plan import Plan, first

from podhatch_operator.controllers.controller import Controller, ReconcileContext, T
from podhatch_operator.keys import Key

HOLD_SECONDS = 0.75
HOLD_SECONDS_A_RUN = 0.02
"""Added for each status that is held."""
HOLD_SECONDS_A_TASK = 0.002
"""Added for each task in the status: for each, a write costs the API server 0.6 ms of CPU, and the
run makes no Job meanwhile."""
MAX_HOLD_SECONDS = 5.0


class StatusDebouncer:
    """Debounces status writes that nobody waits for.

    The more runs are under way, and the larger a status is, the longer it is held, to relieve the
    API server under load. If this state is lost, statuses are written sooner.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._since: dict[Key, float] = {}

    def wait(self, key: Key, tasks: int = 0) -> float:
        """Return for how many seconds to hold this status of so many tasks; 0 to write it."""
        since = self._since.setdefault(key, self._clock())
        others = len(self._since) - 1
        hold = HOLD_SECONDS + HOLD_SECONDS_A_RUN * others + HOLD_SECONDS_A_TASK * tasks
        return max(since + min(hold, MAX_HOLD_SECONDS) - self._clock(), 0.0)

    def release(self, key: Key) -> None:
        """The status was written, or there is none to write."""
        self._since.pop(key, None)


class DebouncedController(Controller[T]):
    """A controller that writes a status a moment later, unless the plan says that it is urgent."""

    def __init__(self, context: ReconcileContext) -> None:
        super().__init__(context)
        self._debouncer = StatusDebouncer(context.monotonic)

    def forget(self, key: Key) -> None:
        """The object is gone."""
        self._debouncer.release(key)

    async def conclude(self, key: Key, observed: T, plan: Plan) -> None:
        """Write the status unless it is debounced, and requeue the object in time."""
        context = self.context
        if plan.status is not None and not plan.urgent:
            wait = self._debouncer.wait(key, len(plan.status.get("tasks", ())))
            if wait > 0:
                moment = context.now() + timedelta(seconds=wait)
                context.requeue_at(key, first([plan.requeue_at, moment]))
                return
        self._debouncer.release(key)
        await super().conclude(key, observed, plan)
