"""A run of a workflow that is known by its name only: the cluster holds the rest.

Used by `runs.create` and `scheduled.create`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import ValidationError

from podhatch.api.names import object_name
from podhatch.api.run import WorkflowRun, WorkflowRunSpec
from podhatch.api.workflow import Workflow
from podhatch.client import objects
from podhatch.client.json_object import Payload, json_object
from podhatch.client.sessions import session_of
from podhatch.client.starting import runs
from podhatch.client.starting.request import RunRequest
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW
from podhatch.errors import InvalidRun
from podhatch.values.codec import describe
from podhatch.values.metadata import metadata_texts


@dataclass(frozen=True)
class NamedRun:
    """What somebody asks for.

    Attributes:
        workflow_name: The workflow's name as its author wrote it.
        input: A mapping or a model.
        additional_metadata: Texts, laid over the workflow's own.
        priority: 1 to 3; None leaves it to the workflow.
        start_at: When it starts, with its time zone; None for at once.
    """

    workflow_name: str
    input: Payload
    additional_metadata: Mapping[str, object] | None = None
    priority: int | None = None
    start_at: datetime | None = None


async def create(target: Target, asked: NamedRun) -> WorkflowRun:
    """Create the run.

    Raises:
        InvalidRun: It cannot be; the text names the field.
        RequestRefused: There is no such workflow.
    """
    subject = f"workflow {asked.workflow_name!r}"
    name = object_name(asked.workflow_name)
    try:
        values = json_object(f"{subject}: input", asked.input)
        spec = WorkflowRunSpec(
            workflow=name,
            input=values,
            additional_metadata=metadata_texts(
                f"{subject}: additional_metadata", asked.additional_metadata
            ),
            priority=asked.priority,
            start_at=asked.start_at,
        )
    except ValidationError as error:
        raise InvalidRun(f"{subject}: {describe(error)}") from None
    except ValueError as error:
        raise InvalidRun(str(error)) from None
    session = await session_of(target)
    workflow = await objects.read(session, WORKFLOW, Workflow, name)
    metadata = {**workflow.spec.default_additional_metadata, **spec.additional_metadata}
    request = RunRequest(name, values, metadata, spec.priority, start_at=spec.start_at)
    created = await runs.create(session, request, {name: workflow.metadata.generation})
    return WorkflowRun.model_validate(created)
