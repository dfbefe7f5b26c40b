"""How long the API server may be away while a caller waits. Used by all who watch runs."""

import asyncio
import logging

from podhatch.cluster import ApiError, ClusterUnreachable

OUTAGE_SECONDS = 120.0
RETRY_SECONDS = 0.5

_logger = logging.getLogger("podhatch")


class Outage:
    """Counts the time from the first request that fails after one that was answered."""

    def __init__(self) -> None:
        self._since: float | None = None

    def end(self) -> None:
        """Take notice of an answer."""
        self._since = None

    async def bear(self, error: ApiError | ClusterUnreachable) -> None:
        """Let a moment pass before the next request.

        Raises:
            ApiError: The error is a refusal, or the API server has been starting for two minutes.
            ClusterUnreachable: It has been away for two minutes.
        """
        now = asyncio.get_running_loop().time()
        if isinstance(error, ApiError) and error.status < 500:
            raise error
        if self._since is None:
            self._since = now
            _logger.warning("connection lost, trying again: %s", error)
        if now - self._since > OUTAGE_SECONDS:
            raise error
        await asyncio.sleep(RETRY_SECONDS)
