"""What a task's function gets beside its input, and how other code finds out that it is in a task.

Standard library only, because the runner loads it before the user's code.
"""

from podhatch.task.context import Context
from podhatch.task.current import current_context, entered
from podhatch.task.facts import Facts
from podhatch.task.host import Host
from podhatch.task.worker import WorkerContext

__all__ = ["Context", "Facts", "Host", "WorkerContext", "current_context", "entered"]
