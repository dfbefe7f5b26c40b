"""What a task's function gets beside its input, and the task that the calling code runs in."""

from podhatch.task.context import Context, Host, WorkerContext
from podhatch.task.current import current_context, entered

__all__ = ["Context", "Host", "WorkerContext", "current_context", "entered"]
