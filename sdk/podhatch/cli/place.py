"""Where a command works and how it prints: what its shared options say. Made before each command.

The options stand before the command's name or after it, as kubectl has them; after it counts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

import typer

from podhatch.client.target import Target


@dataclass(frozen=True)
class Place:
    """The cluster and the namespace the user means, and whether to use colours."""

    target: Target
    no_color: bool = False

    def within(self, outer: "Place") -> "Place":
        """Return this, with what it leaves open as `outer` says."""
        return Place(
            Target(
                self.target.namespace or outer.target.namespace,
                self.target.kubeconfig or outer.target.kubeconfig,
                self.target.context or outer.target.context,
            ),
            self.no_color or outer.no_color,
        )


def place_of(ctx: typer.Context, values: Mapping[str, Any]) -> Place:
    """Return what the options say: those of the command, then those before its name."""
    own = Place(
        Target(values.get("namespace"), values.get("kubeconfig"), values.get("context")),
        bool(values.get("no_color")),
    )
    outer = cast("object", ctx.find_root().obj)
    return own.within(outer) if isinstance(outer, Place) else own
