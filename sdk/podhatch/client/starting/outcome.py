"""What the end of a run means to its caller: outputs, or which error. Pure."""

from podhatch.api.run import ACCEPTED, TaskStatus, WorkflowRun
from podhatch.errors import FailedTaskRunExceptionGroup, InvalidRun, RunCancelled, TaskRunError


def raise_unless_succeeded(run: WorkflowRun) -> None:
    """Raise what an ended run that did not succeed means.

    Raises:
        FailedTaskRunExceptionGroup: Tasks failed.
        InvalidRun: No task was to blame: the run was not accepted.
        RunCancelled: It was cancelled.
    """
    if run.status is None or run.status.phase == "Succeeded":
        return
    name, tasks = run.metadata.name, run.status.tasks
    if run.status.phase == "Cancelled":
        raise RunCancelled(name, _why_cancelled(tasks) or run.status.message or "")
    if failed := [_error(task) for task in tasks if task.state == "Failed"]:
        raise FailedTaskRunExceptionGroup(f"Workflow run {name} failed.", failed)
    refused = [each for each in run.status.conditions if each.type == ACCEPTED]
    reason = f"{refused[0].reason}: {refused[0].message}" if refused else run.status.message
    raise InvalidRun(f"WorkflowRun {name!r} in namespace {run.metadata.namespace!r}: {reason}")


def _error(task: TaskStatus) -> TaskRunError:
    if task.error is None:  # no code of the user's ran: the image, the node, the pod itself
        return TaskRunError(
            task.message or "the task gave no reason",
            task.reason or "Failed",
            task_run_external_id=task.job,
            task=task.name,
        )
    error = task.error
    return TaskRunError(error.message, error.type, error.traceback or "", task.job, task=task.name)


def _why_cancelled(tasks: list[TaskStatus]) -> str:
    return "; ".join(
        f"task {task.name}: {task.message}"
        for task in tasks
        if task.state == "Cancelled" and task.message
    )
