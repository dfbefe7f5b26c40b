"""`hatchet.logs`: what tasks have printed."""

from datetime import datetime

from podhatch.client import logs
from podhatch.client.logs import V1LogLineList
from podhatch.client.parameters import bound_in_utc
from podhatch.client.twins import async_twin, blocking
from podhatch.features.base import FeatureClient

DEFAULT_LIMIT = 1000


class LogsClient(FeatureClient):
    """Logs of the pods of one namespace. They are gone with the pods."""

    @blocking
    async def list(
        self,
        task_run_id: str,
        limit: int = DEFAULT_LIMIT,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> V1LogLineList:
        """Return the first lines that a task printed: `ctx.log`, stdout and stderr.

        Lines of its stream are left out. For more, ask again with `since` of the last one.

        Args:
            task_run_id: `<run>/<task>` for all attempts of a task, `ctx.task_run_id` for one of
                them, or a run's name for all of its tasks, one after the other.
            limit: Maximum number of lines.
            since: Printed at this time or later.
            until: Printed at this time or earlier.

        Raises:
            RequestRefused: There is no such task, or access to logs is denied.
            TypeError: A time is not a datetime.
            ValueError: The limit is less than 1.
        """
        span = bound_in_utc("since", since), bound_in_utc("until", until)
        return await self._ask(logs.find, task_run_id, limit, *span)

    aio_list = async_twin(list)
