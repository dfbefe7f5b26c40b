"""The objects of local runs: every change is passed on to the engine."""

from collections import defaultdict
from collections.abc import Callable

from podhatch.api.durable_log import DurableLog
from podhatch.api.event import WorkflowEvent
from podhatch.api.labels import RUN
from podhatch.api.model import ApiObject, JsonObject, format_time
from podhatch.api.run import WorkflowRun
from podhatch.api.workflow import Workflow
from podhatch.cluster import ApiError
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.cluster.protocol import EventType
from podhatch.local.clock import Clock

NAMESPACE = "local"
USER = "local"
"""Who pushes the events of local runs."""

_MODELS: dict[str, type[ApiObject]] = {
    model.__name__: model for model in (Workflow, WorkflowRun, WorkflowEvent, DurableLog)
}
"""Kinds whose objects are checked, as the API server checks them."""


class LocalCluster(InMemoryCluster):
    """Objects in memory, in place of a connection to a cluster."""

    def __init__(self, clock: Clock, on_change: Callable[[JsonObject], None]) -> None:
        super().__init__(NAMESPACE)
        self._clock = clock
        self._on_change = on_change
        self._of_runs: defaultdict[str, dict[tuple[str, str], None]] = defaultdict(dict)
        """Kind and name of what belongs to each run, by the run's name."""

    def of_run(self, kind: str, run: str) -> dict[str, JsonObject]:
        """Return the objects of a kind that belong to a run, by name: not to be changed."""
        names = [name for of, name in self._of_runs[run] if of == kind]
        found = {name: self.find(kind, name) for name in names}
        return {name: stored for name, stored in found.items() if stored is not None}

    def admit(self, manifest: JsonObject) -> None:
        """Check the object against the model of its kind."""
        from pydantic import ValidationError

        from podhatch.values.codec import describe

        model = _MODELS.get(manifest["kind"])
        try:
            if model is not None:
                model.model_validate(manifest)
        except ValidationError as error:
            raise ApiError(422, "Invalid", describe(error)) from None

    def changed(self, stored: JsonObject) -> None:
        """Keep the index of runs, and tell the engine."""
        kind, name = stored["kind"], stored["metadata"]["name"]
        run = stored["metadata"].get("labels", {}).get(RUN, "")
        if self.find(kind, name) is None:
            self._of_runs[run].pop((kind, name), None)
        else:
            self._of_runs[run][kind, name] = None
        self._on_change(stored)

    def timestamp(self) -> str:
        """Return the time of the run, to the microsecond."""
        return format_time(self._clock.now())

    def _store(self, event: EventType, manifest: JsonObject, generation: int) -> JsonObject:
        if manifest["kind"] == "WorkflowEvent":  # seen by the clock of the run, not the machine's
            seen_at = manifest["metadata"].get("creationTimestamp") or self.timestamp()
            manifest = {**manifest, "spec": {**manifest["spec"], "seenAt": seen_at}}
        return super()._store(event, manifest, generation)
