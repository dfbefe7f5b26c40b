"""The Workflow object: what to run. Written by users, the SDK and Helm; never by the operator.

The operator reads it, pins each generation as a ControllerRevision, and writes its status.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.model import (
    ApiObject,
    Condition,
    JsonObject,
    ListMap,
    ListSet,
    PreserveUnknown,
    Rule,
    WireModel,
)
from podhatch.api.names import MAX_LABEL_VALUE, TASK_NAME_PATTERN

MAX_TASKS = 1000
DEFAULT_SCHEDULE_TIMEOUT_SECONDS = 300.0
DEFAULT_EXECUTION_TIMEOUT_SECONDS = 60.0

Comparator = Literal[
    "Equal", "NotEqual", "GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"
]
PullPolicy = Literal["Always", "IfNotPresent", "Never"]
TaskName = Annotated[str, Field(min_length=1, max_length=63, pattern=TASK_NAME_PATTERN)]


class EnvironmentVariable(WireModel):
    """One variable of a container."""

    name: Annotated[str, Field(min_length=1, max_length=256, description="name of the variable.")]
    value: Annotated[str, Field(max_length=32768, description="value of the variable.")] = ""


class Container(WireModel):
    """Any image and command as a task.

    It finds the run's input as JSON in $PODHATCH_INPUT, its parents' outputs in $PODHATCH_PARENTS,
    and may write its own output as JSON, up to 4096 bytes, to the file $PODHATCH_OUTPUT.
    """

    image: Annotated[str, Field(min_length=1, max_length=1024, description="image to run.")]
    command: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            max_length=256,
            description="command replaces the image's entry point.",
        ),
    ] = Field(default_factory=list[str])
    args: Annotated[
        list[Annotated[str, Field(max_length=65536)]],
        Field(
            max_length=256,
            description="args replace the image's default arguments.",
        ),
    ] = Field(default_factory=list[str])
    env: Annotated[
        list[EnvironmentVariable],
        ListMap("name"),
        Field(
            max_length=256,
            description="env adds variables to the container.",
        ),
    ] = Field(default_factory=list[EnvironmentVariable])
    working_dir: Annotated[
        str | None,
        Field(max_length=4096, description="workingDir is where the command starts."),
    ] = None


class DesiredWorkerLabel(WireModel):
    """A label that the task's node should or must have."""

    key: Annotated[str, Field(min_length=1, max_length=317, description="key of the node's label.")]
    value: Annotated[
        str,
        Field(
            max_length=63,
            description="value the label is compared with; a whole number where order is compared.",
        ),
    ]
    comparator: Annotated[
        Comparator,
        Field(
            description="comparator between the node's value, on the left, and this value.",
        ),
    ] = "Equal"
    required: Annotated[
        bool,
        Field(
            description="required: nodes that do not match are out; otherwise they are less liked.",
        ),
    ] = False
    weight: Annotated[
        int,
        Field(
            ge=1,
            le=100,
            description="weight of this wish against the task's others, when it is not required.",
        ),
    ] = 100


