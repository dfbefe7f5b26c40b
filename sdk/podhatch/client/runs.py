"""The path of one run as its caller sees it: publish, create, follow to the end, outputs.

Coroutines for the portal, called by the run methods and the references to runs.
"""

import asyncio
import secrets

from podhatch.api.labels import API_VERSION, WORKFLOW_GENERATION
from podhatch.api.model import JsonObject
from podhatch.api.names import new_run_name, short_hash
from podhatch.api.result import TaskResult
from podhatch.api.run import TaskStatus, WorkflowRun, WorkflowRunSpec
from podhatch.client.explain import explained
from podhatch.client.outcome import raise_unless_succeeded
from podhatch.client.request import RunRequest
from podhatch.client.session import Session, session_of
from podhatch.client.target import Target
from podhatch.client.waiting import follow
from podhatch.cluster import TASK_RESULT

SUFFIX_LENGTH = 8


async def start(request: RunRequest) -> JsonObject:
    """Publish the workflow where that is needed, create the run, and return it."""
    session = await session_of(request.target)
    generation = await session.publish(request.manifest)
    return await session.create(_run(request, generation))


async def outputs(target: Target, run: JsonObject) -> dict[str, str | None]:
    """Wait for the run's end and return its outputs as JSON text, by task name.

    Tasks that were skipped have none, and are left out. Of a run that this process has replayed,
    the end of the replay is waited for.

    Raises:
        FailedTaskRunExceptionGroup: The run failed.
        InvalidRun: The cluster did not accept it.
        RunCancelled: It was cancelled.
        RunDeleted: It was deleted meanwhile.
    """
    session = await session_of(target)
    if run["metadata"]["name"] in session.changed:
        run = await session.get_run(run["metadata"]["name"])
    ended = WorkflowRun.model_validate(await follow(session.cluster, run))
    raise_unless_succeeded(ended)
    entries = ended.status.tasks if ended.status else []
    tasks = [task for task in entries if task.state == "Succeeded"]
    texts = await asyncio.gather(*(_output(session, ended, task) for task in tasks))
    return {task.name: text for task, text in zip(tasks, texts, strict=True)}


def _run(request: RunRequest, generation: int) -> JsonObject:
    suffix = short_hash(secrets.token_hex(16), SUFFIX_LENGTH)
    spec = WorkflowRunSpec(
        workflow=request.manifest.name,
        input=request.input,
        additional_metadata=request.metadata,
    )
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": {
            "name": new_run_name(request.manifest.name, suffix),
            "annotations": {WORKFLOW_GENERATION: str(generation)},
        },
        "spec": spec.to_wire(),
    }


async def _output(session: Session, run: WorkflowRun, task: TaskStatus) -> str | None:
    if task.output_ref is None:
        return task.output
    namespace = run.metadata.namespace
    with explained("TaskResult", namespace, task.output_ref):
        result = await session.cluster.get(TASK_RESULT, namespace, task.output_ref)
    return TaskResult.model_validate(result).spec.output
