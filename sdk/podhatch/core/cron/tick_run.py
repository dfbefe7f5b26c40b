"""The run that a tick of a cron makes, or why there can be none, and when the tick was due."""

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from podhatch.api.cron import CronWorkflow
from podhatch.api.idempotency import IdempotencyClaim
from podhatch.api.limits import MAX_METADATA_ENTRIES
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.run import Trigger, TriggeringTick, WorkflowRun, WorkflowRunSpec
from podhatch.core.expressions.input_check import depth_problem
from podhatch.core.pod.pods import read_time
from podhatch.core.workflow.pause import pause_of

SCHEDULED_AT = "batch.kubernetes.io/cronjob-scheduled-timestamp"
"""Annotation of the CronJob controller on a Job; not on those that `kubectl create job` makes."""


@dataclass(frozen=True)
class Cause:
    """What ticks: the cron, and its workflow, if that is there."""

    cron: CronWorkflow
    workflow: JsonObject | None
    claim: IdempotencyClaim | None = None
    """The key of the runs, if their workflow gives them one."""
    key_problem: str | None = None
    """Why they get no key, if so."""

    @property
    def drops_ticks(self) -> bool:
        """Whether ticks make no runs, since the workflow is paused."""
        policy = pause_of(self.workflow)
        return policy is not None and policy.cron_runs == "Drop"

    @property
    def metadata(self) -> dict[str, str]:
        """The additional metadata of the runs."""
        spec: JsonObject = self.workflow["spec"] if self.workflow else {}
        defaults: dict[str, str] = spec.get("defaultAdditionalMetadata", {})
        return {**defaults, **self.cron.spec.additional_metadata}

    @cached_property
    def problem(self) -> str | None:
        """Why no run can be made, if so."""
        spec, count = self.cron.spec, len(self.metadata)
        if problem := depth_problem(spec.input) or self.key_problem:
            return problem
        if count <= MAX_METADATA_ENTRIES:
            return None
        return (
            f"spec.additionalMetadata: {count} entries with the defaultAdditionalMetadata of "
            f"Workflow {spec.workflow!r}, and a run has at most {MAX_METADATA_ENTRIES}: "
            "remove some of either"
        )


def scheduled_at(job: JsonObject) -> datetime:
    """Return the time of a tick; of one that somebody made or edited by hand, when it was made."""
    metadata = job["metadata"]
    annotations: dict[str, str] = metadata.get("annotations", {})
    moment = read_time(annotations.get(SCHEDULED_AT))
    if moment is None or moment.tzinfo is None:
        moment = read_time(metadata["creationTimestamp"])
    assert moment is not None, "every object in the cluster has a creationTimestamp"
    return moment.astimezone(UTC)


def run_manifest(job: JsonObject, cause: Cause) -> JsonObject:
    """Return the run of a tick. Its cause must have no problem."""
    metadata, spec = job["metadata"], cause.cron.spec
    tick = TriggeringTick(
        cron=cause.cron.metadata.name,
        job=metadata["name"],
        job_uid=metadata["uid"],
        scheduled_at=scheduled_at(job),
    )
    run = WorkflowRun(
        metadata=ObjectMeta(name=metadata["name"], namespace=metadata["namespace"]),
        spec=WorkflowRunSpec(
            workflow=spec.workflow,
            input=spec.input,
            additional_metadata=cause.metadata,
            priority=spec.priority,
            trigger=Trigger(cron=tick),
        ),
    )
    return run.to_wire()
