"""Why a command cannot do what it was asked: sentences for the user, and an exit code."""

from collections.abc import Iterable
from difflib import get_close_matches

from podhatch.cli import exits
from podhatch.cluster import ApiError, ClusterUnreachable
from podhatch.errors import PodhatchError


class Refused(PodhatchError):  # noqa: N818 - it names a state
    """The command cannot be carried out; the text says why and what to do."""


class NoSuchRun(Refused):
    """The run is not there."""


class WrongUsage(PodhatchError):  # noqa: N818
    """The command line does not hold together."""


def exit_code(error: Exception) -> int:
    """Return the exit code that an error means."""
    if isinstance(error, ClusterUnreachable):
        return exits.UNREACHABLE
    return exits.USAGE if isinstance(error, WrongUsage) else exits.REFUSED


def explain(error: Exception) -> str:
    """Return the sentences for an error."""
    if not isinstance(error, ApiError):
        return str(error)
    if error.status == 404 and '"' not in error.message:
        return (
            "the cluster does not know the objects of podhatch: install it there first, with "
            "`podhatch install`"
        )
    return f"the API server refused: {error}"


def did_you_mean(name: object, names: Iterable[str]) -> str:
    """Return a question that names what is most like a name, to be added to a sentence."""
    nearest = get_close_matches(str(name), list(names), n=1, cutoff=0.6)
    return f"; did you mean {nearest[0]}?" if nearest else ""
