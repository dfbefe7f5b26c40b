"""The TaskResult object: what an attempt's own pod says of it. Named as the attempt's Job."""

from typing import Annotated, Literal

from pydantic import Field

from podhatch.api.labels import API_VERSION
from podhatch.api.model import ObjectMeta, Timestamp, WireModel
from podhatch.api.pod import MAX_OUTPUT_BYTES, Outcome
from podhatch.api.workflow import TaskName


class ResultError(WireModel):
    """The exception that ended the attempt."""

    type: Annotated[
        str, Field(max_length=256, description="type is the exception's class name, or a reason.")
    ]
    message: Annotated[
        str, Field(default="", max_length=65536, description="message of the exception.")
    ]
    traceback: Annotated[
        str | None, Field(default=None, max_length=262144, description="traceback from the pod.")
    ]


class TaskResultSpec(WireModel):
    """Output or error of one attempt."""

    run: Annotated[
        str, Field(min_length=1, max_length=63, description="run the attempt belongs to.")
    ]
    task: Annotated[TaskName, Field(description="task that was attempted.")]
    attempt: Annotated[int, Field(ge=1, description="attempt, counted from 1.")]
    outcome: Annotated[Outcome, Field(description="outcome of the attempt.")]
    output: Annotated[
        str | None,
        Field(
            default=None,
            max_length=MAX_OUTPUT_BYTES,
            description="output as JSON text; absent when the task returned nothing.",
        ),
    ]
    error: Annotated[
        ResultError | None, Field(default=None, description="error, when it did not succeed.")
    ]
    started_at: Annotated[
        Timestamp | None, Field(default=None, description="startedAt is when user code started.")
    ]
    finished_at: Annotated[
        Timestamp | None, Field(default=None, description="finishedAt is when user code ended.")
    ]


class TaskResult(WireModel):
    """The report of one attempt, written by its own pod and by nobody else."""

    api_version: Literal["podhatch.dev/v1alpha1"] = API_VERSION
    kind: Literal["TaskResult"] = "TaskResult"
    metadata: ObjectMeta = Field(default_factory=ObjectMeta)
    spec: TaskResultSpec
