"""EventFilters: whether their expressions are valid."""

from collections.abc import Iterable
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT_FILTER, WORKFLOW
from podhatch.core.common.observed import ObservedFilter
from podhatch.core.common.plan import Plan
from podhatch.core.event.filter import plan_filter

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.controllers.controller import Controller
from podhatch_operator.watch.watched import Watched, itself


def _of_workflow(cache: Cache, workflow: JsonObject) -> Iterable[str]:
    return cache.group(EVENT_FILTER, *place_of(workflow))


class FilterController(Controller[ObservedFilter]):
    """Checks filters."""

    kind = EVENT_FILTER
    watched = (
        Watched(EVENT_FILTER, itself, index=lambda raw: (raw["spec"]["workflow"],)),
        Watched(WORKFLOW, _of_workflow),
    )

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedFilter | None:
        """Return the filter and its workflow."""
        event_filter = cache.get(EVENT_FILTER, (namespace, name))
        if event_filter is None:
            return None
        workflow = cache.get(WORKFLOW, (namespace, event_filter["spec"]["workflow"]))
        return ObservedFilter(event_filter, workflow)

    def plan(self, observed: ObservedFilter, now: datetime) -> Plan:
        """Return the filter's status."""
        return plan_filter(observed, now)

    def subject(self, observed: ObservedFilter) -> JsonObject:
        """Return the filter."""
        return observed.event_filter
