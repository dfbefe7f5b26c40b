"""What is created for an attempt: its Job with its assignment, and the ConfigMap of a large input.

Everything is named by run, task and attempt, so that the API server refuses a second one.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject, controlled_by
from podhatch.api.names import durable_log_name, job_name, object_name
from podhatch.api.pod import TriggerReport
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.observed import Defaults
from podhatch.core.common.text import cut, json_size
from podhatch.core.expressions.evaluation import json_text
from podhatch.core.pod.pods import message_bytes
from podhatch.core.pod.template import (
    account_of,
    literal_variable,
    merged_settings,
    pod_template,
    stay_on,
)
from podhatch.core.workflow.revision import Revision

BACKSTOP_GRACE_SECONDS = 60
"""The Job's own deadline must never fire before ours."""
MAX_ERRORS_BYTES = 96 * 1024
"""Linux takes no variable of 128 KiB or more."""
_DATA_VOLUME = "data"
_text = json.JSONEncoder(ensure_ascii=False).encode
attempt_name = lru_cache(maxsize=65_536)(job_name)


@dataclass(frozen=True)
class AttemptSpec:
    """An attempt to be made."""

    run: WorkflowRun
    task: TaskSpec
    number: int
    resumes: int = 0
    """How many attempts, this one among them, went on after a wait without a pod."""
    waits_over: int | None = None
    """Of a durable task: how many waits of its log are over."""

    @property
    def name(self) -> str:
        """Name of the attempt's Job, ConfigMap and TaskResult."""
        metadata = self.run.metadata
        return attempt_name(metadata.name, metadata.uid, self.task.name, self.number)


@dataclass(frozen=True)
class AttemptInput:
    """What an attempt takes from the rest of its run."""

    outputs: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    """JSON text of each parent's output; None where it returned nothing."""
    errors: Mapping[str, str] = field(default_factory=dict[str, str])
    """For a failure task: the text of each failed task's error."""
    first_node: str | None = None
    """The node that a sticky run began on."""


def attempt_manifests(
    attempt: AttemptSpec, revision: Revision, defaults: Defaults, around: AttemptInput
) -> list[JsonObject]:
    """Return what to create for an attempt, in order: the ConfigMap of a large input, the Job."""
    template = pod_template(revision, attempt.task, defaults)
    if defaults.priority_classes and (priority := effective_priority(attempt.run, revision.spec)):
        template["spec"].setdefault("priorityClassName", labels.PRIORITY_CLASSES[priority])
    if around.first_node and revision.spec.sticky:
        stay_on(template["spec"], around.first_node, revision.spec.sticky)
    input_json = json_text(attempt.run.spec.input)
    parents_json = _object_text(around.outputs)
    variables = _identity(attempt, revision, defaults) | _errors(around.errors)
    before: list[JsonObject] = []
    if len(input_json.encode()) + len(parents_json.encode()) <= pod.MAX_ENVIRONMENT_BYTES:
        variables |= {pod.INPUT: input_json, pod.PARENTS: parents_json}
    else:
        before = [_config_map(attempt, revision, input_json, parents_json)]
        variables |= _mount_data(template["spec"], attempt)
    room = message_bytes(template["spec"])
    if room < pod.MAX_MESSAGE_BYTES:
        variables[pod.MESSAGE_BYTES] = str(room)
    container: JsonObject = template["spec"]["containers"][0]
    container["env"] = [
        *(literal_variable(name, value) for name, value in variables.items()),
        *container["env"],
    ]
    metadata: JsonObject = template.setdefault("metadata", {})
    metadata["labels"] = {**metadata.get("labels", {}), **_labels(attempt, revision)}
    return [*before, _job(attempt, revision, template)]


def _object_text(outputs: Mapping[str, str | None]) -> str:
    """Put the outputs' texts together without reading them: they stay exactly as they are."""
    members = (f"{json.dumps(name)}:{text or 'null'}" for name, text in outputs.items())
    return "{" + ",".join(members) + "}"


def _errors(errors: Mapping[str, str]) -> dict[str, str]:
    """Return the variable of the failed tasks' errors, each cut to its share of the room."""
    if not errors:
        return {}
    frame = json_size(dict.fromkeys(errors, ""))
    share = (MAX_ERRORS_BYTES - frame) // len(errors)
    return {pod.ERRORS: _text({name: cut(text, share) for name, text in errors.items()})}


