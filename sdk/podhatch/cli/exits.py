"""What the command's exit codes mean. Scripts rely on them, so each has one meaning."""

SUCCEEDED = 0
FAILED = 1
"""The run failed or was cancelled, or there is no such run."""
USAGE = 2
UNREACHABLE = 3
"""No answer came from the cluster, or there is none to ask."""
INTERRUPTED = 130
