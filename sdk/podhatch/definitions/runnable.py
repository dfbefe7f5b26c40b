"""All that can be done with a workflow or a standalone task by name.

Both are made of it: what differs between them is the result of a run, and the reference to one.
"""

from typing import Generic

from podhatch.definitions.running.local_runs import RunningLocally
from podhatch.definitions.running.many_runs import RunningMany
from podhatch.definitions.running.one_run import Ref_co, Result_co
from podhatch.definitions.running.stored import Stored
from podhatch.definitions.running.triggers import Triggering
from podhatch.definitions.task import Input


class Runnable(
    RunningMany[Input, Result_co, Ref_co],
    RunningLocally[Input, Result_co, Ref_co],
    Triggering[Input],
    Stored[Input],
    Generic[Input, Result_co, Ref_co],
):
    """Can be run once, many times, later and by events, and is known to the cluster by its name."""
