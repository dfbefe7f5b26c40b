"""The entry point: `Hatchet` defines workflows and tasks, and says in which cluster they run."""

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Unpack, cast, overload

from podhatch.client.target import Target
from podhatch.config import ClientConfig
from podhatch.definitions.graph import Project, origin_of_call
from podhatch.definitions.options.workflow_options import (
    DurableStandaloneOptions,
    StandaloneOptions,
    WorkflowOptions,
)
from podhatch.definitions.task import (
    DurableTaskFunction,
    Input,
    R,
    TaskFunction,
    check_parentheses,
)
from podhatch.definitions.workflow import (
    Standalone,
    Workflow,
    standalone,
    standalone_stub,
)
from podhatch.task import current_context

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.cel import CELClient
    from podhatch.client.crons import CronClient
    from podhatch.client.events import EventClient
    from podhatch.client.filters import FiltersClient
    from podhatch.client.logs import LogsClient
    from podhatch.client.metrics import MetricsClient
    from podhatch.client.rate_limits import RateLimitsClient
    from podhatch.client.runs.client import RunsClient
    from podhatch.client.schedules import ScheduledClient
    from podhatch.client.workers import WorkersClient
    from podhatch.client.workflows import WorkflowsClient
    from podhatch.task import Context
    from podhatch.values.input import EmptyModel
    from podhatch.worker import Worker
    from podhatch.worker.worker import Lifespan


class Stubs:
    """Makes typed handles on workflows that somebody else defines and publishes.

    They can be run from here, and from other tasks as children; their code may be in any language.
    """

    def __init__(self, project: Project) -> None:
        self._project = project

    @overload
    def workflow(
        self,
        *,
        name: str,
        input_validator: type[Input],
        default_additional_metadata: Mapping[str, object] | None = None,
    ) -> Workflow[Input]: ...
    @overload
    def workflow(
        self,
        *,
        name: str,
        input_validator: None = None,
        default_additional_metadata: Mapping[str, object] | None = None,
    ) -> "Workflow[EmptyModel]": ...
    def workflow(
        self,
        *,
        name: str,
        input_validator: type[Any] | None = None,
        default_additional_metadata: Mapping[str, object] | None = None,
    ) -> Workflow[Any]:
        """Return a handle on a workflow.

        Args:
            name: Its name as its author wrote it.
            input_validator: What its input must fit; by default anything does.
            default_additional_metadata: Metadata of runs started here, under their own.

        Raises:
            ValueError: An argument is not valid.
        """
        options: WorkflowOptions = {"default_additional_metadata": default_additional_metadata}
        return Workflow(name, input_validator, options, self._project, origin=None)

    def task(
        self,
        *,
        name: str,
        input_validator: type[Input],
        output_validator: type[R],
        default_additional_metadata: Mapping[str, object] | None = None,
    ) -> Standalone[Input, R]:
        """Return a handle on a standalone task, or a workflow of one task.

        Args:
            name: Its name as its author wrote it.
            input_validator: What its input must fit.
            output_validator: What its output is, to which the result is validated.
            default_additional_metadata: Metadata of runs started here, under their own.

        Raises:
            ValueError: An argument is not valid.
        """
        return standalone_stub(
            name, input_validator, output_validator, default_additional_metadata, self._project
        )


def _client(module: str, name: str) -> "cached_property[Any]":
    def client(self: "Hatchet") -> object:
        """Return the client, whose module is imported when it is first asked for."""
        target = self._target  # pyright: ignore[reportPrivateUsage]
        return getattr(import_module(f"podhatch.client.{module}"), name)(target)

    return cached_property(client)


