"""podhatch: workflows in Python or YAML where every task is a Kubernetes pod.

The public names. Each is loaded when it is first asked for, so that a task's pod, which imports
this package too, does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.client.cel import CELEvaluationResult, CELFailure, CELSuccess
    from podhatch.client.crons import CronWorkflows
    from podhatch.client.event_options import (
        BulkPushEventOptions,
        BulkPushEventWithMetadata,
        PushEventOptions,
    )
    from podhatch.client.events import Event, V1Event
    from podhatch.client.filters import V1Filter
    from podhatch.client.runs.references import TaskRunRef, WorkflowRunRef, WorkflowVersion
    from podhatch.client.runs.rows import V1TaskEventType, V1TaskSummary, V1WorkflowRunDetails
    from podhatch.client.runs.selection import (
        BulkCancelReplayOpts,
        RunFilter,
        RunStatus,
        V1TaskStatus,
    )
    from podhatch.config import ClientConfig, HealthcheckConfig
    from podhatch.definitions.options.concurrency import (
        ConcurrencyExpression,
        ConcurrencyLimitStrategy,
    )
    from podhatch.definitions.options.eviction import EvictionPolicy
    from podhatch.definitions.options.idempotency import (
        StatusBasedIdempotencyConfig,
        TTLBasedIdempotencyConfig,
    )
    from podhatch.definitions.options.pod import DesiredWorkerLabel, Pod, WorkerLabelComparator
    from podhatch.definitions.options.rate_limit import RateLimit
    from podhatch.definitions.options.run_options import (
        Priority,
        ScheduleTriggerWorkflowOptions,
        TriggerWorkflowOptions,
        WorkflowRunTriggerConfig,
    )
    from podhatch.definitions.options.task_options import TaskDefaults
    from podhatch.definitions.options.workflow_options import DefaultFilter, StickyStrategy
    from podhatch.definitions.task import Task
    from podhatch.definitions.workflow import Standalone, Workflow
    from podhatch.errors import (
        BulkTriggerIdempotencyCollisionError,
        ClusterUnreachable,
        EvictionNotSupportedError,
        FailedTaskRunExceptionGroup,
        IdempotencyCollisionError,
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
    from podhatch.hatchet import Hatchet
    from podhatch.local.options import LocalEvent
    from podhatch.task import Context, WorkerContext
    from podhatch.task.conditions import (
        RUN_START,
        Condition,
        OrGroup,
        ParentCondition,
        SleepCondition,
        UserEventCondition,
        or_,
    )
    from podhatch.task.dependencies import Depends
    from podhatch.task.durable_context import DurableContext, SleepResult
    from podhatch.values.duration import RateLimitDuration
    from podhatch.values.hooks import (
        is_in_hatchet_serialization_context,
        remove_null_unicode_character,
    )
    from podhatch.values.input import EmptyModel
    from podhatch.worker import Worker, WorkerStatus

__all__ = [
    "RUN_START",
    "BulkCancelReplayOpts",
    "BulkPushEventOptions",
    "BulkPushEventWithMetadata",
    "BulkTriggerIdempotencyCollisionError",
    "CELEvaluationResult",
    "CELFailure",
    "CELSuccess",
    "ClientConfig",
    "ClusterUnreachable",
    "ConcurrencyExpression",
    "ConcurrencyLimitStrategy",
    "Condition",
    "Context",
    "CronWorkflows",
    "DefaultFilter",
    "Depends",
    "DesiredWorkerLabel",
    "DurableContext",
    "EmptyModel",
    "Event",
    "EvictionNotSupportedError",
    "EvictionPolicy",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "HealthcheckConfig",
    "IdempotencyCollisionError",
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
    "RateLimit",
    "RateLimitDuration",
    "RequestRefused",
    "RetryAfter",
    "RunCancelled",
    "RunDeleted",
    "RunFilter",
    "RunStatus",
    "ScheduleTriggerWorkflowOptions",
    "SleepCondition",
    "SleepResult",
    "Standalone",
    "StatusBasedIdempotencyConfig",
    "StickyStrategy",
    "TTLBasedIdempotencyConfig",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "V1Event",
    "V1Filter",
    "V1TaskEventType",
    "V1TaskStatus",
    "V1TaskSummary",
    "V1WorkflowRunDetails",
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
    "RUN_START": "podhatch.task.conditions",
    "BulkCancelReplayOpts": "podhatch.client.runs.selection",
    "BulkPushEventOptions": "podhatch.client.event_options",
    "BulkPushEventWithMetadata": "podhatch.client.event_options",
    "BulkTriggerIdempotencyCollisionError": "podhatch.errors",
    "CELEvaluationResult": "podhatch.client.cel",
    "CELFailure": "podhatch.client.cel",
    "CELSuccess": "podhatch.client.cel",
    "ClientConfig": "podhatch.config",
    "ClusterUnreachable": "podhatch.errors",
    "ConcurrencyExpression": "podhatch.definitions.options.concurrency",
    "ConcurrencyLimitStrategy": "podhatch.definitions.options.concurrency",
    "Condition": "podhatch.task.conditions",
    "Context": "podhatch.task",
    "CronWorkflows": "podhatch.client.crons",
    "DefaultFilter": "podhatch.definitions.options.workflow_options",
    "Depends": "podhatch.task.dependencies",
    "DesiredWorkerLabel": "podhatch.definitions.options.pod",
    "DurableContext": "podhatch.task.durable_context",
    "EmptyModel": "podhatch.values.input",
    "Event": "podhatch.client.events",
    "EvictionNotSupportedError": "podhatch.errors",
    "EvictionPolicy": "podhatch.definitions.options.eviction",
    "FailedTaskRunExceptionGroup": "podhatch.errors",
    "Hatchet": "podhatch.hatchet",
    "HealthcheckConfig": "podhatch.config",
    "IdempotencyCollisionError": "podhatch.errors",
    "IllegalTaskOutputError": "podhatch.errors",
    "InvalidDependencyError": "podhatch.errors",
    "InvalidRun": "podhatch.errors",
    "LifespanSetupError": "podhatch.errors",
    "LocalEvent": "podhatch.local.options",
    "LoopAlreadyRunningError": "podhatch.errors",
    "NonDeterminismError": "podhatch.errors",
    "NonRetryableException": "podhatch.errors",
    "NotInstalled": "podhatch.errors",
    "OrGroup": "podhatch.task.conditions",
    "ParentCondition": "podhatch.task.conditions",
    "Pod": "podhatch.definitions.options.pod",
    "PodhatchError": "podhatch.errors",
    "Priority": "podhatch.definitions.options.run_options",
    "PushEventOptions": "podhatch.client.event_options",
    "RateLimit": "podhatch.definitions.options.rate_limit",
    "RateLimitDuration": "podhatch.values.duration",
    "RequestRefused": "podhatch.errors",
    "RetryAfter": "podhatch.errors",
    "RunCancelled": "podhatch.errors",
    "RunDeleted": "podhatch.errors",
    "RunFilter": "podhatch.client.runs.selection",
    "RunStatus": "podhatch.client.runs.selection",
    "ScheduleTriggerWorkflowOptions": "podhatch.definitions.options.run_options",
    "SleepCondition": "podhatch.task.conditions",
    "SleepResult": "podhatch.task.durable_context",
    "Standalone": "podhatch.definitions.workflow",
    "StatusBasedIdempotencyConfig": "podhatch.definitions.options.idempotency",
    "StickyStrategy": "podhatch.definitions.options.workflow_options",
    "TTLBasedIdempotencyConfig": "podhatch.definitions.options.idempotency",
    "Task": "podhatch.definitions.task",
    "TaskDefaults": "podhatch.definitions.options.task_options",
    "TaskRunError": "podhatch.errors",
    "TaskRunRef": "podhatch.client.runs.references",
    "TriggerWorkflowOptions": "podhatch.definitions.options.run_options",
    "UserEventCondition": "podhatch.task.conditions",
    "V1Event": "podhatch.client.events",
    "V1Filter": "podhatch.client.filters",
    "V1TaskEventType": "podhatch.client.runs.rows",
    "V1TaskStatus": "podhatch.client.runs.selection",
    "V1TaskSummary": "podhatch.client.runs.rows",
    "V1WorkflowRunDetails": "podhatch.client.runs.rows",
    "Worker": "podhatch.worker",
    "WorkerContext": "podhatch.task",
    "WorkerLabelComparator": "podhatch.definitions.options.pod",
    "WorkerStatus": "podhatch.worker",
    "Workflow": "podhatch.definitions.workflow",
    "WorkflowRunRef": "podhatch.client.runs.references",
    "WorkflowRunTriggerConfig": "podhatch.definitions.options.run_options",
    "WorkflowVersion": "podhatch.client.runs.references",
    "is_in_hatchet_serialization_context": "podhatch.values.hooks",
    "or_": "podhatch.task.conditions",
    "remove_null_unicode_character": "podhatch.values.hooks",
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
