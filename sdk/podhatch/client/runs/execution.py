"""The path of runs as their callers see it: publish, create, wait for the end, return outputs."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import TypeVar

from podhatch.api.labels import API_VERSION, CLIENT, SEQUENCE, WORKFLOW_GENERATION
from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.api.run import ACCEPTED, WorkflowRun, WorkflowRunSpec
from podhatch.api.task_status import TaskStatus
from podhatch.api.workflow import Workflow
from podhatch.client import objects
from podhatch.client.explain import explained
from podhatch.client.manifest import Publication
from podhatch.client.runs import claim
from podhatch.client.runs.claim import with_rules
from podhatch.client.runs.lookup import outputs_so_far
from podhatch.client.runs.request import RunRequest, check_same
from podhatch.client.runs.rows import Outputs
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.client.workflows import published
from podhatch.cluster import WORKFLOW_RUN, ApiError
from podhatch.errors import (
    BulkTriggerIdempotencyCollisionError,
    FailedTaskRunExceptionGroup,
    IdempotencyCollisionError,
    InvalidRun,
    RunCancelled,
    RunDeleted,
    TaskRunError,
)
from podhatch.values.input import Payload, json_object
from podhatch.values.parsing import metadata_texts

PARALLEL = 16
"""How many requests create runs at a time."""
PER_SECOND = 100.0
"""How many runs are created a second, which leaves room for other users of the API server."""

T = TypeVar("T")
Run = TypeVar("Run", JsonObject, str)
Ended = tuple[JsonObject | str, Outputs | None]
"""A run as it was created, or its name, and its outputs; None where nobody waits for them."""
Progress = Callable[[int, int], None]
"""Called with how many runs are created, and how many there will be; in a thread, one at a time."""


async def start(target: Target, publication: Publication, request: RunRequest) -> JsonObject:
    """Publish the workflow if needed, create the run, and return it."""
    session = await session_of(target)
    generations = await published(session, publication)
    [request] = await with_rules(session, [request])
    return await create(session, request, generations)


async def execute(
    target: Target, publication: Publication, request: RunRequest
) -> tuple[JsonObject, Outputs]:
    """Publish the workflow, create the run, wait for its end, and return it with its outputs."""
    run = await start(target, publication, request)
    return run, await outputs(target, _name(run), run)


async def create(session: Session, request: RunRequest, generations: dict[str, int]) -> JsonObject:
    """Create the run and return it. An earlier attempt may have created it, if it is a child."""
    manifest = _manifest(request, session, generations.get(request.spec.workflow))
    child = request.child
    if request.idempotency is not None:
        return await claim.create(session, manifest, request.idempotency, child)
    if child is None:
        return await session.create(manifest)
    created = await session.create_once(manifest)
    if created is None:
        created = await session.get_run(child.name)
        asked = WorkflowRun.model_validate(manifest)
        check_same(child, asked, WorkflowRun.model_validate(created))
    return created


async def outputs(target: Target, name: str, seen: JsonObject | None) -> Outputs:
    """Wait for the run's end and return its outputs, without those of skipped tasks.

    `seen` is the run as the caller knows it; None to read it. If this process has replayed the run,
    wait for the end of the replay.

    Raises:
        FailedTaskRunExceptionGroup: The run failed.
        InvalidRun: The operator did not accept it.
        RunCancelled: It was cancelled.
        RunDeleted: It was deleted, or there is none.
    """
    session = await session_of(target)
    if seen is None or name in session.changed:
        seen = await found(session, name)
    run = WorkflowRun.model_validate(await session.followers.end_of(seen))
    raise_unless_succeeded(run)
    return await outputs_so_far(session, run)


def _manifest(request: RunRequest, session: Session, generation: int | None) -> JsonObject:
    child = request.child
    spec = request.spec.model_copy(update={"parent": child.reference if child else None})
    metadata: JsonObject = {
        "name": child.name if child else objects.unique_name(spec.workflow),
        "labels": {CLIENT: session.client},
        "annotations": {SEQUENCE: str(session.next_sequence())},
    }
    if generation is not None:
        metadata["annotations"][WORKFLOW_GENERATION] = str(generation)
    if child and spec.start_at is None:  # a schedule outlives the run that created it
        metadata["ownerReferences"] = [child.owner]
    return {
        "apiVersion": API_VERSION,
        "kind": "WorkflowRun",
        "metadata": metadata,
        "spec": spec.to_wire(),
    }


async def found(session: Session, name: str) -> JsonObject:
    """Return the run, or raise RunDeleted."""
    with explained("WorkflowRun", session.namespace, name):
        try:
            return await session.cluster.get(WORKFLOW_RUN, session.namespace, name)
        except ApiError as error:
            if not error.is_missing(name):
                raise
            raise RunDeleted(
                f"there is no run {name!r} in namespace {session.namespace!r}: it was deleted or "
                "never created"
            ) from None


def named_request(
    workflow_name: str,
    input: Payload,
    additional_metadata: Mapping[str, object] | None = None,
    priority: int | None = None,
    start_at: datetime | None = None,
) -> RunRequest:
    """Return a run to create with `create_named`."""
    subject = f"workflow {workflow_name!r}"
    try:
        values = json_object(f"{subject}: input", input)
        metadata = metadata_texts(f"{subject}: additional_metadata", additional_metadata)
        with objects.validating(subject):
            spec = WorkflowRunSpec(
                workflow=object_name(workflow_name),
                input=values,
                additional_metadata=metadata,
                priority=priority,
                start_at=start_at,
            )
    except ValueError as error:
        raise InvalidRun(str(error)) from None
    return RunRequest(spec)


async def create_named(session: Session, request: RunRequest) -> WorkflowRun:
    """Create a run of a workflow that the cluster holds."""
    workflow = await objects.read(session, Workflow, request.spec.workflow)
    request = claim.with_rule(request.under(workflow.spec.default_additional_metadata), workflow)
    generations = {request.spec.workflow: workflow.metadata.generation}
    return WorkflowRun.model_validate(await create(session, request, generations))


async def execute_many(
    target: Target,
    publication: Publication,
    requests: Sequence[RunRequest],
    *,
    progress: Progress | None,
    return_exceptions: bool,
    wait_for_result: bool,
) -> Sequence[Ended | BaseException]:
    """Create the runs and wait for their ends; return both in the order of the requests: `many`.

    An error of `progress` is always raised at once; runs that are created by then go on.
    """
    session = await session_of(target)
    generations = await published(session, publication)
    pace = Pace(len(requests), progress)

    async def begin(request: RunRequest) -> JsonObject:
        async with pace.turn():
            return await create(session, request, generations)

    async def end_of(run: JsonObject) -> Outputs | None:
        return await outputs(target, _name(run), run) if wait_for_result else None

    asked = await with_rules(session, requests)
    return await many(asked, begin, end_of, pace.tell, return_exceptions=return_exceptions)


async def many(
    requests: Sequence[RunRequest],
    begin: Callable[[RunRequest], Awaitable[Run]],
    end_of: Callable[[Run], Awaitable[Outputs | None]],
    begun: Callable[[], Awaitable[None]] | None = None,
    *,
    return_exceptions: bool,
) -> Sequence[tuple[Run, Outputs | None] | BaseException]:
    """Begin all runs, wait for what `end_of` waits for, and return both in the order of requests.

    With `return_exceptions` an error stands in the place of a run that was refused or did not
    succeed; without, the first one is raised at once.

    Raises:
        BulkTriggerIdempotencyCollisionError: Other runs hold the keys of some; the rest is created.
    """

    async def first(request: RunRequest) -> Run | BaseException:
        try:
            run = await begin(request)
        except Exception as error:
            if return_exceptions or isinstance(error, IdempotencyCollisionError):
                return error
            raise
        if begun is not None:
            await begun()
        return run

    async def then(run: Run | BaseException) -> tuple[Run, Outputs | None] | BaseException:
        return run if isinstance(run, BaseException) else (run, await end_of(run))

    runs = await all_of(map(first, requests), return_exceptions=False)
    collisions = [each for each in runs if isinstance(each, IdempotencyCollisionError)]
    if collisions and not return_exceptions:
        created = [_name(each) for each in runs if not isinstance(each, BaseException)]
        raise BulkTriggerIdempotencyCollisionError(created, collisions)
    return await all_of(map(then, runs), return_exceptions=return_exceptions)


def _name(run: JsonObject | str) -> str:
    return run if isinstance(run, str) else str(run["metadata"]["name"])


class Pace:
    """Creates many runs, which leaves room for other users of the API server."""

    def __init__(self, count: int, progress: Progress | None) -> None:
        self._count = count
        self._progress = progress
        self._places, self._telling = asyncio.Semaphore(PARALLEL), asyncio.Lock()
        self._begun_at: float | None = None
        self._begun = self._created = 0

    @asynccontextmanager
    async def turn(self) -> AsyncGenerator[None]:
        """Wait until a run may be created, and hold its place meanwhile."""
        loop = asyncio.get_running_loop()
        async with self._places:
            self._begun_at = loop.time() if self._begun_at is None else self._begun_at
            due = self._begun_at + self._begun / PER_SECOND
            self._begun += 1
            await asyncio.sleep(due - loop.time())
            yield

    async def tell(self) -> None:
        """Tell that a run was created."""
        self._created += 1
        count, progress = self._created, self._progress
        if progress is None:
            return
        async with self._telling:  # in the order of the counts
            # In a thread, since it may call podhatch, which would wait for this loop.
            await asyncio.to_thread(progress, count, self._count)


async def all_of(
    coroutines: Iterable[Awaitable[T]], *, return_exceptions: bool
) -> list[T | BaseException]:
    """Await all; without `return_exceptions` the first error cancels the others."""
    tasks = [asyncio.ensure_future(each) for each in coroutines]
    try:
        return await asyncio.gather(*tasks, return_exceptions=return_exceptions)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def raise_unless_succeeded(run: WorkflowRun) -> None:
    """Raise the error of an ended run that did not succeed: see `outputs`."""
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
    if task.error is None:  # the image, the node or the pod failed, not the user's code
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
