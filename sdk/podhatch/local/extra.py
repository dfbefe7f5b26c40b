"""Says which extra is missing. Called before anything of a local run is imported."""

from podhatch.errors import PodhatchError
from podhatch.evaluation.client import is_installed


class ExtraMissing(PodhatchError, ImportError):  # noqa: N818 - it names a state
    """What local runs need beside podhatch itself is not installed."""


def require_extra() -> None:
    """Refuse to go on without the libraries that the operator's decisions need.

    Raises:
        ExtraMissing: One is not installed; the text says how to install it.
    """
    if not is_installed():
        raise ExtraMissing(
            "to run workflows without a cluster, install their extra: pip install 'podhatch[local]'"
        )
