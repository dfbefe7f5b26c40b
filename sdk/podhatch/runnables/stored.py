"""What the cluster knows of a workflow: its id, its runs, and that it may be deleted."""

from podhatch.runnables.definition import Definition
from podhatch.runnables.task import Input


class Stored(Definition[Input]):
    """Is known to the cluster by its name."""
