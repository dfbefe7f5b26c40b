"""What the operator and a task's pod agree on: variables, files, exit codes, the report.

Standard library only, because the runner imports it before the user's code. The operator's pod
builder writes the variables, the runner reads them, the operator's outcome reader judges the rest.
"""

from typing import Literal, NotRequired, TypedDict

# Who this attempt is.
NAMESPACE = "PODHATCH_NAMESPACE"
RUN = "PODHATCH_RUN"
RUN_UID = "PODHATCH_RUN_UID"
WORKFLOW = "PODHATCH_WORKFLOW"
"""The workflow's true name, with capitals, spaces and dots as the user wrote it."""
TASK = "PODHATCH_TASK"
ATTEMPT = "PODHATCH_ATTEMPT"
"""1 for the first attempt."""
RETRY_COUNT = "PODHATCH_RETRY_COUNT"
"""How many attempts came before this one."""
MAX_ATTEMPTS = "PODHATCH_MAX_ATTEMPTS"
"""One more than the task's retries."""
ERRORS = "PODHATCH_ERRORS"
"""For a failure task: a JSON object from the name of each failed task to its error's text."""
METADATA = "PODHATCH_METADATA"
"""The run's additional metadata, a JSON object."""
REVISION = "PODHATCH_REVISION"
"""The ControllerRevision that pins the workflow."""
TRIGGER = "PODHATCH_TRIGGER"
"""How the run came about, a JSON object (`TriggerReport`). Absent when there is nothing to tell."""
LIFESPAN = "PODHATCH_LIFESPAN"
"""The async generator function around the task, named as in PYTHON."""

# What it works on.
INPUT = "PODHATCH_INPUT"
"""The run's input, a JSON object. Absent when it is too large: then INPUT_FILE names a file."""
PARENTS = "PODHATCH_PARENTS"
"""The parents' outputs, a JSON object from task name to output. Absent when PARENTS_FILE is set."""
INPUT_FILE = "PODHATCH_INPUT_FILE"
PARENTS_FILE = "PODHATCH_PARENTS_FILE"

# How it runs and reports (python tasks).
PYTHON = "PODHATCH_PYTHON"
"""`package.module:qualified.name` or `path/to/file.py:qualified.name`."""
SOURCE = "PODHATCH_SOURCE"
"""Path of the zip with the user's source tree, when it was shipped with the workflow."""
SOURCE_NAME = "PODHATCH_SOURCE_NAME"
"""Name of the ConfigMap that the zip is in. The SDK's names hold the hash of the content."""
EXECUTION_TIMEOUT = "PODHATCH_EXECUTION_TIMEOUT_SECONDS"
"""Seconds, a decimal number; the clock starts when user code starts."""
MAX_EXTENSION = "PODHATCH_MAX_EXTENSION_SECONDS"
"""Seconds, a decimal number: by so much may the attempt move its own time limit, in all."""
RESULT = "PODHATCH_RESULT"
"""Name of the TaskResult this attempt may write. Absent: the pod has no access to the cluster."""
OUTPUT = "PODHATCH_OUTPUT"
"""The termination message file. A container task writes its output here as JSON."""
MESSAGE_BYTES = "PODHATCH_MESSAGE_BYTES"
"""How many bytes of OUTPUT the kubelet keeps. Absent: 4096, which holds for up to 3 containers."""

OUTPUT_PATH = "/dev/termination-log"
DATA_DIRECTORY = "/podhatch/data"
SOURCE_DIRECTORY = "/podhatch/source"
SOURCE_KEY = "source.zip"
INPUT_KEY = "input.json"
PARENTS_KEY = "parents.json"

EXIT_SUCCEEDED = 0
EXIT_FAILED = 1
EXIT_TIMED_OUT = 124
EXIT_CANCELLED = 143

MAX_MESSAGE_BYTES = 4096
"""The kubelet keeps this many bytes of a termination message."""
MAX_POD_MESSAGE_BYTES = 12 * 1024
"""The kubelet divides this many bytes equally among the messages of a pod's containers."""
MAX_OUTPUT_BYTES = 256 * 1024
MAX_INPUT_BYTES = 256 * 1024
MAX_ENVIRONMENT_BYTES = 32 * 1024
"""Input and parents' outputs together travel by environment up to this size, by file above it."""

Outcome = Literal["Succeeded", "Failed", "TimedOut", "Cancelled"]


def message_room(containers: int) -> int:
    """Return how many bytes the kubelet keeps of a termination message.

    Args:
        containers: How many the pod has, with init containers and ephemeral ones.
    """
    return min(MAX_MESSAGE_BYTES, MAX_POD_MESSAGE_BYTES // max(containers, 1))


class TriggerReport(TypedDict):
    """How a run came about, and what that says to its tasks."""

    workflow: NotRequired[str]
    """Name of the Workflow object, where it is not the one that follows from the true name."""
    priority: NotRequired[int]
    parentRun: NotRequired[str]
    childIndex: NotRequired[int]
    childKey: NotRequired[str]
    eventId: NotRequired[str]
    eventKey: NotRequired[str]
    filterPayload: NotRequired[dict[str, object]]


class ErrorReport(TypedDict):
    """Why an attempt did not succeed."""

    type: str
    """The exception's class name, or a reason such as `OutputTooLarge`."""
    message: str
    traceback: NotRequired[str]


class Report(TypedDict):
    """What a python task says of its attempt: the termination message, and a TaskResult's spec."""

    run: str
    task: str
    attempt: int
    outcome: NotRequired[Outcome]
    """Absent in the first report of a task that has moved its time limit, and still runs."""
    extendedSeconds: NotRequired[float]
    retryable: NotRequired[bool]
    """False: the task raised NonRetryableException."""
    retryAfterSeconds: NotRequired[float]
    output: NotRequired[str]
    """JSON text, kept exactly as the task produced it. Absent: the task returned nothing."""
    error: NotRequired[ErrorReport]
    startedAt: NotRequired[str]
    """When user code started: RFC 3339, UTC, microseconds."""
    finishedAt: NotRequired[str]
    truncated: NotRequired[bool]
    """In a termination message: the output did not fit, the TaskResult holds it."""
