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
from podhatch_operator.keys import Key
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

    def observe(self, key: Key) -> ObservedFilter | None:
        """Return the filter and its workflow."""
        cache = self.context.cache
        event_filter = cache.get(EVENT_FILTER, (key.namespace, key.name))
        if event_filter is None:
            return None
        workflow = cache.get(WORKFLOW, (key.namespace, event_filter["spec"]["workflow"]))
        return ObservedFilter(event_filter, workflow, answers=self.context.evaluator.answers)

    def plan(self, observed: ObservedFilter, now: datetime) -> Plan:
        """Return the filter's status."""
        return plan_filter(observed, now)

    def subject(self, observed: ObservedFilter) -> JsonObject:
        """Return the filter."""
        return observed.event_filter
