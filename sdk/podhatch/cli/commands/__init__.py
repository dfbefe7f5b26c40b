"""The commands of `podhatch`: a file for each, and nothing decided in them that a client decides.

Importing this package builds the app.
"""

from importlib import import_module

from podhatch.cli.commands.app import app

__all__ = ["app"]

MODULES = (
    *("run", "list_runs", "get", "watch", "logs", "cancel", "replay"),
    *("schedule", "cron", "events", "workflows"),
    *("deploy", "render", "lint", "install", "version"),
)
"""In the order in which the help shows them."""

for _module in MODULES:
    import_module(f"{__name__}.{_module}")
