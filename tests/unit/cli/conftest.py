"""Commands against the in-memory cluster: it is what they connect to."""

from tests.unit.sdk.conftest import stage

__all__ = ["stage"]
