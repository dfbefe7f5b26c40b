"""podhatch: workflows in Python or YAML where every task is a Kubernetes pod.

The public names. Each is loaded when it is first asked for, so that a task's pod, which imports
this package too, does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.client.cel import CELEvaluationResult as CELEvaluationResult
    from podhatch.client.cel import CELFailure as CELFailure
    from podhatch.client.cel import CELSuccess as CELSuccess
    from podhatch.client.crons import CronWorkflows as CronWorkflows
    from podhatch.client.event_options import BulkPushEventOptions as BulkPushEventOptions
    from podhatch.client.event_options import BulkPushEventWithMetadata as BulkPushEventWithMetadata
    from podhatch.client.event_options import PushEventOptions as PushEventOptions
    from podhatch.client.events import Event as Event
    from podhatch.client.events import V1Event as V1Event
    from podhatch.client.filters import V1Filter as V1Filter
    from podhatch.client.runs.references import TaskRunRef as TaskRunRef
    from podhatch.client.runs.references import WorkflowRunRef as WorkflowRunRef
    from podhatch.client.runs.references import WorkflowVersion as WorkflowVersion
    from podhatch.client.runs.rows import V1TaskEventType as V1TaskEventType
    from podhatch.client.runs.rows import V1TaskSummary as V1TaskSummary
    from podhatch.client.runs.rows import V1WorkflowRunDetails as V1WorkflowRunDetails
    from podhatch.client.runs.selection import BulkCancelReplayOpts as BulkCancelReplayOpts
    from podhatch.client.runs.selection import RunFilter as RunFilter
    from podhatch.client.runs.selection import RunStatus as RunStatus
    from podhatch.client.runs.selection import V1TaskStatus as V1TaskStatus
    from podhatch.config import ClientConfig as ClientConfig
    from podhatch.config import HealthcheckConfig as HealthcheckConfig
    from podhatch.definitions.options.concurrency import (
        ConcurrencyExpression as ConcurrencyExpression,
    )
    from podhatch.definitions.options.concurrency import (
        ConcurrencyLimitStrategy as ConcurrencyLimitStrategy,
    )
    from podhatch.definitions.options.idempotency import (
        StatusBasedIdempotencyConfig as StatusBasedIdempotencyConfig,
    )
    from podhatch.definitions.options.idempotency import (
        TTLBasedIdempotencyConfig as TTLBasedIdempotencyConfig,
    )
    from podhatch.definitions.options.pod import DesiredWorkerLabel as DesiredWorkerLabel
    from podhatch.definitions.options.pod import Pod as Pod
    from podhatch.definitions.options.pod import WorkerLabelComparator as WorkerLabelComparator
    from podhatch.definitions.options.rate_limit import RateLimit as RateLimit
    from podhatch.definitions.options.run_options import Priority as Priority
    from podhatch.definitions.options.run_options import (
        ScheduleTriggerWorkflowOptions as ScheduleTriggerWorkflowOptions,
    )
    from podhatch.definitions.options.run_options import (
        TriggerWorkflowOptions as TriggerWorkflowOptions,
    )
    from podhatch.definitions.options.run_options import (
        WorkflowRunTriggerConfig as WorkflowRunTriggerConfig,
    )
    from podhatch.definitions.options.task_options import EvictionPolicy as EvictionPolicy
    from podhatch.definitions.options.task_options import TaskDefaults as TaskDefaults
    from podhatch.definitions.options.workflow_options import DefaultFilter as DefaultFilter
    from podhatch.definitions.options.workflow_options import StickyStrategy as StickyStrategy
    from podhatch.definitions.task import Task as Task
    from podhatch.definitions.workflow import Standalone as Standalone
    from podhatch.definitions.workflow import Workflow as Workflow
    from podhatch.errors import (
        BulkTriggerIdempotencyCollisionError as BulkTriggerIdempotencyCollisionError,
    )
    from podhatch.errors import ClusterUnreachable as ClusterUnreachable
    from podhatch.errors import EvictionNotSupportedError as EvictionNotSupportedError
    from podhatch.errors import FailedTaskRunExceptionGroup as FailedTaskRunExceptionGroup
    from podhatch.errors import IdempotencyCollisionError as IdempotencyCollisionError
    from podhatch.errors import IllegalTaskOutputError as IllegalTaskOutputError
    from podhatch.errors import InvalidDependencyError as InvalidDependencyError
    from podhatch.errors import InvalidRun as InvalidRun
    from podhatch.errors import LifespanSetupError as LifespanSetupError
    from podhatch.errors import LoopAlreadyRunningError as LoopAlreadyRunningError
    from podhatch.errors import NonDeterminismError as NonDeterminismError
    from podhatch.errors import NonRetryableException as NonRetryableException
    from podhatch.errors import NotInstalled as NotInstalled
    from podhatch.errors import PodhatchError as PodhatchError
    from podhatch.errors import RequestRefused as RequestRefused
    from podhatch.errors import RetryAfter as RetryAfter
    from podhatch.errors import RunCancelled as RunCancelled
    from podhatch.errors import RunDeleted as RunDeleted
    from podhatch.errors import TaskRunError as TaskRunError
    from podhatch.hatchet import Hatchet as Hatchet
    from podhatch.local.options import LocalEvent as LocalEvent
    from podhatch.task import Context as Context
    from podhatch.task import WorkerContext as WorkerContext
    from podhatch.task.conditions import RUN_START as RUN_START
    from podhatch.task.conditions import Condition as Condition
    from podhatch.task.conditions import OrGroup as OrGroup
    from podhatch.task.conditions import ParentCondition as ParentCondition
    from podhatch.task.conditions import SleepCondition as SleepCondition
    from podhatch.task.conditions import UserEventCondition as UserEventCondition
    from podhatch.task.conditions import or_ as or_
    from podhatch.task.dependencies import Depends as Depends
    from podhatch.task.durable_context import DurableContext as DurableContext
    from podhatch.task.durable_context import SleepResult as SleepResult
    from podhatch.values.duration import RateLimitDuration as RateLimitDuration
    from podhatch.values.hooks import (
        is_in_hatchet_serialization_context as is_in_hatchet_serialization_context,
    )
    from podhatch.values.hooks import remove_null_unicode_character as remove_null_unicode_character
    from podhatch.values.input import EmptyModel as EmptyModel
    from podhatch.worker import Worker as Worker
    from podhatch.worker import WorkerStatus as WorkerStatus
else:  # a type checker would take any name for granted
    _NAMES = {
        "podhatch.client.cel": "CELEvaluationResult CELFailure CELSuccess",
        "podhatch.client.crons": "CronWorkflows",
        "podhatch.client.event_options": (
            "BulkPushEventOptions BulkPushEventWithMetadata PushEventOptions"
        ),
        "podhatch.client.events": "Event V1Event",
        "podhatch.client.filters": "V1Filter",
        "podhatch.client.runs.references": "TaskRunRef WorkflowRunRef WorkflowVersion",
        "podhatch.client.runs.rows": "V1TaskEventType V1TaskSummary V1WorkflowRunDetails",
        "podhatch.client.runs.selection": "BulkCancelReplayOpts RunFilter RunStatus V1TaskStatus",
        "podhatch.config": "ClientConfig HealthcheckConfig",
        "podhatch.definitions.options.concurrency": (
            "ConcurrencyExpression ConcurrencyLimitStrategy"
        ),
        "podhatch.definitions.options.idempotency": (
            "StatusBasedIdempotencyConfig TTLBasedIdempotencyConfig"
        ),
        "podhatch.definitions.options.pod": "DesiredWorkerLabel Pod WorkerLabelComparator",
        "podhatch.definitions.options.rate_limit": "RateLimit",
        "podhatch.definitions.options.run_options": (
            "Priority ScheduleTriggerWorkflowOptions TriggerWorkflowOptions "
            "WorkflowRunTriggerConfig"
        ),
        "podhatch.definitions.options.task_options": "EvictionPolicy TaskDefaults",
        "podhatch.definitions.options.workflow_options": "DefaultFilter StickyStrategy",
        "podhatch.definitions.task": "Task",
        "podhatch.definitions.workflow": "Standalone Workflow",
        "podhatch.errors": (
            "BulkTriggerIdempotencyCollisionError ClusterUnreachable EvictionNotSupportedError "
            "FailedTaskRunExceptionGroup IdempotencyCollisionError IllegalTaskOutputError "
            "InvalidDependencyError InvalidRun LifespanSetupError LoopAlreadyRunningError "
            "NonDeterminismError NonRetryableException NotInstalled PodhatchError RequestRefused "
            "RetryAfter RunCancelled RunDeleted TaskRunError"
        ),
        "podhatch.hatchet": "Hatchet",
        "podhatch.local.options": "LocalEvent",
        "podhatch.task": "Context WorkerContext",
        "podhatch.task.conditions": (
            "RUN_START Condition OrGroup ParentCondition SleepCondition UserEventCondition or_"
        ),
        "podhatch.task.dependencies": "Depends",
        "podhatch.task.durable_context": "DurableContext SleepResult",
        "podhatch.values.duration": "RateLimitDuration",
        "podhatch.values.hooks": (
            "is_in_hatchet_serialization_context remove_null_unicode_character"
        ),
        "podhatch.values.input": "EmptyModel",
        "podhatch.worker": "Worker WorkerStatus",
    }
    _HOMES = {name: module for module, names in _NAMES.items() for name in names.split()}
    __all__ = sorted(_HOMES)

    def __getattr__(name: str) -> object:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(_HOMES[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return __all__
