"""The operator's process: `python -m podhatch_operator`. Puts the parts together, and stops them.

Of several operators one leads and works; the others stand by. It ends with 0 after SIGTERM or
SIGINT, with 1 when a part of it ended by itself, and at once with 1 when it lost the lead.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable

import kopf
from podhatch.cluster import Cluster, ClusterUnreachable, Connection

from podhatch_operator.cache.cache import Cache
from podhatch_operator.controllers.controller import ReconcileContext
from podhatch_operator.controllers.reconciler import WATCH_LIST, Reconciler, all_keys
from podhatch_operator.evaluation.evaluator import Evaluator
from podhatch_operator.metrics import AdmissionCollector, Hops, Metrics
from podhatch_operator.ops.leader import Elector
from podhatch_operator.ops.logs import set_up_logs
from podhatch_operator.ops.server import Health, Server, measure_lag
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.queue.workers import Workers
from podhatch_operator.settings import BadSetting, Settings
from podhatch_operator.watch.handlers import registry_of_handlers
from podhatch_operator.watch.intake import Intake
from podhatch_operator.watch.kopf_settings import KOPF_IDENTITY, NoMemories, kopf_settings
from podhatch_operator.watch.resync import Resync
from podhatch_operator.watch.watched import Watches

logger = logging.getLogger("podhatch_operator")

STOP_SECONDS = 10.0


def exit_at_once() -> None:
    """End the process now: an operator that does not lead must not write."""
    logger.error("lost the lead: another operator may have it")
    os._exit(1)


class Operator:
    """All parts of the operator, around one connection to the cluster."""

    def __init__(
        self, cluster: Cluster, settings: Settings, on_lost: Callable[[], None] = exit_at_once
    ) -> None:
        self.settings = settings
        self.cluster = cluster
        self.metrics = Metrics()
        self.cluster.on_request = self.metrics.count_request
        self.cache = Cache(WATCH_LIST.indexes)
        limits = AdmissionCollector(self.cache.admission, self.cache.rate_limits)
        self.metrics.registry.register(limits)
        self.metrics.registry.register(self.cache.durable_tasks)
        self.metrics.paused.set_function(lambda: len(self.cache.paused_runs))
        for watched in WATCH_LIST.selectors:
            count = self.metrics.objects.labels(watched.kind)
            count.set_function(lambda kind=watched: self.cache.count(kind))
        self.queue = Queue(asyncio.get_running_loop(), self.metrics)
        self.hops = Hops(self.metrics.hop)
        self.evaluator = Evaluator(self.queue.add, self.metrics)
        self.intake = Intake(WATCH_LIST, self.cache, self.queue, self.hops)
        self.resync = Resync(
            cluster,
            WATCH_LIST.selectors,
            self.cache,
            self.intake,
            self.metrics,
            settings.namespaces,
        )
        self.watches = Watches(WATCH_LIST.selectors, settings.namespaces)
        self.election = Cluster(cluster.connection)
        """A separate connection, which no other requests delay."""
        self.elector = Elector(
            self.election,
            namespace=cluster.connection.namespace,
            name=settings.lease,
            identity=settings.identity,
        )
        self.on_lost = on_lost
        leadership = self.elector.leadership
        self.metrics.is_leader.set_function(lambda: leadership.leads)
        health = Health(self.queue, self.resync, self.watches, leadership)
        self.server = Server(health, self.metrics, settings.port, settings.metrics_port)
        self.stop_kopf = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> int:
        """Run until `stop`, and return the process's exit code."""
        await self.server.start()
        asked_to_stop = asyncio.create_task(stop.wait())
        try:
            if not await _first(asked_to_stop, asyncio.create_task(self.elector.acquire())):
                return 0
            holding = self._hold_the_lead()
            try:
                if not await _first(asked_to_stop, asyncio.create_task(self._list_all())):
                    return 0
                return await self._work(stop, asked_to_stop)
            finally:
                holding.cancel()
                await self.elector.release()
        finally:
            asked_to_stop.cancel()
            await self.server.stop()
            await self.cluster.close()
            await self.election.close()

    def _hold_the_lead(self) -> "asyncio.Task[None]":
        holding = asyncio.create_task(self.elector.hold(), name="lead")
        holding.add_done_callback(lambda task: None if task.cancelled() else self.on_lost())
        return holding

    async def _list_all(self) -> None:
        """Fill the cache before anything is planned: what it lacks must not exist."""
        await self.resync.list_all()
        gc.collect()
        gc.freeze()  # most of it stays: keep the garbage collector from scanning it each time
        keys = all_keys(self.cache)
        for key in keys:
            self.queue.add(key)
        logger.info("listed everything: %d objects to look at", len(keys))

    async def _work(self, stop: asyncio.Event, asked_to_stop: "asyncio.Task[bool]") -> int:
        context = ReconcileContext(
            self.cluster,
            self.cache,
            self.queue,
            self.settings.defaults,
            self.evaluator,
            WATCH_LIST,
            self.hops,
        )
        reconciler = Reconciler(context)
        workers = Workers(self.queue, reconciler.reconcile, self.metrics, self.settings.workers)
        beside = [
            asyncio.create_task(self.resync.run(), name="resync"),
            asyncio.create_task(self.evaluator.run(), name="evaluator"),
            asyncio.create_task(measure_lag(self.metrics), name="lag"),
        ]
        watching = await self._start_kopf(stop)
        await asyncio.wait([asked_to_stop, watching, *beside], return_when=asyncio.FIRST_COMPLETED)
        ended = [task for task in (watching, *beside) if task.done()]
        for task in ended:
            logger.error("%s ended by itself", task.get_name(), exc_info=task.exception())
        self.queue.close()
        await workers.finish(STOP_SECONDS)
        await context.recorder.finish(STOP_SECONDS)
        for task in beside:
            task.cancel()
        self.stop_kopf.set()
        await asyncio.wait([watching, *beside], timeout=STOP_SECONDS)
        logger.info("stopped")
        return 1 if ended else 0

    async def _start_kopf(self, stop: asyncio.Event) -> "asyncio.Task[None]":
        """Start kopf's watches; a task that ends when they all have ended."""
        others = asyncio.all_tasks()  # kopf cancels all tasks that it does not know
        tasks = await kopf.spawn_tasks(
            registry=registry_of_handlers(
                WATCH_LIST.selectors,
                self.intake,
                self.metrics,
                self.cluster.connection,
                self.watches,
            ),
            settings=kopf_settings(WATCH_LIST.selectors),
            memories=NoMemories(),
            identity=KOPF_IDENTITY,
            clusterwide=not self.settings.namespaces,
            namespaces=self.settings.namespaces,
            stop_flag=self.stop_kopf,
        )
        stop_on_signals(stop)  # kopf has just set its own
        return asyncio.create_task(kopf.run_tasks(tasks, ignored=others), name="kopf")


async def _first(stopper: "asyncio.Task[bool]", task: "asyncio.Task[None]") -> bool:
    """Wait for the task; return False, and cancel it, when the stopper comes first."""
    await asyncio.wait([stopper, task], return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return True
    task.cancel()
    return False


def stop_on_signals(stop: asyncio.Event) -> None:
    """Have SIGTERM and SIGINT stop the operator."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)


async def serve(settings: Settings, connected: Callable[[Connection], Cluster]) -> int:
    """Run the operator until a signal comes, and return the process's exit code."""
    stop = asyncio.Event()
    stop_on_signals(stop)
    try:
        connection = await Connection.find()
    except ClusterUnreachable as error:
        logger.error("%s", error)
        return 1
    return await Operator(connected(connection), settings).run(stop)


def main(connected: Callable[[Connection], Cluster] = Cluster) -> int:
    """Read the settings and run, with the cluster that `connected` makes of the connection."""
    try:
        settings = Settings.read()
    except BadSetting as error:
        print(error, file=sys.stderr)  # noqa: T201 - there are no logs yet
        return 2
    set_up_logs(settings.log_level)
    return asyncio.run(serve(settings, connected))


if __name__ == "__main__":
    sys.exit(main())
