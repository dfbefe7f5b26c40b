"""The feature clients as attributes of `Hatchet`, each imported when it is first asked for."""

from functools import cached_property
from typing import TYPE_CHECKING

from podhatch.client.target import Target

if TYPE_CHECKING:
    from podhatch.features.cel import CELClient
    from podhatch.features.crons import CronClient
    from podhatch.features.events import EventClient
    from podhatch.features.filters import FiltersClient
    from podhatch.features.logs import LogsClient
    from podhatch.features.metrics import MetricsClient
    from podhatch.features.runs import RunsClient
    from podhatch.features.schedules import ScheduledClient
    from podhatch.features.workers import WorkersClient
    from podhatch.features.workflows import WorkflowsClient


class FeatureClients:
    """What may be done with the objects of a namespace, by kind."""

    def __init__(self, target: Target) -> None:
        self._target = target

    @cached_property
    def cel(self) -> "CELClient":
        """Tries out expressions of filters."""
        from podhatch.features.cel import CELClient

        return CELClient()

    @cached_property
    def cron(self) -> "CronClient":
        """Creates, lists, suspends and deletes crons."""
        from podhatch.features.crons import CronClient

        return CronClient(self._target)

    @cached_property
    def event(self) -> "EventClient":
        """Pushes events, which start runs and which runs wait for, and lists them."""
        from podhatch.features.events import EventClient

        return EventClient(self._target)

    @cached_property
    def filters(self) -> "FiltersClient":
        """Creates, lists, changes and deletes filters of events."""
        from podhatch.features.filters import FiltersClient

        return FiltersClient(self._target)

    @cached_property
    def logs(self) -> "LogsClient":
        """Reads what tasks have printed."""
        from podhatch.features.logs import LogsClient

        return LogsClient(self._target)

    @cached_property
    def metrics(self) -> "MetricsClient":
        """Counts tasks by where they stand."""
        from podhatch.features.metrics import MetricsClient

        return MetricsClient(self._target)

    @cached_property
    def runs(self) -> "RunsClient":
        """Looks at runs, lists, creates, cancels and replays them."""
        from podhatch.features.runs import RunsClient

        return RunsClient(self._target)

    @cached_property
    def scheduled(self) -> "ScheduledClient":
        """Creates, lists, moves and deletes runs that start later."""
        from podhatch.features.schedules import ScheduledClient

        return ScheduledClient(self._target)

    @cached_property
    def workers(self) -> "WorkersClient":
        """Lists the nodes that may run tasks."""
        from podhatch.features.workers import WorkersClient

        return WorkersClient(self._target)

    @cached_property
    def workflows(self) -> "WorkflowsClient":
        """Lists and deletes the workflows that the cluster holds."""
        from podhatch.features.workflows import WorkflowsClient

        return WorkflowsClient(self._target)
