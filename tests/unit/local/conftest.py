"""The plugin's fixture, for checkouts whose entry points are not installed."""

from podhatch.testing.plugin import podhatch_local

__all__ = ["podhatch_local"]
