"""The workers: each takes a key from the queue, reconciles it, and takes the next."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from podhatch.cluster import ApiError, ClusterUnreachable, NamespaceTerminating

from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics
from podhatch_operator.queue.work_queue import Queue

logger = logging.getLogger(__name__)


class RetryLater(Exception):  # noqa: N818 - nothing is wrong; the worker counts it as a retry
    """What was decided is out of date or was refused: decide again in a moment."""

    def __init__(self, reason: str, within: float | None = None) -> None:
        super().__init__(reason)
        self.within = within
        """Seconds after which to try at the latest; None leaves it to the queue."""


class PlanFailed(Exception):  # noqa: N818 - named as the condition that users see
    """An exception escaped while an object was planned. The message is one bounded line."""


class Workers:
    """A number of workers on one queue. They end when the queue is closed."""

    def __init__(
        self,
        queue: Queue,
        reconcile: Callable[[Key], Awaitable[None]],
        metrics: Metrics,
        count: int,
    ) -> None:
        self._queue = queue
        self._reconcile = reconcile
        self._metrics = metrics
        self._tasks = [asyncio.create_task(self._work(), name=f"worker {n}") for n in range(count)]

    async def finish(self, seconds: float) -> None:
        """The queue is closed: wait so long for the reconciles under way, then cancel them."""
        _, late = await asyncio.wait(self._tasks, timeout=seconds)
        for task in late:
            logger.warning("%s did not end within %.0f s", task.get_name(), seconds)
            task.cancel()

    async def _work(self) -> None:
        while (key := await self._queue.get()) is not None:
            try:
                result = await self._try(key)
                self._metrics.reconciles.labels(key.kind, result).inc()
            finally:
                self._queue.done(key)

    async def _try(self, key: Key) -> str:
        where = {"kind": key.kind, "namespace": key.namespace, "object": key.name}
        within: float | None = None
        try:
            await self._reconcile(key)
        except RetryLater as reason:
            logger.info("%s", reason, extra=where)
            result, within = "requeue", reason.within
        except PlanFailed as failure:
            logger.error("%s", failure, extra=where)
            result = "error"
        except NamespaceTerminating as error:
            logger.debug("%s", error, extra=where)
            self._queue.forget(key)
            self._queue.cancel_appointment(key)
            return "terminating"
        except (ApiError, ClusterUnreachable) as error:
            logger.warning("reconcile failed: %s", error, extra=where)
            result = "error"
        except Exception:
            logger.exception("reconcile failed", extra=where)
            result = "error"
        else:
            self._queue.forget(key)
            return "success"
        self._queue.retry(key, within)
        return result
