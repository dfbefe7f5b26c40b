"""`hatchet.worker()`: a process that publishes workflows and reports its health.

Pods run the tasks; the worker is there for programs and charts that were written to start one.
"""

from podhatch.worker.worker import Worker, WorkerStatus

__all__ = ["Worker", "WorkerStatus"]
