"""The commands of `podhatch`, a module per group. Importing this package builds the app."""

from importlib import import_module

from podhatch.cli.app import app

__all__ = ["app"]

MODULES = ("runs", "logs", "schedules", "crons", "events", "workflows", "deploy", "lint", "install")
"""In the order in which the help shows them."""

for _module in MODULES:
    import_module(f"{__name__}.{_module}")
