"""The operator's health, as the kubelet's probes ask for it."""

import asyncio

from podhatch_operator.metrics import Metrics
from podhatch_operator.ops.leader import Leadership
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.watch.resync import Resync
from podhatch_operator.watch.watched import Watches

STUCK_SECONDS = 300.0
"""A reconcile that takes longer is stuck: every request has a timeout."""


class Health:
    """The state of the operator. An empty answer means healthy."""

    def __init__(
        self, queue: Queue, resync: Resync, watches: Watches, leadership: Leadership
    ) -> None:
        self._queue = queue
        self._resync = resync
        self._watches = watches
        self._leadership = leadership

    def state(self) -> str:
        """Return the state of a healthy operator in one word."""
        return "ok" if self._leadership.leads else "standby"

    def why_restart(self) -> str:
        """Return the problems that only a restart can solve."""
        if dead := self._resync.dead_watches():
            return f"the watch is dead of: {', '.join(dead)}"
        if self._queue.longest_running() > STUCK_SECONDS:
            return f"a reconcile has not ended for {STUCK_SECONDS:.0f} s"
        return ""

    def why_not_ready(self) -> str:
        """Return why the operator is not ready to serve runs."""
        if not self._leadership.leads:
            problem = self._leadership.problem
            return f"cannot tell who leads: {problem}" if problem else ""
        if not self._resync.listed:
            return "not all kinds have been listed yet"
        if missing := self._watches.missing():
            return f"not watched yet: {', '.join(missing)}"
        return self.why_restart()


async def measure_lag(metrics: Metrics, every: float = 1.0) -> None:
    """Measure the lag of the event loop, every so many seconds, until cancelled."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + every
        await asyncio.sleep(every)
        metrics.lag.set(max(loop.time() - due, 0.0))
