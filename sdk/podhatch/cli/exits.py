"""What the command's exit codes mean. Scripts rely on them, so each has one meaning."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from podhatch.api.run import WorkflowRun

SUCCEEDED = 0
FAILED = 1
"""The run that was waited for failed; `lint` found something."""
USAGE = 2
"""The command line is wrong."""
UNREACHABLE = 3
"""No answer came from the cluster, or there is none to ask."""
CANCELLED = 4
"""The run that was waited for was cancelled."""
REFUSED = 5
"""It could not be done: there is no such object, or the cluster or the workflow's code refused."""
BROKEN = 70
"""podhatch itself failed."""
INTERRUPTED = 130
"""Control-C. The run that was watched goes on."""
CLOSED = 141
"""Nobody reads the output any more, as after `| head`."""


def exit_code_of(run: "WorkflowRun") -> int:
    """Return what the end of a run that was waited for means to a script."""
    phase = run.status.phase if run.status else None
    if phase == "Succeeded":
        return SUCCEEDED
    return CANCELLED if phase == "Cancelled" else FAILED
