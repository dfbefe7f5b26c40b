"""The errors of commands: a message for the user and an exit code for scripts."""

from collections.abc import Generator
from contextlib import contextmanager
from enum import IntEnum

from podhatch.cluster import ApiError, ClusterUnreachable
from podhatch.errors import PodhatchError


class ExitCode(IntEnum):
    """The exit codes of `podhatch`. Scripts rely on them, so each has one meaning."""

    SUCCEEDED = 0
    FAILED = 1
    """The run that the command waited for failed, or `lint` found a problem."""
    USAGE = 2
    """The command line is wrong."""
    UNREACHABLE = 3
    """The cluster did not answer, or no cluster is configured."""
    CANCELLED = 4
    """The run that the command waited for was cancelled."""
    ERROR = 5
    """The object does not exist, or the cluster or the workflow's code returned an error."""
    BUG = 70
    """podhatch itself failed."""
    INTERRUPTED = 130
    """Control-C. A run that was watched continues."""
    CLOSED = 141
    """The reader closed the output, as after `| head`."""


class CommandError(PodhatchError):
    """The command failed; the message says why and what to do."""


class UsageError(PodhatchError):
    """The command line is wrong."""


@contextmanager
def usage_errors() -> Generator[None]:
    """Turn the ValueError of a check into a UsageError."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error)) from None


def exit_code(error: Exception) -> ExitCode:
    """Return the exit code for an error."""
    if isinstance(error, ClusterUnreachable):
        return ExitCode.UNREACHABLE
    return ExitCode.USAGE if isinstance(error, UsageError) else ExitCode.ERROR


def error_message(error: Exception) -> str:
    """Return the message that the user sees for an error."""
    if not isinstance(error, ApiError):
        return str(error)
    if error.status == 404 and '"' not in error.message:
        return (
            "podhatch is not installed in this cluster: install it first, with `podhatch install`"
        )
    return f"the API server refused the request: {error}"
