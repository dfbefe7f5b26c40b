"""`hatchet.workflows`: Workflow objects, whoever defined them; and how they are published."""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeVar, get_args

from podhatch.api.cron import CronWorkflow
from podhatch.api.labels import WORKFLOW as WORKFLOW_LABEL
from podhatch.api.model import ApiObject, JsonObject
from podhatch.api.names import object_name
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import Workflow, WorkflowSpec
from podhatch.client import objects, paging
from podhatch.client.explain import explained
from podhatch.client.feature import FeatureClient
from podhatch.client.manifest import Manifest, Publication
from podhatch.client.paging import Metadata, Query, Rows, Window, metadata_of
from podhatch.client.parameters import DEFAULT_QUEUE_TTL
from podhatch.client.session import Session
from podhatch.client.twins import async_twin, blocking
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_WORKFLOW,
    EVENT_FILTER,
    WORKFLOW,
    WORKFLOW_RUN,
    ApiError,
    Kind,
)
from podhatch.errors import PodhatchError, RequestRefused
from podhatch.values.duration import Duration, whole_seconds

Row = TypeVar("Row")
OfWorkflow = TypeVar("OfWorkflow", CronWorkflow, WorkflowRun)


@dataclass(frozen=True)
class StoredWorkflow:
    """A workflow as the cluster holds it."""

    metadata: Metadata
    """Its id is the name of the Workflow object."""
    name: str
    """The name as its author wrote it."""
    description: str | None
    """The author's description; None if there is none."""
    version: str | None
    """The label the author gave; None for none."""
    tasks: list[str]
    """Names of the tasks."""
    valid: bool | None
    """Whether its runs can start; None before the operator has checked it."""
    problem: str | None
    """Why they cannot; None if they can."""
    paused: bool
    """Whether runs wait until it is unpaused."""
    object: Workflow
    """The Workflow object."""


@dataclass(frozen=True)
class StoredWorkflowVersion:
    """A version of a workflow, pinned when runs used it."""

    metadata: Metadata
    """Its id is what rows of runs have as `workflow_version_id`."""
    workflow_id: str
    """Name of the Workflow object."""
    version: str | None
    """The label the author gave; None for none."""
    spec: WorkflowSpec
    """The content."""


async def _get_version(session: Session, name: str, version: str | None) -> StoredWorkflowVersion:
    """Return a version of the workflow, by default the newest."""
    workflow = object_name(name)
    if version is not None:
        objects.check_name(CONTROLLER_REVISION, version)
        with explained("ControllerRevision", session.namespace, version):
            stored = await session.cluster.get(CONTROLLER_REVISION, session.namespace, version)
        return _version(workflow, stored)
    with explained("ControllerRevision", session.namespace):
        found, _ = await session.cluster.list(
            CONTROLLER_REVISION, session.namespace, label_selector=f"{WORKFLOW_LABEL}={workflow}"
        )
    if not found:
        raise RequestRefused(f"workflow {name!r} has no version yet: none of its runs has started")
    return _version(workflow, max(found, key=lambda each: int(each["revision"])))


QueueBehavior = Literal["QUEUE", "DROP"]
"""Whether a tick of a cron, or a schedule, makes a run wait while its workflow is paused."""


async def pause(
    session: Session,
    name: str,
    queue_ttl: Duration | None = None,
    cron_runs: QueueBehavior | None = None,
    scheduled_runs: QueueBehavior | None = None,
) -> StoredWorkflow:
    """Pause the workflow. What is None stays as the workflow's pausePolicy has it."""
    policy: JsonObject = {}
    if queue_ttl is not None:
        policy["queueTtlSeconds"] = whole_seconds("queue_ttl", queue_ttl)
    if cron_runs is not None:
        policy["cronRuns"] = _behavior("paused_workflow_cron_run_queue_behavior", cron_runs)
    if scheduled_runs is not None:
        subject = "paused_workflow_scheduled_run_queue_behavior"
        policy["scheduledRuns"] = _behavior(subject, scheduled_runs)
    change: JsonObject = {"pausePolicy": policy} if policy else {}
    return await _changed(session, name, {"paused": True, **change})


