"""What a task's function gets beside its input, and how other code finds out that it is in a task.

Standard library only, because the runner loads it before the user's code.
"""

from podhatch.task.context import Context, Host, WorkerContext
from podhatch.task.current import current_context, entered

__all__ = ["Context", "Host", "WorkerContext", "current_context", "entered"]
