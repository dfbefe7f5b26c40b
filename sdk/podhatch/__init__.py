"""podhatch: workflows in Python or YAML where every task is a Kubernetes pod.

The public names. Each is loaded when it is first asked for, so that a task's pod, which imports
this package too, does not wait for what it does not use.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.context import Context
    from podhatch.errors import (
        ClusterUnreachable,
        FailedTaskRunExceptionGroup,
        IllegalTaskOutputError,
        InvalidRun,
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
    from podhatch.runnables.conditions import (
        RUN_START,
        Condition,
        OrGroup,
        ParentCondition,
        SleepCondition,
        UserEventCondition,
        or_,
    )
    from podhatch.runnables.input import EmptyModel
    from podhatch.runnables.labels import DesiredWorkerLabel, WorkerLabelComparator
    from podhatch.runnables.pod import Pod
    from podhatch.runnables.references import TaskRunRef, WorkflowRunRef
    from podhatch.runnables.retrying import TaskDefaults
    from podhatch.runnables.settings import StickyStrategy
    from podhatch.runnables.standalone import Standalone
    from podhatch.runnables.task import Task
    from podhatch.runnables.trigger import TriggerWorkflowOptions
    from podhatch.runnables.workflow import Workflow

__all__ = [
    "RUN_START",
    "ClusterUnreachable",
    "Condition",
    "Context",
    "DesiredWorkerLabel",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "IllegalTaskOutputError",
    "InvalidRun",
    "NonRetryableException",
    "NotInstalled",
    "OrGroup",
    "ParentCondition",
    "Pod",
    "PodhatchError",
    "RequestRefused",
    "RetryAfter",
    "RunCancelled",
    "RunDeleted",
    "SleepCondition",
    "Standalone",
    "StickyStrategy",
    "Task",
    "TaskDefaults",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "UserEventCondition",
    "WorkerLabelComparator",
    "Workflow",
    "WorkflowRunRef",
    "or_",
]

_HOMES = {
    "RUN_START": "podhatch.runnables.conditions",
    "ClusterUnreachable": "podhatch.errors",
    "Condition": "podhatch.runnables.conditions",
    "Context": "podhatch.context",
    "DesiredWorkerLabel": "podhatch.runnables.labels",
    "EmptyModel": "podhatch.runnables.input",
    "FailedTaskRunExceptionGroup": "podhatch.errors",
    "Hatchet": "podhatch.hatchet",
    "IllegalTaskOutputError": "podhatch.errors",
    "InvalidRun": "podhatch.errors",
    "NonRetryableException": "podhatch.errors",
    "NotInstalled": "podhatch.errors",
    "OrGroup": "podhatch.runnables.conditions",
    "ParentCondition": "podhatch.runnables.conditions",
    "Pod": "podhatch.runnables.pod",
    "PodhatchError": "podhatch.errors",
    "RequestRefused": "podhatch.errors",
    "RetryAfter": "podhatch.errors",
    "RunCancelled": "podhatch.errors",
    "RunDeleted": "podhatch.errors",
    "SleepCondition": "podhatch.runnables.conditions",
    "Standalone": "podhatch.runnables.standalone",
    "StickyStrategy": "podhatch.runnables.settings",
    "Task": "podhatch.runnables.task",
    "TaskDefaults": "podhatch.runnables.retrying",
    "TaskRunError": "podhatch.errors",
    "TaskRunRef": "podhatch.runnables.references",
    "TriggerWorkflowOptions": "podhatch.runnables.trigger",
    "UserEventCondition": "podhatch.runnables.conditions",
    "WorkerLabelComparator": "podhatch.runnables.labels",
    "Workflow": "podhatch.runnables.workflow",
    "WorkflowRunRef": "podhatch.runnables.references",
    "or_": "podhatch.runnables.conditions",
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