def _behavior(subject: str, value: object) -> str:
    if value not in get_args(QueueBehavior):
        raise ValueError(f"{subject}: expected 'QUEUE' or 'DROP', got {value!r}")
    return str(value).capitalize()


async def unpause(session: Session, name: str) -> StoredWorkflow:
    """Unpause the workflow."""
    return await _changed(session, name, {"paused": False})


async def _changed(session: Session, name: str, spec: JsonObject) -> StoredWorkflow:
    stored = await objects.patch(session, Workflow, object_name(name), {"spec": spec})
    session.wrote(stored.metadata)
    return _row(stored)


async def delete(session: Session, name: str) -> None:
    """Delete the workflow, and with it its crons, filters and runs."""
    workflow = object_name(name)
    await objects.delete(session, WORKFLOW, workflow)
    session.forget(workflow)
    for kind in (CRON_WORKFLOW, EVENT_FILTER, WORKFLOW_RUN):
        await _delete_all(session, kind, workflow)


async def _delete_all(session: Session, kind: Kind, workflow: str) -> None:
    with explained(kind.kind, session.namespace):
        found, _ = await session.cluster.list(
            kind, session.namespace, field_selector=f"spec.workflow={workflow}", metadata_only=True
        )
        await objects.gathered(_delete(session, kind, each["metadata"]["name"]) for each in found)


async def _delete(session: Session, kind: Kind, name: str) -> None:
    try:
        await session.cluster.delete(kind, session.namespace, name)
    except ApiError as error:
        if error.status != 404:
            raise


def _row(stored: Workflow) -> StoredWorkflow:
    conditions = stored.status.conditions if stored.status else []
    valid = next((each for each in conditions if each.type == "Valid"), None)
    return StoredWorkflow(
        metadata=metadata_of(stored),
        name=stored.true_name,
        description=stored.spec.description,
        version=stored.spec.version,
        tasks=[task.name for task in stored.spec.tasks],
        valid=None if valid is None else valid.status == "True",
        problem=valid.message if valid and valid.status == "False" else None,
        paused=stored.spec.paused,
        object=stored,
    )


def _version(workflow: str, revision: JsonObject) -> StoredWorkflowVersion:
    spec = WorkflowSpec.model_validate(revision["data"]["spec"])
    identity = ApiObject.model_validate({"metadata": revision["metadata"]})
    return StoredWorkflowVersion(metadata_of(identity), workflow, spec.version, spec)


async def true_names(session: Session, workflows: Iterable[str]) -> dict[str, str]:
    """Return the name of each workflow by the name of its object; the latter if it is deleted."""
    known = session.true_names
    wanted = sorted(set(workflows))
    unknown = [name for name in wanted if name not in known]
    found = await objects.gathered(_true_name(session, name) for name in unknown)
    known.update({name: true for name, true in zip(unknown, found, strict=True) if true})
    return {name: known.get(name, name) for name in wanted}


async def true_name(session: Session, workflow: str) -> str:
    """Return the name of one workflow."""
    return (await true_names(session, [workflow]))[workflow]


async def _true_name(session: Session, name: str) -> str | None:
    try:
        stored = await session.cluster.get(WORKFLOW, session.namespace, name)
    except ApiError:  # deleted, or access is denied: use the object's name
        return None
    return Workflow.model_validate(stored).true_name


async def named_row(
    session: Session, stored: OfWorkflow, row: Callable[[OfWorkflow, str], Row]
) -> Row:
    """Return the row of an object, which is made with the name of its workflow too."""
    return row(stored, await true_name(session, stored.spec.workflow))


async def named_rows(
    session: Session,
    query: Query[OfWorkflow],
    window: Window,
    row: Callable[[OfWorkflow, str], Row],
) -> Rows[Row]:
    """Do what `named_row` does with the objects in a window of a list."""
    found, page = await paging.find(session, query, window)
    names = await true_names(session, (each.spec.workflow for each in found))
    return Rows([row(each, names[each.spec.workflow]) for each in found], page)


