"""The path of one run as its caller sees it: publish, create, follow to the end, outputs.

Coroutines for the background loop, called by the run methods and the references to runs.
"""

import asyncio
import secrets

from podhatch.api.labels import API_VERSION, CLIENT, WORKFLOW_GENERATION
from podhatch.api.model import JsonObject
from podhatch.api.names import new_run_name, short_hash
from podhatch.api.run import WorkflowRun, WorkflowRunSpec
from podhatch.client.explain import explained
from podhatch.client.listing.payloads import output_text
from podhatch.client.manifest import Publication
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.starting.children import check_same
from podhatch.client.starting.outcome import raise_unless_succeeded
from podhatch.client.starting.request import RunRequest
from podhatch.client.target import Target
from podhatch.client.workflows import published
from podhatch.cluster import WORKFLOW_RUN, ApiError
from podhatch.errors import RunDeleted

SUFFIX_LENGTH = 8

Outputs = dict[str, str | None]
"""JSON texts by task name; None of a task that returned nothing."""


async def start(target: Target, publication: Publication, request: RunRequest) -> JsonObject:
    """Publish the workflow where that is needed, create the run, and return it."""
    session = await session_of(target)
    generations = await published(session, publication)
    return await create(session, request, generations)


async def create(session: Session, request: RunRequest, generations: dict[str, int]) -> JsonObject:
    """Create the run, and return it; a task's child may be there already.

    Raises:
        NonDeterminismError: It is, and it is of another workflow or has another input.
        RequestRefused: The API server did not accept it, or a run that is not this child has its
            name.
    """
    manifest = _manifest(request, session.client, generations.get(request.workflow))
    child = request.child
    if child is None:
        return await session.create(manifest)
    created = await session.create_once(manifest)
    if created is None:
        created = await session.get_run(child.name)
        asked = WorkflowRun.model_validate(manifest)
        check_same(child, asked, WorkflowRun.model_validate(created))
    return created


async def get(target: Target, name: str) -> WorkflowRun:
    """Return the run as it stands."""
    session = await session_of(target)
    return WorkflowRun.model_validate(await session.get_run(name))


async def outputs(target: Target, name: str, seen: JsonObject | None) -> Outputs:
    """Wait for the run's end and return its outputs.

    Tasks that were skipped have none, and are left out. Of a run that this process has replayed,
    the end of the replay is waited for.

    Args:
        target: Where the run is.
        name: The run.
        seen: How the caller saw it last; None for not at all, or too long ago.

    Raises:
        FailedTaskRunExceptionGroup: The run failed.
        InvalidRun: The cluster did not accept it.
        RunCancelled: It was cancelled.
        RunDeleted: It was deleted meanwhile, or there never was one.
    """
    session = await session_of(target)
    if seen is None or name in session.changed:
        seen = await _found(session, name)
    run = WorkflowRun.model_validate(await session.followers.end_of(seen))
    raise_unless_succeeded(run)
    entries = run.status.tasks if run.status else []
    tasks = [task for task in entries if task.state == "Succeeded"]
    texts = await asyncio.gather(*(output_text(session, run, task) for task in tasks))
    return {task.name: text for task, text in zip(tasks, texts, strict=True)}


def _manifest(request: RunRequest, client: str, generation: int | None) -> JsonObject:
    child = request.child
    spec = WorkflowRunSpec(
        workflow=request.workflow,
        input=request.input,
        additional_metadata=request.metadata,
        priority=request.priority,
        start_at=request.start_at,
        starting_deadline_seconds=request.starting_deadline_seconds,
        parent=child.reference if child else None,
    )
    metadata: JsonObject = {
        "name": child.name if child else _new_name(request.workflow),
        "labels": {CLIENT: client},
    }
    if generation is not None:
        metadata["annotations"] = {WORKFLOW_GENERATION: str(generation)}
    if child and request.start_at is None:  # a schedule outlives the run that has made it
        metadata["ownerReferences"] = [child.owner]
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": metadata,
        "spec": spec.to_wire(),
    }


def _new_name(workflow: str) -> str:
    return new_run_name(workflow, short_hash(secrets.token_hex(16), SUFFIX_LENGTH))


async def _found(session: Session, name: str) -> JsonObject:
    with explained("WorkflowRun", session.namespace, name):
        try:
            return await session.cluster.get(WORKFLOW_RUN, session.namespace, name)
        except ApiError as error:
            if error.status != 404 or f'"{name}"' not in error.message:
                raise
            raise RunDeleted(
                f"there is no run {name!r} in namespace {session.namespace!r}: it was deleted, or "
                "never was"
            ) from None