class Hatchet:
    """Defines workflows and tasks. Touches no cluster until one of them is run.

    Attributes:
        config: As it was passed.
        stubs: Makes handles on workflows that are defined elsewhere.
    """

    cron: "cached_property[CronClient]" = _client("crons", "CronClient")
    """Creates, lists, suspends and deletes crons."""
    event: "cached_property[EventClient]" = _client("events", "EventClient")
    """Pushes events, which start runs and which runs wait for, and lists them."""
    filters: "cached_property[FiltersClient]" = _client("filters", "FiltersClient")
    """Creates, lists, changes and deletes filters of events."""
    rate_limits: "cached_property[RateLimitsClient]" = _client("rate_limits", "RateLimitsClient")
    """Creates, changes and lists rate limits."""
    logs: "cached_property[LogsClient]" = _client("logs", "LogsClient")
    """Reads what tasks have printed."""
    metrics: "cached_property[MetricsClient]" = _client("metrics", "MetricsClient")
    """Counts tasks by where they stand."""
    runs: "cached_property[RunsClient]" = _client("runs.client", "RunsClient")
    """Looks at runs, lists, creates, cancels and replays them."""
    scheduled: "cached_property[ScheduledClient]" = _client("schedules", "ScheduledClient")
    """Creates, lists, moves and deletes runs that start later."""
    workers: "cached_property[WorkersClient]" = _client("workers", "WorkersClient")
    """Lists the nodes that may run tasks."""
    workflows: "cached_property[WorkflowsClient]" = _client("workflows", "WorkflowsClient")
    """Lists and deletes the workflows that the cluster holds."""

    def __init__(
        self,
        namespace: str | bool | None = None,
        *,
        kubeconfig: str | None = None,
        context: str | None = None,
        config: ClientConfig | None = None,
        debug: bool | None = None,
        client: object = None,
    ) -> None:
        """Say where runs belong. In a task's pod it is always where that runs.

        Args:
            namespace: By default the config's, that of the pod, or of the kubeconfig's context. A
                bool in its place is Hatchet's `debug`.
            kubeconfig: Path; by default the pod's service account, $KUBECONFIG or ~/.kube/config.
            context: Name of a context in it; by default the current one.
            config: More settings, by the names of the Hatchet SDK.
            debug: Has no meaning here, and is ignored.
            client: The same.

        Raises:
            ValueError: The namespace is not a string.
        """
        del debug, client
        if isinstance(namespace, bool):
            namespace = None
        if namespace is not None and not isinstance(namespace, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"Hatchet: namespace: expected a string, got {namespace!r}")
        self.config = config or ClientConfig()
        self._target = Target(namespace or self.config.namespace or None, kubeconfig, context)
        self._project = Project(self._target, self.config)
        self.stubs = Stubs(self._project)

    @cached_property
    def cel(self) -> "CELClient":
        """Tries out expressions of filters."""
        from podhatch.client.cel import CELClient

        return CELClient()

    @property
    def definitions(self) -> list[Workflow[Any]]:
        """The workflows that are defined here, those of standalone tasks too; no stubs."""
        return cast("list[Workflow[Any]]", list(self._project.workflows.values()))

    @property
    def namespace(self) -> str | None:
        """The Kubernetes namespace, as it was asked for; None for the pod's or kubeconfig's."""
        return self._target.namespace

    @property
    def current_context(self) -> "Context | None":
        """The context of the task this code runs in; None outside of tasks."""
        return current_context()

    @overload
    def workflow(
        self,
        name: str,
        *,
        input_validator: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[WorkflowOptions],
    ) -> Workflow[Input]: ...

    @overload
    def workflow(
        self,
        name: str,
        *,
        input_type: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[WorkflowOptions],
    ) -> Workflow[Input]: ...

    @overload
    def workflow(
        self,
        name: str,
        *,
        cron_input: "EmptyModel | JsonObject | None" = None,
        **options: Unpack[WorkflowOptions],
    ) -> "Workflow[EmptyModel]": ...

    def workflow(
        self,
        name: str,
        *,
        input_validator: type[Any] | None = None,
        input_type: type[Any] | None = None,
        cron_input: Any = None,
        **options: Unpack[WorkflowOptions],
    ) -> Workflow[Any]:
        """Define a workflow; its `task()` decorator adds tasks.

        Args:
            name: Name, unique in the namespace; capitals, spaces and dots are fine.
            input_validator: Pydantic model, dataclass, dict or TypedDict that the input must fit;
                by default an EmptyModel, which takes anything.
            input_type: The older name of `input_validator`.
            cron_input: Input of the runs that `on_crons` start; by default an empty one.
            options: See `WorkflowOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option is not valid, both names of the input's type are given, or other
                code has defined something of this name here.
        """
        validator = _one_of(name, input_validator, input_type)
        origin = origin_of_call()
        return Workflow(
            name, validator, options, self._project, origin=origin, cron_input=cron_input
        )

    @overload
    def task(
        self,
        name: str | None = None,
        *,
        input_validator: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[StandaloneOptions],
    ) -> Callable[[TaskFunction[Input, R]], Standalone[Input, R]]: ...

    @overload
    def task(
        self,
        name: str | None = None,
        *,
        input_type: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[StandaloneOptions],
    ) -> Callable[[TaskFunction[Input, R]], Standalone[Input, R]]: ...

    @overload
    def task(
        self,
        name: str | None = None,
        *,
        cron_input: "EmptyModel | JsonObject | None" = None,
        **options: Unpack[StandaloneOptions],
    ) -> "Callable[[TaskFunction[EmptyModel, R]], Standalone[EmptyModel, R]]": ...

    def task(
        self,
        name: str | None = None,
        *,
        input_validator: type[Any] | None = None,
        input_type: type[Any] | None = None,
        cron_input: Any = None,
        **options: Unpack[StandaloneOptions],
    ) -> Callable[[TaskFunction[Any, Any]], Standalone[Any, Any]]:
        """Return a decorator that makes a function of `(input, Context)` a task run by itself.

        Args:
            name: Name of the task and its workflow; by default the function's.
            input_validator: See `workflow`.
            input_type: The older name of `input_validator`.
            cron_input: Input of the runs that `on_crons` start; by default an empty one.
            options: See `StandaloneOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option is not valid, both names of the input's type are given, or other
                code has defined something of this name here.
        """
        check_parentheses("hatchet.task", name)
        validator = _one_of(name, input_validator, input_type)

        def decorate(fn: TaskFunction[Any, Any]) -> Standalone[Any, Any]:
            origin = origin_of_call(fn)
            return standalone(
                fn, name, validator, options, self._project, origin, cron_input, durable=False
            )

        return decorate

    @overload
    def durable_task(
        self,
        name: str | None = None,
        *,
        input_validator: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[DurableStandaloneOptions],
    ) -> Callable[[DurableTaskFunction[Input, R]], Standalone[Input, R]]: ...

    @overload
    def durable_task(
        self,
        name: str | None = None,
        *,
        input_type: type[Input],
        cron_input: "Input | JsonObject | None" = None,
        **options: Unpack[DurableStandaloneOptions],
    ) -> Callable[[DurableTaskFunction[Input, R]], Standalone[Input, R]]: ...

    @overload
    def durable_task(
        self,
        name: str | None = None,
        *,
        cron_input: "EmptyModel | JsonObject | None" = None,
        **options: Unpack[DurableStandaloneOptions],
    ) -> "Callable[[DurableTaskFunction[EmptyModel, R]], Standalone[EmptyModel, R]]": ...

    def durable_task(
        self,
        name: str | None = None,
        *,
        input_validator: type[Any] | None = None,
        input_type: type[Any] | None = None,
        cron_input: Any = None,
        **options: Unpack[DurableStandaloneOptions],
    ) -> Callable[[DurableTaskFunction[Any, Any]], Standalone[Any, Any]]:
        """Return a decorator that makes a function of `(input, DurableContext)` a durable task.

        It is run by itself. See `Workflow.durable_task`.

        Args:
            name: Name of the task and its workflow; by default the function's.
            input_validator: See `workflow`.
            input_type: The older name of `input_validator`.
            cron_input: Input of the runs that `on_crons` start; by default an empty one.
            options: See `DurableStandaloneOptions`.

        Raises:
            TypeError: There is no such option.
            ValueError: An option is not valid, both names of the input's type are given, or other
                code has defined something of this name here.
        """
        check_parentheses("hatchet.durable_task", name)
        validator = _one_of(name, input_validator, input_type)

        def decorate(fn: DurableTaskFunction[Any, Any]) -> Standalone[Any, Any]:
            origin = origin_of_call(fn)
            return standalone(
                fn, name, validator, options, self._project, origin, cron_input, durable=True
            )

        return decorate

    def worker(
        self,
        name: str,
        slots: int | None = None,
        durable_slots: int | None = None,
        labels: Mapping[str, str | int] | None = None,
        workflows: "Sequence[Workflow[Any] | Standalone[Any, Any]] | None" = None,
        lifespan: "Lifespan | None" = None,
    ) -> "Worker":
        """Return a worker, whose `start()` publishes workflows, answers probes and blocks.

        Pods run the tasks, so the worker may be stopped at any time.

        Args:
            name: Said in its log.
            slots: Means nothing for pods, and is ignored.
            durable_slots: The same.
            labels: The same: tasks are placed by the labels of nodes.
            workflows: What `start()` publishes; `register_workflow` adds to them.
            lifespan: Async generator function that each pod of their tasks runs up to its yield
                before the task, and to its end after it; what it yields is `ctx.lifespan`.

        Raises:
            TypeError: One of the workflows is neither a Workflow nor a Standalone.
            ValueError: They are no list, or the lifespan is not an async generator function.
        """
        del slots, durable_slots, labels
        from podhatch.worker import Worker

        return Worker(
            name, () if workflows is None else workflows, lifespan, self.config.healthcheck
        )


def _one_of(
    name: str | None, validator: type[Any] | None, older: type[Any] | None
) -> type[Any] | None:
    if validator is not None and older is not None:
        raise ValueError(
            f"workflow {name!r}: input_validator: input_type is its older name; pass one of them"
        )
    return validator if validator is not None else older