_logger = logging.getLogger("podhatch")


async def published(session: Session, publication: Publication) -> dict[str, int]:
    """Publish all workflows, and return the generations of the needed ones by name.

    Raises:
        PodhatchError: A needed one cannot be published. For any other this is a warning.
    """
    others = [each for each in publication.others if each.content_hash not in session.refused]
    generations = await asyncio.gather(
        *(session.publish(each) for each in publication.needed),
        *(_tried(session, each) for each in others),
    )
    names = [each.name for each in publication.needed]
    return dict(zip(names, generations[: len(names)], strict=True))


async def _tried(session: Session, manifest: Manifest) -> int:
    try:
        return await session.publish(manifest)
    except PodhatchError as error:
        session.refused.add(manifest.content_hash)
        _logger.warning("another workflow of this program was not published: %s", error)
        return 0


class WorkflowsClient(FeatureClient):
    """Workflows of one namespace. Each is named by its name or its id, `metadata.id`."""

    @blocking
    async def list(
        self, workflow_name: str | None = None, limit: int | None = None, offset: int | None = None
    ) -> Rows[StoredWorkflow]:
        """Return workflows.

        Args:
            workflow_name: The one of this name.
            limit: Maximum number of items; 100 by default.
            offset: Number of items to skip.
        """
        named = "" if workflow_name is None else f"metadata.name={object_name(workflow_name)}"
        query = Query(Workflow, [named])
        return await self._ask(paging.rows, query, Window.of(offset, limit), _row)

    aio_list = async_twin(list)

    @blocking
    async def get(self, workflow_id: str) -> StoredWorkflow:
        """Return the workflow.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        return _row(await self._ask(objects.read, Workflow, object_name(workflow_id)))

    aio_get = async_twin(get)

    @blocking
    async def get_version(
        self, workflow_id: str, version: str | None = None
    ) -> StoredWorkflowVersion:
        """Return a version of the workflow, as runs have pinned it.

        Args:
            workflow_id: The workflow.
            version: `workflow_version_id` of a run; by default that of the newest one.

        Raises:
            RequestRefused: There is none.
        """
        return await self._ask(_get_version, workflow_id, version)

    aio_get_version = async_twin(get_version)

    @blocking
    async def pause(
        self,
        workflow_id: str,
        queue_ttl: Duration = DEFAULT_QUEUE_TTL,
        paused_workflow_cron_run_queue_behavior: QueueBehavior = "QUEUE",
        paused_workflow_scheduled_run_queue_behavior: QueueBehavior = "QUEUE",
    ) -> StoredWorkflow:
        """Pause the workflow: runs that have started continue, others wait until it is unpaused.

        Pausing it again changes the options.

        Args:
            workflow_id: Its name, or that of the Workflow object.
            queue_ttl: A run that has waited for so long since its creation is cancelled.
            paused_workflow_cron_run_queue_behavior: Whether a tick of a cron creates a run, which
                waits (QUEUE), or none (DROP).
            paused_workflow_scheduled_run_queue_behavior: Whether a scheduled run waits once its
                time has come (QUEUE), or is cancelled (DROP).

        Raises:
            ValueError: An option is not valid.
        """
        return await self._ask(
            pause,
            workflow_id,
            queue_ttl,
            paused_workflow_cron_run_queue_behavior,
            paused_workflow_scheduled_run_queue_behavior,
        )

    aio_pause = async_twin(pause)

    @blocking
    async def unpause(self, workflow_id: str) -> StoredWorkflow:
        """Unpause the workflow: all its waiting runs start.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        return await self._ask(unpause, workflow_id)

    aio_unpause = async_twin(unpause)

    @blocking
    async def delete(self, workflow_id: str) -> None:
        """Delete the workflow, and with it its crons, filters and runs.

        Args:
            workflow_id: Its name, or that of the Workflow object.
        """
        await self._ask(delete, workflow_id)

    aio_delete = async_twin(delete)