def _identity(attempt: AttemptSpec, revision: Revision, defaults: Defaults) -> dict[str, str]:
    metadata = attempt.run.metadata
    variables = {
        pod.NAMESPACE: metadata.namespace,
        pod.RUN: metadata.name,
        pod.RUN_UID: metadata.uid,
        pod.TASK: attempt.task.name,
        pod.ATTEMPT: str(attempt.number),
        pod.RETRY_COUNT: str(attempt.number - 1 - attempt.resumes),
        pod.MAX_ATTEMPTS: str(attempt.task.retries + 1),
        pod.METADATA: _text(effective_metadata(attempt.run, revision.spec)),
    }
    trigger = trigger_report(attempt.run, revision)
    if trigger:
        variables[pod.TRIGGER] = _text(trigger)
    if account_of(attempt.task, merged_settings(revision.spec.pod, attempt.task.pod), defaults):
        variables[pod.RESULT] = attempt.name
    if durable := attempt.task.durable:
        variables[pod.DURABLE_LOG] = durable_log_name(attempt.name)
        variables[pod.EVICTION_TTL] = f"{durable.eviction_ttl_seconds:g}"
    return variables


def _mount_data(pod_spec: JsonObject, attempt: AttemptSpec) -> dict[str, str]:
    volume = {"name": _DATA_VOLUME, "configMap": {"name": attempt.name}}
    mount = {"name": _DATA_VOLUME, "mountPath": pod.DATA_DIRECTORY, "readOnly": True}
    pod_spec["volumes"] = [*pod_spec.get("volumes", []), volume]
    container: JsonObject = pod_spec["containers"][0]
    container["volumeMounts"] = [*container.get("volumeMounts", []), mount]
    return {
        pod.INPUT_FILE: f"{pod.DATA_DIRECTORY}/{pod.INPUT_KEY}",
        pod.PARENTS_FILE: f"{pod.DATA_DIRECTORY}/{pod.PARENTS_KEY}",
    }


def _metadata(attempt: AttemptSpec, revision: Revision) -> JsonObject:
    run = attempt.run
    return {
        "name": attempt.name,
        "namespace": run.metadata.namespace,
        "labels": _labels(attempt, revision),
        **({"annotations": notes} if (notes := _annotations(attempt)) else {}),
        "ownerReferences": [controlled_by(run)],
    }


def _annotations(attempt: AttemptSpec) -> dict[str, str]:
    notes: dict[str, str] = {}
    if replay := attempt.run.asked_replays:
        notes[labels.REPLAY] = str(replay)
    if attempt.waits_over is not None:
        notes[labels.WAITS_OVER] = str(attempt.waits_over)
    return notes


def _labels(attempt: AttemptSpec, revision: Revision) -> JsonObject:
    return {
        labels.MANAGED_BY: labels.MANAGED_BY_VALUE,
        labels.WORKFLOW: revision.workflow,
        labels.REVISION: revision.name,
        labels.RUN: attempt.run.metadata.name,
        labels.TASK: attempt.task.name,
        labels.ATTEMPT: str(attempt.number),
    }


def _config_map(
    attempt: AttemptSpec, revision: Revision, input_json: str, parents_json: str
) -> JsonObject:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _metadata(attempt, revision),
        "immutable": True,
        "data": {pod.INPUT_KEY: input_json, pod.PARENTS_KEY: parents_json},
    }


def backstop_seconds(task: TaskSpec, extended: float = 0.0) -> int:
    """Return the Job's own deadline, which holds even while no operator runs."""
    patience = task.schedule_timeout_seconds + task.execution_timeout_seconds + extended
    return math.ceil(patience) + BACKSTOP_GRACE_SECONDS


def _job(attempt: AttemptSpec, revision: Revision, template: JsonObject) -> JsonObject:
    settings = merged_settings(revision.spec.pod, attempt.task.pod)
    metadata = _metadata(attempt, revision)
    metadata["labels"] = {**settings.job_labels, **metadata["labels"]}
    on_disruption = {
        "action": "FailJob",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata,
        "spec": {
            "backoffLimit": 0,
            "activeDeadlineSeconds": backstop_seconds(attempt.task),
            **({"suspend": True} if settings.suspend else {}),
            "podFailurePolicy": {"rules": [on_disruption]},
            "template": template,
        },
    }


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
