"""A workflow: tasks and the order between them.

Made by `Hatchet.workflow()`. Touches no cluster until a run method is called.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from podhatch.config import ClientConfig
from podhatch.definitions.graph import TaskGraph
from podhatch.definitions.options.workflow_options import (
    WorkflowOptions,
    check_validator,
    workflow_settings,
)
from podhatch.definitions.origin import Origin
from podhatch.definitions.project import Project
from podhatch.definitions.runnable import Runnable
from podhatch.definitions.running.references import WorkflowRunRef
from podhatch.definitions.task import Input
from podhatch.task.handle import register_stub, register_task

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Manifest
    from podhatch.client.target import Target

MAX_NAME = 253


class Workflow(Runnable[Input, dict[str, Any], WorkflowRunRef], TaskGraph[Input]):
    """A directed acyclic graph of tasks, each of which runs in a pod of its own.

    Attributes:
        name: As the author wrote it; the object's name in the cluster is made from it.
        tasks: In the order of their definition; the two below are not among them.
        failure_task: What runs when a task has failed; None if nothing does.
        success_task: What runs when all tasks succeeded; None if nothing does.
        settings: Its image, description and so on.
        project: What it shares with the other workflows of its `Hatchet`.
        cron_input: Input of the runs that `on_crons` start.
        is_stub: Whether its code is elsewhere, and somebody else publishes it.
        lifespan: The worker's, where there is one; in a pod the cluster's word counts.
    """

    def __init__(
        self,
        name: str,
        validator: type[Input] | None,
        options: WorkflowOptions,
        project: Project,
        *,
        origin: Origin | None,
        cron_input: "Input | JsonObject | None" = None,
    ) -> None:
        subject = f"workflow {name!r}"
        if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValueError(f"{subject}: name: it is no text")
        if not 1 <= len(name) <= MAX_NAME:
            raise ValueError(f"{subject}: name: it needs 1 to {MAX_NAME} characters")
        check_validator(subject, validator)
        self.name = name
        self.settings = workflow_settings(subject, options)
        self.project = project
        self.cron_input = cron_input
        self.is_stub = origin is None
        self.lifespan: Callable[..., object] | None = None
        self.tasks = []
        self.failure_task = None
        self.success_task = None
        self._validator = validator
        self._target = project.target
        self._manifest: Manifest | None = None
        if origin is None:
            register_stub(name)
        else:
            project.add(self, origin)

    @property
    def workflow(self) -> "Workflow[Input]":
        """The workflow itself."""
        return self

    @property
    def target(self) -> "Target":
        """The cluster and namespace it runs in."""
        return self._target

    @target.setter
    def target(self, target: "Target") -> None:
        self._target = target
        self._manifest = None

    @property
    def config(self) -> ClientConfig:
        """What its `Hatchet` was told."""
        return self.project.config

    @property
    def input_validator(self) -> type[Input]:
        """The declared type of the input; EmptyModel by default."""
        if self._validator is not None:
            return self._validator
        from podhatch.values.input import EmptyModel

        return cast("type[Input]", EmptyModel)

    def manifest(self) -> "Manifest":
        """Return what a run would apply. Touches no cluster.

        Raises:
            ValueError: It has no task, no pod could find a task's code, an expression is not CEL,
                a task's return type cannot be read or used, the cron's input does not fit, or the
                source is too large.
        """
        from podhatch.client import session_override
        from podhatch.definitions.manifest.objects import manifest_of

        if session_override.current() is not None:
            for task in self.all_tasks:  # this process may know another workflow of this name
                register_task(task)
            return manifest_of(self, ship=False)
        if self._manifest is None:
            self._manifest = manifest_of(self)
        return self._manifest

    def get_run_ref(self, run_id: "JsonObject | str") -> WorkflowRunRef:
        """Return a reference to a run of this. Touches no cluster.

        Args:
            run_id: The run's name, or the WorkflowRun object.
        """
        return WorkflowRunRef(self.target, run_id)

    def __repr__(self) -> str:
        return f"<Workflow {self.name}: {', '.join(task.name for task in self.tasks) or 'no task'}>"

    def _changed(self) -> None:
        self._manifest = None
