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
        NotInstalled,
        PodhatchError,
        RequestRefused,
        RunCancelled,
        RunDeleted,
        TaskRunError,
    )
    from podhatch.hatchet import Hatchet
    from podhatch.runnables.input import EmptyModel
    from podhatch.runnables.labels import DesiredWorkerLabel, WorkerLabelComparator
    from podhatch.runnables.references import TaskRunRef, WorkflowRunRef
    from podhatch.runnables.standalone import Standalone
    from podhatch.runnables.task import Task
    from podhatch.runnables.trigger import TriggerWorkflowOptions
    from podhatch.runnables.workflow import Workflow

__all__ = [
    "ClusterUnreachable",
    "Context",
    "DesiredWorkerLabel",
    "EmptyModel",
    "FailedTaskRunExceptionGroup",
    "Hatchet",
    "IllegalTaskOutputError",
    "InvalidRun",
    "NotInstalled",
    "PodhatchError",
    "RequestRefused",
    "RunCancelled",
    "RunDeleted",
    "Standalone",
    "Task",
    "TaskRunError",
    "TaskRunRef",
    "TriggerWorkflowOptions",
    "WorkerLabelComparator",
    "Workflow",
    "WorkflowRunRef",
]

_HOMES = {
    "ClusterUnreachable": "podhatch.errors",
    "Context": "podhatch.context",
    "DesiredWorkerLabel": "podhatch.runnables.labels",
    "EmptyModel": "podhatch.runnables.input",
    "FailedTaskRunExceptionGroup": "podhatch.errors",
    "Hatchet": "podhatch.hatchet",
    "IllegalTaskOutputError": "podhatch.errors",
    "InvalidRun": "podhatch.errors",
    "NotInstalled": "podhatch.errors",
    "PodhatchError": "podhatch.errors",
    "RequestRefused": "podhatch.errors",
    "RunCancelled": "podhatch.errors",
    "RunDeleted": "podhatch.errors",
    "Standalone": "podhatch.runnables.standalone",
    "Task": "podhatch.runnables.task",
    "TaskRunError": "podhatch.errors",
    "TaskRunRef": "podhatch.runnables.references",
    "TriggerWorkflowOptions": "podhatch.runnables.trigger",
    "WorkerLabelComparator": "podhatch.runnables.labels",
    "Workflow": "podhatch.runnables.workflow",
    "WorkflowRunRef": "podhatch.runnables.references",
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
