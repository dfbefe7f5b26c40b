"""The contract between the operator and a task's pod: variables, files, exit codes, the report."""

from typing import Literal, NotRequired, TypedDict

# Who this attempt is.
NAMESPACE = "PODHATCH_NAMESPACE"
RUN = "PODHATCH_RUN"
RUN_UID = "PODHATCH_RUN_UID"
WORKFLOW = "PODHATCH_WORKFLOW"
"""The name of the workflow that the author gave."""
TASK = "PODHATCH_TASK"
ATTEMPT = "PODHATCH_ATTEMPT"
"""1 for the first attempt."""
RETRY_COUNT = "PODHATCH_RETRY_COUNT"
"""How many attempts came before this one."""
MAX_ATTEMPTS = "PODHATCH_MAX_ATTEMPTS"
"""The task's retries plus one."""
ERRORS = "PODHATCH_ERRORS"
"""For a failure task: a JSON object from the name of each failed task to its error's text."""
METADATA = "PODHATCH_METADATA"
"""The run's additional metadata, a JSON object."""
REVISION = "PODHATCH_REVISION"
"""The ControllerRevision of the workflow."""
TRIGGER = "PODHATCH_TRIGGER"
"""What started the run, a JSON object (`TriggerReport`). Absent if it is empty."""
LIFESPAN = "PODHATCH_LIFESPAN"
"""The async generator function around the task, in the form of PYTHON."""

# Its input.
INPUT = "PODHATCH_INPUT"
"""The run's input, a JSON object. Absent if it is too large: then INPUT_FILE is set."""
PARENTS = "PODHATCH_PARENTS"
"""The parents' outputs, a JSON object from task name to output. Absent if PARENTS_FILE is set."""
INPUT_FILE = "PODHATCH_INPUT_FILE"
PARENTS_FILE = "PODHATCH_PARENTS_FILE"

# How it runs and reports (python tasks).
PYTHON = "PODHATCH_PYTHON"
"""`package.module:qualified.name` or `path/to/file.py:qualified.name`."""
SOURCE = "PODHATCH_SOURCE"
"""Path of the zip with the user's source tree, if shipped with the workflow."""
SOURCE_NAME = "PODHATCH_SOURCE_NAME"
"""Name of the ConfigMap with the zip. Names given by the SDK include a hash of the content."""
EXECUTION_TIMEOUT = "PODHATCH_EXECUTION_TIMEOUT_SECONDS"
"""Seconds, a decimal number; the clock starts when user code starts."""
MAX_EXTENSION = "PODHATCH_MAX_EXTENSION_SECONDS"
"""Seconds, a decimal number: the total time by which the attempt may extend its own timeout."""
RESULT = "PODHATCH_RESULT"
"""Name of the TaskResult that this attempt writes. Absent if the pod has no cluster access."""
OUTPUT = "PODHATCH_OUTPUT"
"""The termination message file. A container task writes its output here as JSON."""
DURABLE_LOG = "PODHATCH_DURABLE_LOG"
"""Name of the task's DurableLog, without the number of a page. Absent if it is not durable."""
EVICTION_TTL = "PODHATCH_EVICTION_TTL_SECONDS"
"""Seconds, a decimal number: a durable task that waits longer gives up its pod."""
MESSAGE_BYTES = "PODHATCH_MESSAGE_BYTES"
"""How many bytes of OUTPUT the kubelet keeps. Absent: 4096, the limit for up to 3 containers."""

OUTPUT_PATH = "/dev/termination-log"
DATA_DIRECTORY = "/podhatch/data"
SOURCE_DIRECTORY = "/podhatch/source"
SOURCE_KEY = "source.zip"
INPUT_KEY = "input.json"
PARENTS_KEY = "parents.json"

EXIT_SUCCEEDED = 0
EXIT_FAILED = 1
EXIT_EVICTED = 75
"""The task waits without a pod from now on."""
EXIT_TAKEN_OVER = 76
"""The log of the durable task was taken from its pod: it was reset, or has a later pod."""
EXIT_TIMED_OUT = 124
EXIT_CANCELLED = 143

MAX_MESSAGE_BYTES = 4096
"""The kubelet keeps this many bytes of a termination message."""
MAX_POD_MESSAGE_BYTES = 12 * 1024
"""The kubelet divides this many bytes equally among the messages of a pod's containers."""
MAX_OUTPUT_BYTES = 256 * 1024
MAX_INPUT_BYTES = 256 * 1024
MAX_ENVIRONMENT_BYTES = 32 * 1024
"""Input and parents' outputs are passed in the environment up to this total, else in files."""

SKIPPED_OUTPUT = {"skipped": True}
"""The output of a skipped task, for its children and for those who read the run."""

Outcome = Literal["Succeeded", "Failed", "TimedOut", "Cancelled", "Evicted"]


def message_room(containers: int) -> int:
    """Return how many bytes the kubelet keeps of a termination message.

    Args:
        containers: The number of containers, including init and ephemeral containers.
    """
    return min(MAX_MESSAGE_BYTES, MAX_POD_MESSAGE_BYTES // max(containers, 1))


class TriggerReport(TypedDict):
    """What started a run."""

    workflow: NotRequired[str]
    """Name of the Workflow object, if it is not derived from the given name."""
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
    """The report of a python task: the termination message, and the spec of a TaskResult."""

    run: str
    task: str
    attempt: int
    outcome: NotRequired[Outcome]
    """Absent in the first report of a task that has extended its timeout and still runs."""
    extendedSeconds: NotRequired[float]
    waitsOver: NotRequired[int]
    """Of an evicted task: how many of its log's waits were over for it. One more resumes it."""
    retryable: NotRequired[bool]
    """False: the task raised NonRetryableException."""
    retryAfterSeconds: NotRequired[float]
    output: NotRequired[str]
    """JSON, exactly as the task produced it. Absent: the task returned nothing."""
    error: NotRequired[ErrorReport]
    startedAt: NotRequired[str]
    """When user code started: RFC 3339, UTC, microseconds."""
    finishedAt: NotRequired[str]
    truncated: NotRequired[bool]
    """In a termination message: the output did not fit, and is in the TaskResult."""
