"""What a task knows of itself and its run: the part of a Context that only tells.

Filled by the runner from the pod's variables, by `run_local` and `mock_run` from what they run.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from podhatch.task.worker import WorkerContext

if TYPE_CHECKING:
    from podhatch.api.model import JsonObject
    from podhatch.api.pod import TriggerReport

_NO_TRIGGER: "TriggerReport" = {}


@dataclass(kw_only=True, eq=False, repr=False)
class Facts:
    """Facts about the task, its attempt and its run; names and meanings are Hatchet's.

    Attributes:
        workflow_run_id: Name of the WorkflowRun.
        task_run_id: Name of this attempt's Job.
        workflow_name: The workflow's name, as its definition spells it.
        task_name: This task's name.
        attempt_number: 1 for the first attempt.
        retry_count: How often the task was tried before: 0 in the first attempt.
        max_attempts: One more than the task's retries. Pods that were lost come on top.
        additional_metadata: What the run was started with.
        input: The run's input as a JSON object, before it was validated.
        trigger: How the run came about, as the operator tells it; `priority`, `child_key` and the
            others below read it.
        workflow_version_id: The ControllerRevision that pins the workflow; empty without a cluster.
        worker_id: Name of the pod; empty without one.
        run_uid: The WorkflowRun's uid; empty without a cluster. For the owner references of child
            runs. The attempt's Job is `task_run_id`.
    """

    workflow_run_id: str
    task_run_id: str
    workflow_name: str
    task_name: str
    attempt_number: int = 1
    retry_count: int = -1
    max_attempts: int = 1
    additional_metadata: dict[str, str] = field(default_factory=dict[str, str])
    input: "JsonObject" = field(default_factory=dict[str, Any])
    trigger: "TriggerReport" = field(default_factory=lambda: _NO_TRIGGER)
    workflow_version_id: str = ""
    worker_id: str = ""
    run_uid: str = ""

    def __post_init__(self) -> None:
        if self.retry_count < 0:
            self.retry_count = self.attempt_number - 1

    @property
    def workflow_input(self) -> "JsonObject":
        """The run's input as a JSON object; the older name of `input`."""
        return self.input

    @property
    def step_run_id(self) -> str:
        """The older name of `task_run_id`."""
        return self.task_run_id

    @property
    def workflow_id(self) -> str:
        """Name of the Workflow object."""
        from podhatch.api.names import object_name

        return self.trigger.get("workflow") or object_name(self.workflow_name)

    @property
    def worker_labels(self) -> dict[str, str | int]:
        """Always empty: a pod serves one task, so it has no labels to choose it by."""
        return {}

    @property
    def worker(self) -> WorkerContext:
        """The pod, as older code asks for it: `ctx.worker.id()`."""
        return WorkerContext(self.worker_id)

    @property
    def priority(self) -> int | None:
        """1 to 3, as the run or its workflow says; None when neither does."""
        return self.trigger.get("priority")

    @property
    def parent_workflow_run_id(self) -> str | None:
        """Name of the run whose task started this run; None when no task did."""
        return self.trigger.get("parentRun")

    @property
    def child_index(self) -> int | None:
        """Which child of its parent task this run is, counted from 0."""
        return self.trigger.get("childIndex")

    @property
    def child_key(self) -> str | None:
        """The key by which the parent task started this run."""
        return self.trigger.get("childKey")

    @property
    def was_triggered_by_event(self) -> bool:
        """Whether an event started this run."""
        return "eventKey" in self.trigger

    @property
    def triggering_event_id(self) -> str | None:
        """Id of the event that started this run."""
        return self.trigger.get("eventId")

    @property
    def triggering_event_key(self) -> str | None:
        """Key of the event that started this run."""
        return self.trigger.get("eventKey")

    @property
    def filter_payload(self) -> "JsonObject":
        """Payload of the filter that let the event through; empty when there was none."""
        return self.trigger.get("filterPayload", {})

    @property
    def trigger_data(self) -> "JsonObject":
        """What the trigger brought along: the filter's payload, if there is one."""
        payload = self.trigger.get("filterPayload")
        return {"filter_payload": payload} if payload else {}
