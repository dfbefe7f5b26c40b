"""What the tasks of a run returned, also the long outputs. Used for results, rows and details."""

from podhatch.api.result import TaskResult
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.client.bounded import gathered
from podhatch.client.explain import explained
from podhatch.client.listing.run_rows import tasks_of
from podhatch.client.session import Session
from podhatch.cluster import TASK_RESULT


async def outputs_so_far(session: Session, run: WorkflowRun) -> dict[str, str | None]:
    """Return the JSON text that each task wrote which has succeeded by now, by its name."""
    done = [task for task in tasks_of(run) if task.state == "Succeeded"]
    texts = await gathered(output_text(session, run, task) for task in done)
    return {task.name: text for task, text in zip(done, texts, strict=True)}


async def output_text(session: Session, run: WorkflowRun, task: TaskStatus) -> str | None:
    """Return the JSON text that a task wrote, None if it returned nothing."""
    if task.output_ref is None:
        return task.output
    namespace = run.metadata.namespace
    async with session.reading:
        with explained("TaskResult", namespace, task.output_ref):
            result = await session.cluster.get(TASK_RESULT, namespace, task.output_ref)
    return TaskResult.model_validate(result).spec.output
