"""What the id of a task stands for: a run and one of its tasks.

An id is what rows have (`<run>/<task>`; of a run of one task the run's name), or what tasks and
errors tell: the name of an attempt's Job.
"""

from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.client import objects
from podhatch.client.listing.run_rows import tasks_of
from podhatch.client.session import Session
from podhatch.cluster import JOB, WORKFLOW_RUN, ApiError
from podhatch.errors import RequestRefused


@dataclass(frozen=True)
class TaskReference:
    """Tasks of one run.

    Attributes:
        run: Name of the run.
        task: Name of the task; None for all of the run.
        attempt: Number of its attempt, from 1; None for all.
    """

    run: str
    task: str | None = None
    attempt: int | None = None


async def resolved(session: Session, identity: str) -> TaskReference:
    """Return what an id stands for.

    Raises:
        RequestRefused: There is neither a run nor a Job of that name.
    """
    run, slash, task = identity.partition("/")
    if slash:
        return TaskReference(run, task)
    try:
        await objects.read(session, WORKFLOW_RUN, WorkflowRun, run)
    except RequestRefused:
        found = await _of_job(session, identity)
        if found is None:
            raise
        return found
    return TaskReference(run)


async def run_and_task(session: Session, identity: str) -> tuple[WorkflowRun, TaskStatus]:
    """Return the task of an id, and its run.

    Raises:
        RequestRefused: There is no such task, or it is one of many in a run.
    """
    reference = await resolved(session, identity)
    run = await objects.read(session, WORKFLOW_RUN, WorkflowRun, reference.run)
    tasks = tasks_of(run)
    meant = [task for task in tasks if reference.task in (None, task.name)]
    if len(meant) != 1:
        ids = ", ".join(f"{run.metadata.name}/{task.name}" for task in tasks) or "none by now"
        raise RequestRefused(f"{identity!r} is not the id of one task; those of its run are: {ids}")
    return run, meant[0]


async def _of_job(session: Session, name: str) -> TaskReference | None:
    try:
        job = await session.cluster.get(JOB, session.namespace, name)
    except ApiError:
        return None
    of_job = job["metadata"].get("labels", {})
    if labels.RUN not in of_job:
        return None
    return TaskReference(of_job[labels.RUN], of_job[labels.TASK], int(of_job[labels.ATTEMPT]))
