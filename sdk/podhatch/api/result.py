"""The TaskResult object: the report of an attempt by its own pod. Its name is that of the Job."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.limits import MAX_BACKOFF_SECONDS, MAX_SECONDS
from podhatch.api.model import ApiObject, GivenTime, Rule, WireModel
from podhatch.api.pod import MAX_OUTPUT_BYTES, Outcome
from podhatch.api.task import TaskName


class ResultError(WireModel):
    """The exception that ended the attempt."""

    type: Annotated[str, Field(max_length=256)]
    """type is the exception's class name, or a reason."""
    message: Annotated[str, Field(max_length=65536)] = ""
    """message of the exception."""
    traceback: Annotated[str | None, Field(max_length=262144)] = None
    """traceback from the pod."""


class TaskResultSpec(WireModel):
    """Output or error of one attempt."""

    run: Annotated[str, Field(min_length=1, max_length=63)]
    """run of the attempt."""
    task: TaskName
    """task of the attempt."""
    attempt: Annotated[int, Field(ge=1)]
    """attempt is the number of the attempt, from 1."""
    outcome: Outcome | None = None
    """outcome of the attempt; absent while it runs."""
    extended_seconds: Annotated[float, Field(ge=0, le=MAX_SECONDS)] = 0.0
    """extendedSeconds is the time by which the task extended its own timeout."""
    waits_over: Annotated[int | None, Field(ge=0)] = None
    """waitsOver is the number of waits that were over when a durable task gave up its pod. It is
    resumed when one more is over."""
    retryable: bool = True
    """retryable is false if the task raised NonRetryableException."""
    retry_after_seconds: Annotated[float | None, Field(ge=0, le=MAX_BACKOFF_SECONDS)] = None
    """retryAfterSeconds is the delay of the retry that the task requested."""
    output: Annotated[str | None, Field(max_length=MAX_OUTPUT_BYTES)] = None
    """output as JSON; absent if the task returned nothing."""
    error: ResultError | None = None
    """error of the attempt, if it did not succeed."""
    started_at: GivenTime | None = None
    """startedAt is when user code started."""
    finished_at: GivenTime | None = None
    """finishedAt is when user code ended."""


class TaskResult(ApiObject):
    """The report of an attempt. Only the pod of the attempt can write it."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "!has(oldSelf.spec.outcome) || self.spec == oldSelf.spec",
            "a TaskResult with an outcome cannot change: it is what the pod reported",
        ),
    ]

    kind: Literal["TaskResult"] = "TaskResult"
    spec: TaskResultSpec
    """spec is the report of the pod. It is final."""
