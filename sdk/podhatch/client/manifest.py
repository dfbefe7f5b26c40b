"""A workflow as objects of the cluster: what the client publishes and `to_yaml()` prints."""

from dataclasses import dataclass
from typing import Final

import yaml

from podhatch.api.model import JsonObject


@dataclass(frozen=True)
class Manifest:
    """The objects that make a workflow."""

    name: str
    """Of the Workflow object."""
    content_hash: str
    workflow: JsonObject
    source: JsonObject | None
    """The ConfigMap with the source tree, if it is shipped."""

    def to_yaml(self) -> str:
        """Return the objects as YAML documents for `kubectl apply --server-side`."""
        objects = [self.source, self.workflow] if self.source else [self.workflow]
        return yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=100)


@dataclass(frozen=True)
class Publication:
    """The workflows to publish before a run is created."""

    needed: tuple[Manifest, ...] = ()
    """The run needs these."""
    others: tuple[Manifest, ...] = ()
    """Others of the same `Hatchet`: a task may run them as children."""


NOTHING: Final = Publication()
"""A task's pod publishes nothing, and the code of a stub is elsewhere."""
