"""What a task's function gets beside its input, and how other code finds out that it is in a task.

Standard library only, because the runner loads it before the user's code.
"""

from podhatch.context.context import Context
from podhatch.context.current import current_context, entered
from podhatch.context.facts import Facts
from podhatch.context.host import Host
from podhatch.context.worker import WorkerContext

__all__ = ["Context", "Facts", "Host", "WorkerContext", "current_context", "entered"]
