"""podhatch: workflows in Python or YAML where every task is a Kubernetes pod.

The public names. Each is loaded when it is first asked for, so that a task's pod, which imports
this package too, does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.client.run_filter import BulkCancelReplayOpts, RunFilter
    from podhatch.client.status import RunStatus, V1TaskStatus
    from podhatch.config import ClientConfig, HealthcheckConfig
    from podhatch.context import Context, WorkerContext
    from podhatch.dependencies import Depends
    from podhatch.errors import (
        ClusterUnreachable,
        FailedTaskRunExceptionGroup,
        IllegalTaskOutputError,
        InvalidDependencyError,
        InvalidRun,
        LifespanSetupError,
        LoopAlreadyRunningError,
        NonDeterminismError,
        NonRetryableException,
        NotInstalled,
        PodhatchError,
        RequestRefused,
        RetryAfter,
        RunCancelled,
        RunDeleted,
        TaskRunError,
    )
    from podhatch.features.cel import CELEvaluationResult, CELFailure, CELSuccess
    from podhatch.features.event_options import (
        BulkPushEventOptions,
        BulkPushEventWithMetadata,
        PushEventOptions,
    )
    from podhatch.hatchet import Hatchet
    from podhatch.local.options import LocalEvent
    from podhatch.runnables.bulk import WorkflowRunTriggerConfig
    from podhatch.runnables.conditions import (
        RUN_START,
        Condition,
        OrGroup,
        ParentCondition,
        SleepCondition,
        UserEventCondition,
        or_,
    )
    from podhatch.runnables.default_filter import DefaultFilter
    from podhatch.runnables.input import EmptyModel
    from podhatch.runnables.labels import DesiredWorkerLabel, WorkerLabelComparator
    from podhatch.runnables.pod import Pod
    from podhatch.runnables.priority import Priority
    from podhatch.runnables.references import TaskRunRef, WorkflowRunRef
    from podhatch.runnables.retrying import TaskDefaults
    from podhatch.runnables.scheduling import WorkflowVersion
    from podhatch.runnables.standalone import Standalone
    from podhatch.runnables.task import Task
    from podhatch.runnables.trigger import ScheduleTriggerWorkflowOptions, TriggerWorkflowOptions
    from podhatch.runnables.workflow import Workflow
    from podhatch.runnables.workflow_settings import StickyStrategy
    from podhatch.serde import is_in_hatchet_serialization_context, remove_null_unicode_character
    from podhatch.worker import Worker, WorkerStatus

__all__ = [
    "RUN_START",
    "BulkCancelReplayOpts",
    "BulkPushEventOptions",
    "BulkPushEventWithMetadata",
    "CELEvaluationResult",
    "CELFailure",
    "CELSuccess",
    "ClientConfig",
    "ClusterUnreachable",
    "Condition",
    "Context",
    "DefaultFilter",
    "Depends",
    "DesiredWorkerLabel",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "HealthcheckConfig",
    "IllegalTaskOutputError",
    "InvalidDependencyError",
    "InvalidRun",
    "LifespanSetupError",
    "LocalEvent",
    "LoopAlreadyRunningError",
    "NonDeterminismError",
    "NonRetryableException",
    "NotInstalled",
    "OrGroup",
    "ParentCondition",
    "Pod",
    "PodhatchError",
    "Priority",
    "PushEventOptions",
    "RequestRefused",
    "RetryAfter",
    "RunCancelled",
    "RunDeleted",
    "RunFilter",
    "RunStatus",
    "ScheduleTriggerWorkflowOptions",
    "SleepCondition",
    "Standalone",
    "StickyStrategy",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "V1TaskStatus",
    "Worker",
    "WorkerContext",
    "WorkerLabelComparator",
    "WorkerStatus",
    "Workflow",
    "WorkflowRunRef",
    "WorkflowRunTriggerConfig",
    "WorkflowVersion",
    "is_in_hatchet_serialization_context",
    "or_",
    "remove_null_unicode_character",
]

_HOMES = {
    "RUN_START": "podhatch.runnables.conditions",
    "BulkCancelReplayOpts": "podhatch.client.run_filter",
    "BulkPushEventOptions": "podhatch.features.event_options",
    "BulkPushEventWithMetadata": "podhatch.features.event_options",
    "CELEvaluationResult": "podhatch.features.cel",
    "CELFailure": "podhatch.features.cel",
    "CELSuccess": "podhatch.features.cel",
    "ClientConfig": "podhatch.config",
    "ClusterUnreachable": "podhatch.errors",
    "Condition": "podhatch.runnables.conditions",
    "Context": "podhatch.context",
    "DefaultFilter": "podhatch.runnables.default_filter",
    "Depends": "podhatch.dependencies",
    "DesiredWorkerLabel": "podhatch.runnables.labels",
    "EmptyModel": "podhatch.runnables.input",
    "FailedTaskRunExceptionGroup": "podhatch.errors",
    "Hatchet": "podhatch.hatchet",
    "HealthcheckConfig": "podhatch.config",
    "IllegalTaskOutputError": "podhatch.errors",
    "InvalidDependencyError": "podhatch.errors",
    "InvalidRun": "podhatch.errors",
    "LifespanSetupError": "podhatch.errors",
    "LocalEvent": "podhatch.local.options",
    "LoopAlreadyRunningError": "podhatch.errors",
    "NonDeterminismError": "podhatch.errors",
    "NonRetryableException": "podhatch.errors",
    "NotInstalled": "podhatch.errors",
    "OrGroup": "podhatch.runnables.conditions",
    "ParentCondition": "podhatch.runnables.conditions",
    "Pod": "podhatch.runnables.pod",
    "PodhatchError": "podhatch.errors",
    "Priority": "podhatch.runnables.priority",
    "PushEventOptions": "podhatch.features.event_options",
    "RequestRefused": "podhatch.errors",
    "RetryAfter": "podhatch.errors",
    "RunCancelled": "podhatch.errors",
    "RunDeleted": "podhatch.errors",
    "RunFilter": "podhatch.client.run_filter",
    "RunStatus": "podhatch.client.status",
    "ScheduleTriggerWorkflowOptions": "podhatch.runnables.trigger",
    "SleepCondition": "podhatch.runnables.conditions",
    "Standalone": "podhatch.runnables.standalone",
    "StickyStrategy": "podhatch.runnables.workflow_settings",
    "Task": "podhatch.runnables.task",
    "TaskDefaults": "podhatch.runnables.retrying",
    "TaskRunError": "podhatch.errors",
    "TaskRunRef": "podhatch.runnables.references",
    "TriggerWorkflowOptions": "podhatch.runnables.trigger",
    "UserEventCondition": "podhatch.runnables.conditions",
    "V1TaskStatus": "podhatch.client.status",
    "Worker": "podhatch.worker",
    "WorkerContext": "podhatch.context",
    "WorkerLabelComparator": "podhatch.runnables.labels",
    "WorkerStatus": "podhatch.worker",
    "Workflow": "podhatch.runnables.workflow",
    "WorkflowRunRef": "podhatch.runnables.references",
    "WorkflowRunTriggerConfig": "podhatch.runnables.bulk",
    "WorkflowVersion": "podhatch.runnables.scheduling",
    "is_in_hatchet_serialization_context": "podhatch.serde",
    "or_": "podhatch.runnables.conditions",
    "remove_null_unicode_character": "podhatch.serde",
}


if not TYPE_CHECKING:  # a type checker would take any name for granted

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return __all__
