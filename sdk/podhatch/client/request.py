"""A run that somebody asks for, checked in full before anything is created."""

from dataclasses import dataclass

from podhatch.api.model import JsonObject
from podhatch.client.manifest import Manifest
from podhatch.client.target import Target


@dataclass(frozen=True)
class RunRequest:
    """What to run, on what, and where."""

    target: Target
    manifest: Manifest
    input: JsonObject
    metadata: dict[str, str]
