"""A workflow as objects of the cluster: what the client publishes and `to_yaml()` prints."""

from dataclasses import dataclass

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
    """The ConfigMap with the source tree, when it is shipped."""

    def to_yaml(self) -> str:
        """Return the objects as YAML documents for `kubectl apply --server-side`."""
        objects = [self.source, self.workflow] if self.source else [self.workflow]
        return yaml.safe_dump_all(objects, sort_keys=False, allow_unicode=True, width=100)
