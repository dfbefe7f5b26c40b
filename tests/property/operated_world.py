"""What the worlds share: the operator, and what it hears of the cluster.

The operator is the real one, with its cache, its queue and its writes. It hears late, in pieces, or
not at all, and may die before any of its writes. What it wrote last may arrive after its successor
has begun.
"""

from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import ClassVar

from podhatch.cluster import ApiError, Kind
from podhatch.core.common.observed import Defaults
from podhatch_operator.controllers.reconciler import all_keys
from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.workers import RetryLater
from podhatch_operator.watch.resync import Resync

from tests.fakes.objects import DEFAULTS
from tests.property.living_cluster import SELECTORS, Killed, LivingCluster
from tests.unit.operator.operator import Operator
from tests.unit.operator.timers import FakeTimers

_METRICS = Metrics()
MANY = 1000
"""More keys than there are to reconcile, unless they come back for ever."""


@dataclass(kw_only=True)
class OperatedWorld:
    """The cluster, and one operator process. Subclasses play all others."""

    key: ClassVar[Key]
    """Of the object that it is all about."""
    kinds: ClassVar[tuple[Kind, ...]]
    """Each has a watch of its own, and nothing is said about their order."""
    defaults: ClassVar[Defaults] = DEFAULTS
    cluster: LivingCluster = field(default_factory=LivingCluster)

    def __post_init__(self) -> None:
        self.operator = Operator(self.cluster, FakeTimers(), _METRICS, self.defaults)
        self.cluster.clock = lambda: self.now
        self.restart_operator()

    @property
    def now(self) -> datetime:
        return self.operator.context.now()

    # What the operator does.

    def restart_operator(self) -> None:
        """A new process lists everything and remembers nothing."""
        timers = FakeTimers()
        timers.now = self.operator.timers.now
        successor = Operator(self.cluster, timers, _METRICS, self.defaults)
        successor.clock_begins(self.operator)
        self.operator = successor
        for kind in self.kinds:
            for raw in self.cluster.selected(kind):
                successor.cache.apply(kind, raw)
        for key in all_keys(successor.cache):
            successor.queue.add(key)
        self.heard = {kind: len(self.cluster.changes[kind.kind]) for kind in self.kinds}

    async def reconcile(self, crash_after: int | None = None) -> None:
        """Reconcile the object; the process may die after some of its writes."""
        with self._dying(crash_after):
            await self._reconcile(self.key)

    async def work(self, most: int = MANY, crash_after: int | None = None) -> None:
        """Reconcile what waits in the queue, or the first of it, as the workers do."""
        queue = self.operator.queue
        with self._dying(crash_after):
            for _ in range(most):
                if not len(queue):
                    return
                key = await queue.get()
                assert key is not None
                await self._reconcile(key)
                queue.done(key)
            assert most < MANY, "the queue is never empty"

    @contextmanager
    def _dying(self, crash_after: int | None) -> Generator[None]:
        """End the process after so many writes, and at the end at any rate; None: it lives."""
        if crash_after is not None:
            self.cluster.last_write = None  # of an earlier end: it was lost
        self.cluster.writes_left = crash_after
        with suppress(Killed):
            yield
        self.cluster.writes_left = None
        if crash_after is not None:
            self.restart_operator()

    async def last_write_arrives(self) -> None:
        """What an operator wrote at its end reaches the API server, which may refuse it."""
        write, self.cluster.last_write = self.cluster.last_write, None
        if write is not None:
            with suppress(ApiError):
                await write()

    async def _reconcile(self, key: Key) -> None:
        """Reconcile, and again once what was asked for has been evaluated."""
        operator, requests = self.operator, -1
        while operator.evaluated.requests > requests:
            requests = operator.evaluated.requests
            try:
                await operator.reconciler.reconcile(key)
            except (RetryLater, ApiError) as failure:
                within = failure.within if isinstance(failure, RetryLater) else None
                operator.queue.retry(key, within)
            else:
                operator.queue.forget(key)
            await operator.context.recorder.finish(5)

    # What the operator hears.

    def deliver(self, kind: Kind) -> bool:
        """Hear of the next change of a kind; False when there is none."""
        changes = self.cluster.changes[kind.kind]
        position = self.heard[kind]
        if position >= len(changes):
            return False
        self.heard[kind] += 1
        change = changes[position]
        if change.type == "DELETED":
            self.operator.intake.deleted(kind, change.object)
        else:
            self.operator.intake.changed(kind, change.object)
        return True

    def deliver_again(self, kind: Kind, back: int) -> None:
        """Hear once more of an old change; a deletion is not told twice."""
        position = self.heard[kind] - 1 - back
        if position >= 0:
            change = self.cluster.changes[kind.kind][position]
            if change.type != "DELETED":
                self.operator.intake.changed(kind, change.object)

    def deliver_all(self) -> None:
        """Hear of every change there is."""
        for kind in self.kinds:
            while self.deliver(kind):
                pass

    def lose_changes(self, kind: Kind) -> None:
        """The watch of a kind breaks, and what it had still to tell is lost."""
        self.heard[kind] = len(self.cluster.changes[kind.kind])

    async def resync(self) -> None:
        """Compare the cache with the cluster, as the operator does each minute."""
        operator = self.operator
        selectors = {kind: SELECTORS[kind] for kind in self.kinds}
        resync = Resync(
            self.cluster, selectors, operator.cache, operator.intake, _METRICS, sleep=_no_sleep
        )
        await resync.compare()

    def pass_time(self, seconds: float) -> None:
        """The clock goes on."""
        self.operator.timers.pass_time(seconds)

    def set_clock_back(self, seconds: float) -> None:
        """Somebody sets the clock of the machine; time goes on all the same."""
        self.operator.begun += seconds

    def refuse(self, request: str, code: int) -> None:
        """The API server refuses these requests: a quota is used up, or a policy says no."""
        self.cluster.refusals[request] = ApiError(code, "Refused", "not now")

    def accept_all(self) -> None:
        """The API server refuses nothing any more."""
        self.cluster.refusals.clear()


async def _no_sleep(_: float) -> None:
    """Have no patience with watches that lag behind."""
