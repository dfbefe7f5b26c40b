"""What this pod is to run. The rest of the runner knows an attempt only through `Assignment`.

Read from the environment by `__main__`; a pod that waits for its work would read it elsewhere.
"""

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, cast

from podhatch.api import pod

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.api.pod import TriggerReport
    from podhatch.task.context import Context, Host


class AssignmentError(Exception):
    """The environment does not say what to run; the text names the variable."""


class Assignment(NamedTuple):
    """One attempt of one task."""

    namespace: str
    run: str
    run_uid: str
    workflow: str
    """The workflow's true name."""
    task: str
    attempt: int
    """Number of the Job, 1 for the first. A durable task has a new one after a long wait."""
    retry_count: int
    """How many attempts came before this one."""
    max_attempts: int
    """One more than the task's retries."""
    errors: Mapping[str, str]
    """For a failure task: the errors' texts by the name of the task that failed."""
    metadata: Mapping[str, str]
    input: "JsonObject"
    parents: Mapping[str, object]
    """Outputs by the name of the task; of one that was skipped, `{"skipped": true}`."""
    location: str
    """`package.module:qualified.name` or `path/to/file.py:qualified.name`."""
    source: str | None
    """Path of the zip with the user's source tree; None when the image holds the code."""
    source_name: str
    """Name of the ConfigMap that the zip is in; empty when there is none."""
    execution_timeout: float | None
    """Seconds from the start of the user's function."""
    max_extension: float | None
    """Seconds by which the attempt may move its own time limit, in all; None when nobody says."""
    result: str | None
    """Name of the TaskResult to write; None when the pod has no access to the cluster."""
    output_path: str
    """The termination message file."""
    message_bytes: int
    """How many bytes of it the kubelet keeps."""
    trigger: "TriggerReport"
    """How the run came about."""
    revision: str
    """The ControllerRevision that pins the workflow."""
    lifespan: str | None
    """Where the async generator function around the task is, written as `location` is."""
    pod: str
    """The pod's name."""
    durable_log: str | None = None
    """Name of the DurableLog of a durable task, without the number of a page."""
    eviction_ttl: float | None = None
    """Seconds for which a durable task waits in its pod."""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> "Assignment":
        """Read the variables of `podhatch.api.pod`.

        Raises:
            AssignmentError: A variable is missing or holds something else than it should.
        """
        try:
            return cls(
                namespace=environ[pod.NAMESPACE],
                run=environ[pod.RUN],
                run_uid=environ[pod.RUN_UID],
                workflow=environ[pod.WORKFLOW],
                task=environ[pod.TASK],
                attempt=int(environ[pod.ATTEMPT]),
                retry_count=int(environ.get(pod.RETRY_COUNT) or int(environ[pod.ATTEMPT]) - 1),
                max_attempts=int(environ.get(pod.MAX_ATTEMPTS) or 1),
                errors=_read_object(environ, pod.ERRORS),
                metadata=_read_object(environ, pod.METADATA),
                input=_read_object(environ, pod.INPUT, pod.INPUT_FILE),
                parents=_read_object(environ, pod.PARENTS, pod.PARENTS_FILE),
                location=environ[pod.PYTHON],
                source=environ.get(pod.SOURCE) or None,
                source_name=environ.get(pod.SOURCE_NAME, ""),
                execution_timeout=_read_seconds(environ, pod.EXECUTION_TIMEOUT),
                max_extension=_read_seconds(environ, pod.MAX_EXTENSION),
                result=environ.get(pod.RESULT) or None,
                output_path=environ.get(pod.OUTPUT) or pod.OUTPUT_PATH,
                message_bytes=int(environ.get(pod.MESSAGE_BYTES) or pod.MAX_MESSAGE_BYTES),
                trigger=cast("TriggerReport", _read_object(environ, pod.TRIGGER)),
                revision=environ.get(pod.REVISION, ""),
                lifespan=environ.get(pod.LIFESPAN) or None,
                pod=environ.get("HOSTNAME", ""),
                durable_log=environ.get(pod.DURABLE_LOG) or None,
                eviction_ttl=_read_seconds(environ, pod.EVICTION_TTL),
            )
        except KeyError as missing:
            raise AssignmentError(f"{missing.args[0]} is not set") from None
        except (OSError, ValueError) as error:
            raise AssignmentError(f"a variable is malformed: {error}") from None

    def context(self, host: "Host") -> "Context":
        """Return the context of the attempt, whose requests go to `host`.

        A durable task's has no journal yet.
        """
        if self.durable_log:
            from podhatch.task.durable_context import DurableContext as ContextOfTask
        else:
            from podhatch.task.context import Context as ContextOfTask
        return ContextOfTask(
            workflow_run_id=self.run,
            task_run_id=self.task_run_id,
            workflow_name=self.workflow,
            task_name=self.task,
            attempt_number=self.retry_count + 1,
            retry_count=self.retry_count,
            max_attempts=self.max_attempts,
            additional_metadata=dict(self.metadata),
            input=self.input,
            trigger=self.trigger,
            workflow_version_id=self.revision,
            worker_id=self.pod,
            run_uid=self.run_uid,
            parents=self.parents,
            errors=self.errors,
            host=host,
        )

    @property
    def task_run_id(self) -> str:
        """Name of the attempt's Job, which is also that of its TaskResult."""
        if self.result:
            return self.result
        from podhatch.api.names import job_name

        return job_name(self.run, self.run_uid, self.task, self.attempt)


def _read_seconds(environ: Mapping[str, str], variable: str) -> float | None:
    text = environ.get(variable)
    return float(text) if text else None


def _read_object(
    environ: Mapping[str, str], variable: str, file_variable: str = ""
) -> "JsonObject":
    """Return the JSON object in a variable, or in the file that another variable names."""
    file = environ.get(file_variable)
    text = environ.get(variable) or "{}"
    if file:
        with open(file, encoding="utf-8") as opened:
            text = opened.read()
    try:
        return json.loads(text)
    except ValueError as error:
        raise AssignmentError(
            f"{file_variable if file else variable} is not JSON: {error}"
        ) from None
