"""The status of a worker, for the user's code and over HTTP."""

from enum import Enum


class WorkerStatus(Enum):
    """The values are those of the Hatchet SDK."""

    INITIALIZED = 1
    """Not started yet."""
    STARTING = 2
    """It publishes its workflows."""
    HEALTHY = 3
    UNHEALTHY = 4
    """It could not ask the cluster lately, or has ended. Runs go on all the same."""
