"""Crons under the names of the Hatchet SDK."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from podhatch.api.cron import CronWorkflow
from podhatch.api.model import JsonObject
from podhatch.client.listing.rows import Metadata, metadata_of


class CronWorkflowsMethod(StrEnum):
    """Where a cron comes from."""

    DEFAULT = "DEFAULT"
    """`on_crons` of its workflow, with which it comes and goes."""
    API = "API"
    """`create_cron`, or an object that somebody applied."""


@dataclass(frozen=True)
class CronWorkflows:
    """A cron, under the names of the Hatchet SDK.

    Attributes:
        metadata: Its id is the name of the CronWorkflow object.
        name: The cron's name as its author wrote it.
        workflow_id: Name of the Workflow object.
        workflow_name: The workflow's name as its author wrote it.
        cron: The expression.
        input: Of each run.
        additional_metadata: Of each run.
        enabled: False while it is suspended.
        method: Where it comes from.
        priority: 1 to 3 of each run; None leaves it to the workflow.
        time_zone: Of the expression.
        next_run_times: Of the next ticks; empty until the operator has seen the cron, and while
            it is suspended.
    """

    metadata: Metadata
    name: str
    workflow_id: str
    workflow_name: str
    cron: str
    input: JsonObject
    additional_metadata: dict[str, str]
    enabled: bool
    method: CronWorkflowsMethod
    priority: int | None
    time_zone: str
    next_run_times: list[datetime]


def cron_of(stored: CronWorkflow, workflow_name: str) -> CronWorkflows:
    """Return the object under the names of the Hatchet SDK."""
    spec, owners = stored.spec, stored.metadata.owner_references
    declared = any(owner.controller and owner.kind == "Workflow" for owner in owners)
    return CronWorkflows(
        metadata=metadata_of(stored),
        name=stored.true_name,
        workflow_id=spec.workflow,
        workflow_name=workflow_name,
        cron=spec.schedule,
        input=spec.input,
        additional_metadata=spec.additional_metadata,
        enabled=not spec.suspend,
        method=CronWorkflowsMethod.DEFAULT if declared else CronWorkflowsMethod.API,
        priority=spec.priority,
        time_zone=spec.time_zone,
        next_run_times=stored.status.next_run_times if stored.status else [],
    )