class TaskSpec(WireModel):
    """One task: a Python function or a container, run in a pod of its own."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "has(self.python) != has(self.container)",
            "a task needs either python or container, and not both",
        ),
        Rule(
            "!has(self.parents) || !(self.name in self.parents)",
            "a task cannot be its own parent: take its name out of parents",
        ),
        Rule(
            "!has(self.container) || !has(self.image)",
            "image belongs to python tasks: set container.image instead",
        ),
    ]

    name: Annotated[
        TaskName,
        Field(description="name of the task, unique in its workflow; also a label's value."),
    ]
    parents: Annotated[
        list[TaskName],
        ListSet(),
        Field(
            max_length=MAX_TASKS,
            description="parents are the tasks that must succeed before this one starts.",
        ),
    ] = Field(default_factory=list[str])
    python: Annotated[
        str | None,
        Field(
            min_length=3,
            max_length=512,
            pattern=r"^[^:]+:[^:]+$",
            description="python function: package.module:function or path/file.py:function.",
        ),
    ] = None
    container: Annotated[
        Container | None, Field(description="container runs any image and command.")
    ] = None
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="image for this python task; by default the workflow's.",
        ),
    ] = None
    schedule_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=31_536_000,
            description="scheduleTimeoutSeconds is how long the task may wait for its pod to "
            "start; then the task is cancelled. Pulling the image counts.",
        ),
    ] = DEFAULT_SCHEDULE_TIMEOUT_SECONDS
    execution_timeout_seconds: Annotated[
        float,
        Field(
            gt=0,
            le=31_536_000,
            description="executionTimeoutSeconds is how long one attempt may run; then it fails.",
        ),
    ] = DEFAULT_EXECUTION_TIMEOUT_SECONDS
    desired_worker_labels: Annotated[
        list[DesiredWorkerLabel],
        Field(
            max_length=50,
            description="desiredWorkerLabels choose the node by its labels.",
        ),
    ] = Field(default_factory=list[DesiredWorkerLabel])
    cluster_access: Annotated[
        bool,
        Field(
            description="clusterAccess gives a python task's pod the one permission to write its "
            "own result. Without it the pod starts sooner, and its output has at most about 4000 "
            "bytes.",
        ),
    ] = True
    run_as_user: Annotated[
        int | None,
        Field(
            ge=0,
            le=2_147_483_647,
            description="runAsUser is the user id of the process: 65532 by default; 0 is root, "
            "which a namespace with the restricted pod security level refuses.",
        ),
    ] = None


class Source(WireModel):
    """The user's source tree, shipped beside the workflow for development."""

    config_map: Annotated[
        str,
        Field(
            min_length=1,
            max_length=253,
            description="configMap that holds the tree as source.zip; new content has a new name.",
        ),
    ]


class WorkflowSpec(WireModel):
    """A directed acyclic graph of tasks, and what they share."""

    name: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=253,
            description="name as the author wrote it, with capitals, spaces and dots; by default "
            "metadata.name.",
        ),
    ] = None
    description: Annotated[
        str | None,
        Field(max_length=4096, description="description for people."),
    ] = None
    version: Annotated[
        str | None,
        Field(max_length=256, description="version is a label the author gives."),
    ] = None
    image: Annotated[
        str | None,
        Field(
            min_length=1,
            max_length=1024,
            description="image of the python tasks; by default the operator's stock runner image.",
        ),
    ] = None
    image_pull_policy: Annotated[
        PullPolicy | None,
        Field(description="imagePullPolicy of all tasks; by default Kubernetes' own."),
    ] = None
    source: Annotated[
        Source | None,
        Field(description="source tree of the python tasks, for development."),
    ] = None
    input_schema: Annotated[
        JsonObject | None,
        PreserveUnknown(),
        Field(
            description="inputSchema is a JSON Schema; a run with other input fails at once.",
        ),
    ] = None
    tasks: Annotated[
        list[TaskSpec],
        ListMap("name"),
        Field(
            min_length=1,
            max_length=MAX_TASKS,
            description="tasks of the workflow, in any order.",
        ),
    ]


class WorkflowStatus(WireModel):
    """What the operator says of a workflow."""

    observed_generation: Annotated[
        int | None,
        Field(ge=0, description="observedGeneration is the generation last checked."),
    ] = None
    conditions: Annotated[
        list[Condition],
        ListMap("type"),
        Field(
            max_length=16,
            description="conditions: Valid tells whether runs of this workflow can start.",
        ),
    ] = Field(default_factory=list[Condition])


class Workflow(ApiObject):
    """A workflow: tasks, each of which becomes a pod, and the order between them."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            f"size(self.metadata.name) <= {MAX_LABEL_VALUE}",
            f"metadata.name of a Workflow has at most {MAX_LABEL_VALUE} characters: shorten it and "
            "put the whole name into spec.name",
        ),
    ]

    kind: Literal["Workflow"] = "Workflow"
    spec: Annotated[WorkflowSpec, Field(description="spec is a directed acyclic graph of tasks.")]
    status: Annotated[
        WorkflowStatus | None,
        Field(description="status is what the operator says of the workflow."),
    ] = None

    @property
    def true_name(self) -> str:
        """The name as the author wrote it."""
        return self.spec.name or self.metadata.name
