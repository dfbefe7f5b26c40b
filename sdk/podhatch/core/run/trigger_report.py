"""How a run came about, its priority and metadata: what its tasks are told, in each attempt."""

from podhatch.api.names import object_name
from podhatch.api.pod import TriggerReport
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.workflow.revision import Revision


def effective_priority(run: WorkflowRun, spec: WorkflowSpec) -> int | None:
    """Return the run's priority, or else its workflow's; None where neither has one."""
    return run.spec.priority or spec.default_priority


def effective_metadata(run: WorkflowRun, spec: WorkflowSpec) -> dict[str, str]:
    """Return the run's additional metadata over its workflow's."""
    return {**spec.default_additional_metadata, **run.spec.additional_metadata}


def trigger_report(run: WorkflowRun, revision: Revision) -> TriggerReport:
    """Return what there is to tell; empty for a run that somebody just created."""
    report = TriggerReport()
    if revision.workflow != object_name(revision.true_name):
        report["workflow"] = revision.workflow
    if priority := effective_priority(run, revision.spec):
        report["priority"] = priority
    if parent := run.spec.parent:
        report["parentRun"] = parent.run
        if parent.index is not None:
            report["childIndex"] = parent.index
        if parent.key is not None:
            report["childKey"] = parent.key
    event = run.spec.trigger.event if run.spec.trigger else None
    if event:
        report["eventId"], report["eventKey"] = event.id, event.key
        if event.filter_payload is not None:
            report["filterPayload"] = event.filter_payload
    return report
