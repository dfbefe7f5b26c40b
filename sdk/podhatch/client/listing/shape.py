"""The graph of a run's tasks, as its workflow was pinned. Used for the details of a run."""

from dataclasses import dataclass

from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.client.listing.run_rows import task_id, tasks_of
from podhatch.client.session import Session
from podhatch.cluster import CONTROLLER_REVISION, WORKFLOW, ApiError


@dataclass(frozen=True)
class WorkflowRunShapeItem:
    """A task, and what comes after it.

    Attributes:
        task_external_id: The task's id.
        task_name: Its name.
        step_id: The same.
        children_step_ids: Names of the tasks of which it is a parent.
        parents: Names of its parents.
    """

    task_external_id: str
    task_name: str
    step_id: str
    children_step_ids: list[str]
    parents: list[str]


async def shape_of(session: Session, run: WorkflowRun) -> list[WorkflowRunShapeItem]:
    """Return the graph; without the pinned workflow, or the right to read it, tasks alone."""
    spec = await _spec(session, run)
    parents = {task.name: task.parents for task in spec.tasks} if spec else {}
    return [
        WorkflowRunShapeItem(
            task_external_id=task_id(run, task),
            task_name=task.name,
            step_id=task.name,
            children_step_ids=[name for name, above in parents.items() if task.name in above],
            parents=parents.get(task.name, []),
        )
        for task in tasks_of(run)
    ]


async def _spec(session: Session, run: WorkflowRun) -> WorkflowSpec | None:
    revision = run.status.revision if run.status else None
    kind, name = (CONTROLLER_REVISION, revision) if revision else (WORKFLOW, run.spec.workflow)
    try:
        stored = await session.cluster.get(kind, run.metadata.namespace, name)
    except ApiError:
        return None
    return WorkflowSpec.model_validate(stored["data"]["spec"] if revision else stored["spec"])
