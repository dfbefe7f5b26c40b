"""`Worker`: registers workflows, answers probes and waits for a signal.

It runs nothing: pods run the tasks, so stopping or losing it cancels nothing.
"""

import inspect
import logging
import queue
import signal
import threading
from collections.abc import AsyncGenerator, Callable, Generator, Sequence
from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING, Any, cast

from podhatch.config import HealthcheckConfig
from podhatch.definitions.workflow import Standalone, Workflow
from podhatch.errors import LoopAlreadyRunningError, PodhatchError
from podhatch.task.loading import refuse_run
from podhatch.values.parsing import listed

if TYPE_CHECKING:
    from podhatch.worker.registration import Registration

Lifespan = Callable[[], AsyncGenerator[Any, None]]

LOOK_SECONDS = 60.0
"""How often it looks whether its workflows are still there."""

_logger = logging.getLogger("podhatch")


class WorkerStatus(Enum):
    """Where a worker stands, for the user's code and over HTTP: the values of the Hatchet SDK."""

    INITIALIZED = 1
    """Not started yet."""
    STARTING = 2
    """It publishes its workflows."""
    HEALTHY = 3
    UNHEALTHY = 4
    """It could not ask the cluster lately, or has ended. Runs go on all the same."""


class Worker:
    """Publishes workflows, then stays to answer probes and to publish again what gets deleted.

    Attributes:
        name: As given, for the log.
        status: Where the worker stands.
    """

    def __init__(
        self,
        name: str,
        workflows: "Sequence[Workflow[Any] | Standalone[Any, Any]]" = (),
        lifespan: Lifespan | None = None,
        healthcheck: HealthcheckConfig | None = None,
    ) -> None:
        self.name = name
        self.status = WorkerStatus.INITIALIZED
        self._lifespan = lifespan and _checked(name, lifespan)
        self._healthcheck = healthcheck or HealthcheckConfig()
        self._workflows: list[Workflow[Any]] = []
        self._registered = False
        # A signal's handler may put into this queue at any point of the program, its own get too.
        self._stops: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._ended = threading.Event()
        self.register_workflows(workflows)

    def register_workflow(self, workflow: "Workflow[Any] | Standalone[Any, Any]") -> None:
        """Add a workflow to those that `start` publishes.

        Args:
            workflow: The workflow or standalone task; its pods have the worker's lifespan.

        Raises:
            TypeError: It is neither a Workflow nor a Standalone.
        """
        definition = _definition(self.name, workflow)
        if self._lifespan is not None:
            definition.lifespan = self._lifespan
        self._workflows.append(definition)

    def register_workflows(
        self, workflows: "Sequence[Workflow[Any] | Standalone[Any, Any]]"
    ) -> None:
        """Add several workflows.

        Args:
            workflows: What `register_workflow` takes, each.

        Raises:
            TypeError: One is neither a Workflow nor a Standalone.
            ValueError: They are no list.
        """
        for workflow in listed(f"worker {self.name!r}: workflows", workflows):
            self.register_workflow(workflow)

    def start(self) -> None:
        """Publish the workflows, then answer `GET /health` until SIGTERM or SIGINT.

        The first signal ends it; runs go on. A second one ends the process at once. Once a minute
        it looks whether its workflows are still in the cluster, and publishes those that are not.

        Raises:
            ClusterUnreachable: There is no answer from the API server.
            LoopAlreadyRunningError: An event loop runs in this thread.
            OSError: The port for probes is taken.
            RequestRefused: The API server did not accept a workflow; the text names it.
            ValueError: There is no workflow, or one has no task, or its code cannot be shipped.
        """
        refuse_run()
        _refuse_loop()
        if not self._workflows:
            raise ValueError(f"worker {self.name!r}: workflows: there is none to register")
        from podhatch.client import background_loop
        from podhatch.worker import health, registration

        made = [registration.registration_of(each) for each in self._workflows]
        healthcheck = health.configured(self._healthcheck)
        self._ended.clear()
        self.status = WorkerStatus.STARTING
        try:
            with health.answering(healthcheck, lambda: self.status.name, lambda: self._registered):
                background_loop.wait(registration.publish(made))
                self.status, self._registered = WorkerStatus.HEALTHY, True
                self._log_start(healthcheck)
                with self._stopped_by_signals():
                    self._wait(made)
        finally:
            self.status, self._registered = WorkerStatus.UNHEALTHY, False
            self._ended.set()

    async def exit_gracefully(self) -> None:
        """End `start`, which runs in another thread, and wait until it has returned."""
        if self.status in (WorkerStatus.STARTING, WorkerStatus.HEALTHY) or self._registered:
            import asyncio

            self._stops.put(None)
            await asyncio.to_thread(self._ended.wait)

    def _wait(self, made: "Sequence[Registration]") -> None:
        while True:
            try:
                self._stops.get(timeout=LOOK_SECONDS)
            except queue.Empty:
                self._publish_missing(made)
            else:
                return

    def _publish_missing(self, made: "Sequence[Registration]") -> None:
        from podhatch.client import background_loop
        from podhatch.worker.registration import publish_missing

        try:
            again = background_loop.wait(publish_missing(made))
        except PodhatchError as error:
            if self.status is not WorkerStatus.UNHEALTHY:
                _logger.warning("worker %s cannot check its workflows: %s", self.name, error)
            self.status = WorkerStatus.UNHEALTHY
            return
        self.status = WorkerStatus.HEALTHY
        if again:
            _logger.warning("published again, since they were deleted: %s", ", ".join(again))

    def _log_start(self, healthcheck: HealthcheckConfig) -> None:
        """Say what this process is for, also in a program that set up no logging."""
        if not _logger.hasHandlers():
            logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        _logger.info(
            "worker %s: %s registered%s. Pods run the tasks: this process may be stopped at any "
            "time, and no run will notice",
            self.name,
            ", ".join(workflow.name for workflow in self._workflows),
            f", health on port {healthcheck.port}" if healthcheck.enabled else "",
        )

    @contextmanager
    def _stopped_by_signals(self) -> Generator[None]:
        """Let the first signal end `start`, and the second one the process."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

        def stop(*_: object) -> None:
            for number in before:
                signal.signal(number, signal.SIG_DFL)
            self._stops.put(None)

        for number in before:
            signal.signal(number, stop)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _definition(worker: str, item: object) -> Workflow[Any]:
    if isinstance(item, Standalone):
        return cast("Standalone[Any, Any]", item).workflow
    if isinstance(item, Workflow):
        return cast("Workflow[Any]", item)
    raise TypeError(
        f"worker {worker!r}: workflows: {item!r} is neither a workflow nor a task made by "
        "@hatchet.task()"
    )


def _checked(worker: str, lifespan: Lifespan) -> Lifespan:
    """Return the lifespan, which in a pod is called with nothing and is to yield once."""
    subject = f"worker {worker!r}: lifespan: {getattr(lifespan, '__qualname__', repr(lifespan))}"
    if not inspect.isasyncgenfunction(lifespan):
        raise ValueError(
            f"{subject} is not an async generator function: write `async def` with one `yield`, "
            "without @asynccontextmanager"
        )
    try:
        inspect.signature(lifespan).bind()
    except TypeError as error:
        raise ValueError(f"{subject} is called with nothing: {error}") from None
    return lifespan


def _refuse_loop() -> None:
    import asyncio

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise LoopAlreadyRunningError(
        "worker.start() blocks, and an event loop runs in this thread: call it outside of "
        "asyncio.run(), or as `await asyncio.to_thread(worker.start)`"
    )
