"""`hatchet.stubs`: typed handles on workflows that somebody else defines, and publishes.

They can be run from here, and from other tasks as children; their code may be in any language.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, overload

from podhatch.definitions.graph import Project
from podhatch.definitions.options.workflow_options import WorkflowOptions
from podhatch.definitions.workflow import Standalone, Workflow, standalone_stub

if TYPE_CHECKING:
    from podhatch.values.input import EmptyModel

Input = TypeVar("Input")
R = TypeVar("R")


class Stubs:
    """Makes stubs that run where a `Hatchet` says."""

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
            ValueError: An argument cannot be.
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
            ValueError: An argument cannot be.
        """
        return standalone_stub(
            name, input_validator, output_validator, default_additional_metadata, self._project
        )
