"""`hatchet.worker()`: a process that publishes workflows and says that it is well.

Pods run the tasks; the worker is there for programs and charts that were written to start one.
"""

from podhatch.worker.status import WorkerStatus
from podhatch.worker.worker import Worker

__all__ = ["Worker", "WorkerStatus"]
