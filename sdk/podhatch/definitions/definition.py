"""What a workflow and a standalone task have in common: how a run of either is asked for.

Base of all that can be run. Checks whatever can be checked before a cluster is touched.
"""

from abc import ABC, abstractmethod
from datetime import datetime
from typing import TYPE_CHECKING, Generic

from podhatch.definitions.options.run_options import (
    ScheduleOptions,
    ScheduleTriggerWorkflowOptions,
    Wishes,
    wishes_of,
)
from podhatch.definitions.task import Input
from podhatch.task.loading import refuse_run

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.client.manifest import Publication
    from podhatch.client.runs.request import Child, RunRequest
    from podhatch.client.target import Target
    from podhatch.definitions.workflow import Workflow
    from podhatch.task import Context


class Definition(ABC, Generic[Input]):
    """Something that can be run.

    Attributes:
        name: As the author wrote it; the object's name in the cluster is made from it.
    """

    name: str

    @property
    @abstractmethod
    def workflow(self) -> "Workflow[Input]":
        """The workflow that a run is of; a workflow's own is itself."""

    @property
    def input_validator(self) -> type[Input]:
        """The declared type of the input; EmptyModel by default."""
        return self.workflow.input_validator

    @property
    def input_validator_type(self) -> type[Input]:
        """Another name of `input_validator`."""
        return self.input_validator

    @property
    def target(self) -> "Target":
        """The cluster and namespace it runs in."""
        return self.workflow.target

    def to_yaml(self) -> str:
        """Return what a run would apply, as YAML for `kubectl apply --server-side`.

        Touches no cluster. (Plain `kubectl apply` writes all of an object into an annotation, for
        which a source tree may be too large.)

        Raises:
            ValueError: It has no task, no pod could find a task's code, a task's return type cannot
                be read or used, or the source is too large.
        """
        return self.workflow.manifest().to_yaml()

    def _request(
        self,
        value: object,
        options: ScheduleTriggerWorkflowOptions,
        flat: ScheduleOptions,
        *,
        start_at: datetime | None = None,
        starting_deadline_seconds: int | None = None,
    ) -> "RunRequest":
        """Return what is asked for, on an input as the caller passes it."""
        refuse_run()
        from podhatch.values.input import dump_input

        return self._request_of(
            dump_input(self.name, self.input_validator, value),
            options,
            flat,
            start_at=start_at,
            starting_deadline_seconds=starting_deadline_seconds,
        )

    def _request_of(
        self,
        input: "JsonObject",
        options: ScheduleTriggerWorkflowOptions,
        flat: ScheduleOptions,
        *,
        start_at: datetime | None = None,
        starting_deadline_seconds: int | None = None,
    ) -> "RunRequest":
        """Return what is asked for; inside a task it is a child run of that task."""
        refuse_run()
        from podhatch.api.names import object_name
        from podhatch.client.runs.request import RunRequest

        parent = _parent()
        wishes = self._wishes(options, flat, parent)
        return RunRequest(
            workflow=object_name(self.name),
            input=input,
            metadata=wishes.metadata,
            priority=wishes.priority,
            child=_child(parent, wishes.child_key) if parent else None,
            start_at=start_at,
            starting_deadline_seconds=starting_deadline_seconds,
        )

    def _wishes(
        self,
        options: ScheduleTriggerWorkflowOptions,
        flat: ScheduleOptions,
        parent: "Context | None",
    ) -> Wishes:
        inherited = parent.additional_metadata if parent else {}
        defaults = {**self.workflow.settings.default_additional_metadata, **inherited}
        return wishes_of(self.name, defaults, options, flat)

    def _publication(self) -> "Publication":
        return self.workflow.project.publication([self.workflow])


def _parent() -> "Context | None":
    """Return the context of the task this code runs in, if the task belongs to a run."""
    from podhatch.task import current_context

    context = current_context()
    return context if context is not None and context.run_uid else None


def _child(parent: "Context", key: str | None) -> "Child":
    """Return which child of its task the next run is; without a key it takes the next index."""
    from podhatch.client.runs.request import Child

    return Child(
        run=parent.workflow_run_id,
        run_uid=parent.run_uid,
        task=parent.task_name,
        job=parent.task_run_id,
        index=parent.next_child_index() if key is None else None,
        key=key,
    )
