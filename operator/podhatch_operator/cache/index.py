"""By what the objects of each kind are found. The cache's stores are made with these.

A name with a slash is a group of its own sort, since no object's name holds one.
"""

from collections.abc import Callable, Mapping

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_JOB,
    CRON_WORKFLOW,
    EVENT_FILTER,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
)

from podhatch_operator.cache.trimming import label

STARTED_BY_EVENTS = "/events"
"""Group of the workflows with onEvents."""
UNHANDLED = ""
"""Group of the events that may still start runs; their other group, the key, is never empty."""


def run_of(child: JsonObject) -> str | None:
    """Return the run that a child belongs to."""
    return label(child, labels.RUN)


def workflow_of(revision: JsonObject) -> str | None:
    """Return the workflow that a ControllerRevision pins."""
    return label(revision, labels.WORKFLOW)


def cron_of_tick(job: JsonObject) -> str | None:
    """Return the CronWorkflow whose tick a Job stands for; None for the attempt of a task."""
    return None if run_of(job) else label(job, labels.CRON)


def cron_of_run(run: JsonObject) -> str | None:
    """Return the CronWorkflow that started a run, if one did."""
    cron: str | None = run["spec"].get("trigger", {}).get("cron", {}).get("cron")
    return cron


def owning_workflow(cron: JsonObject) -> str | None:
    """Return the Workflow that a CronWorkflow was made for, if its onCrons made it."""
    owners: list[JsonObject] = cron["metadata"].get("ownerReferences", [])
    return next((item["name"] for item in owners if item["kind"] == WORKFLOW.kind), None)


def cron_group(cron: str) -> str:
    """Return the group of a cron's tick Jobs, and of its runs under way."""
    return f"cron/{cron}"


def started_group(workflow: str) -> str:
    """Return the group of the crons that start a workflow."""
    return f"starts/{workflow}"


def _no_group(_: JsonObject) -> tuple[str, ...]:
    return ()


def _groups_of_workflow(workflow: JsonObject) -> tuple[str, ...]:
    return (STARTED_BY_EVENTS,) if workflow["spec"].get("onEvents") else ()


def _groups_of_run(run: JsonObject) -> tuple[str, ...]:
    """Runs under way: by workflow, and by cron."""
    if is_over(run):
        return ()
    cron = cron_of_run(run)
    workflow: str = run["spec"]["workflow"]
    return (workflow, cron_group(cron)) if cron else (workflow,)


def _groups_of_event(event: JsonObject) -> tuple[str, ...]:
    key: str = event["spec"]["key"]
    return (key,) if "handledAt" in event.get("status", {}) else (key, UNHANDLED)


def _groups_of_filter(event_filter: JsonObject) -> tuple[str, ...]:
    return (event_filter["spec"]["workflow"],)


def _groups_of_revision(revision: JsonObject) -> tuple[str, ...]:
    return _single(workflow_of(revision))


def _groups_of_cron(cron: JsonObject) -> tuple[str, ...]:
    """By the workflow that declares it, and by the one it starts."""
    return (*_single(owning_workflow(cron)), started_group(cron["spec"]["workflow"]))


def _groups_of_job(job: JsonObject) -> tuple[str, ...]:
    cron = cron_of_tick(job)
    return (cron_group(cron),) if cron else _groups_of_child(job)


def _groups_of_child(child: JsonObject) -> tuple[str, ...]:
    return _single(run_of(child))


def _single(name: str | None) -> tuple[str, ...]:
    return (name,) if name else ()


GROUPS: Mapping[str, Callable[[JsonObject], tuple[str, ...]]] = {
    WORKFLOW.kind: _groups_of_workflow,
    WORKFLOW_RUN.kind: _groups_of_run,
    WORKFLOW_EVENT.kind: _groups_of_event,
    EVENT_FILTER.kind: _groups_of_filter,
    CRON_WORKFLOW.kind: _groups_of_cron,
    CRON_JOB.kind: _no_group,
    CONTROLLER_REVISION.kind: _groups_of_revision,
    JOB.kind: _groups_of_job,
    POD.kind: _groups_of_child,
    TASK_RESULT.kind: _groups_of_child,
}
"""For each kind, the groups that an object of it is in."""
