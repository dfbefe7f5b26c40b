"""The settings of kopf: it only watches."""

import itertools
import random
from collections.abc import Iterator, Mapping
from typing import Any

import kopf
from kopf._core.engines.peering import Identity
from kopf._core.reactor.inventory import ResourceMemories, ResourceMemory
from podhatch.cluster import Kind

KOPF_IDENTITY = Identity("podhatch")
"""Without one kopf asks for the user's name, and a pod's user has none."""


def kopf_settings(selectors: Mapping[Kind, str]) -> kopf.OperatorSettings:
    """Return settings under which kopf watches and does nothing else."""
    settings = kopf.OperatorSettings()
    settings.scanning.disabled = True  # or it watches CRDs and namespaces of the whole cluster
    settings.posting.enabled = False
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    settings.queueing.idle_timeout = 1.0
    settings.queueing.exit_timeout = 1.0
    settings.networking.connect_timeout = 10.0
    settings.networking.request_timeout = 30.0
    settings.networking.error_backoffs = EndlessBackoffs()
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 330.0
    settings.watching.connect_timeout = 10.0
    settings.watching.chunk_size = 500
    settings.execution.max_workers = 1
    settings.process.ultimate_exiting_timeout = 30.0
    for kind, selector in selectors.items():
        if selector:
            resource = (kind.group, kind.version, kind.plural)
            settings.watching.label_selectors[resource] = selector
    return settings


class EndlessBackoffs:
    """kopf gives up when these end, and the API server may be away for long."""

    def __iter__(self) -> Iterator[float]:
        for step in itertools.count():
            yield min(0.25 * 2**step, 15.0) * random.uniform(0.5, 1.0)


class NoDiffBase(kopf.DiffBaseStorage):
    """We look at whole objects, so kopf need not compare them: half its work per event."""

    def build(self, **_: Any) -> Any:
        """Return an empty essence."""
        return {}

    def fetch(self, **_: Any) -> Any:
        """Return nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


class NoProgress(kopf.ProgressStorage):
    """Our handlers do not fail and are not retried: there is no progress to keep."""

    def fetch(self, **_: Any) -> Any:
        """Return nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Purge nothing."""

    def touch(self, **_: Any) -> None:
        """Touch nothing."""

    def clear(self, *, essence: Any) -> Any:
        """Return the essence as it is."""
        return essence


class NoMemories(ResourceMemories):
    """kopf keeps several KB for each object until it is deleted; our handlers ask for nothing."""

    async def recall(self, raw_body: Any, **options: Any) -> ResourceMemory:
        """Return a new memory, which is not kept."""
        del options
        return await super().recall(raw_body, ephemeral=True)
