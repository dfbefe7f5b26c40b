"""WorkflowEvents: the runs they start, and their deletion when they expire."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.cluster import (
    EVENT_FILTER,
    WORKFLOW,
    WORKFLOW_EVENT,
    ApiError,
    ClusterUnreachable,
)
from podhatch.core.common.observed import ObservedEvent
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.event.key import takes_key
from podhatch.core.event.plan import expired, passing, plan_event

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.cache.trimming import unpacked
from podhatch_operator.controllers.controller import Controller
from podhatch_operator.keys import Key
from podhatch_operator.queue.workers import RetryLater
from podhatch_operator.watch.watched import Watched, itself

STARTED_BY_EVENTS = "/events"
"""Group of the workflows with onEvents."""
UNHANDLED = ""
"""Group of the events that may still start runs; their other group, the key, is never empty."""


def _for_workflow(cache: Cache, workflow: JsonObject) -> Iterable[str]:
    """Return the events that may still start runs of a workflow."""
    namespace, _ = place_of(workflow)
    return [
        name
        for name, event in cache.group(WORKFLOW_EVENT, namespace, UNHANDLED).items()
        if takes_key(workflow, event["spec"]["key"])
    ]


def _for_filter(cache: Cache, event_filter: JsonObject) -> Iterable[str]:
    namespace, _ = place_of(event_filter)
    workflow = cache.get(WORKFLOW, (namespace, event_filter["spec"]["workflow"]))
    return _for_workflow(cache, workflow) if workflow else []


def _is_unhandled(event: JsonObject) -> Iterable[str]:
    return () if "handledAt" in event.get("status", {}) else (UNHANDLED,)


def _is_started_by_events(workflow: JsonObject) -> Iterable[str]:
    return (STARTED_BY_EVENTS,) if workflow["spec"].get("onEvents") else ()


class EventController(Controller[ObservedEvent]):
    """Reconciles events."""

    kind = WORKFLOW_EVENT
    watched = (
        Watched(WORKFLOW_EVENT, itself, index=_is_unhandled),
        Watched(WORKFLOW, _for_workflow, index=_is_started_by_events),
        Watched(EVENT_FILTER, _for_filter),
    )

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedEvent | None:
        """Return an event and what it may start."""
        event = cache.get(WORKFLOW_EVENT, (namespace, name))
        if event is None:
            return None
        workflows = cache.group(WORKFLOW, namespace, STARTED_BY_EVENTS)
        filters = {
            workflow: tuple(cache.group(EVENT_FILTER, namespace, workflow).values())
            for workflow in workflows
        }
        event = unpacked(WORKFLOW_EVENT, event)
        return ObservedEvent(event, tuple(workflows.values()), filters)

    def plan(self, observed: ObservedEvent, now: datetime) -> Plan:
        """Return the runs to create, and the event's status."""
        return plan_event(observed, now)

    def subject(self, observed: ObservedEvent) -> JsonObject:
        """Return the event."""
        return observed.event

    async def learn(
        self, key: Key, observed: ObservedEvent, plan: Plan, now: datetime
    ) -> tuple[ObservedEvent, Plan]:
        """Read the filters that the watch may not have reported yet.

        A run that a filter should have prevented cannot be undone.
        """
        observed, plan = await self.learn_keyed_runs(key, observed, plan, now)
        confirmed = set[str]()
        while asked := set(plan.confirm) - confirmed:
            for workflow in asked:
                await self._learn_filters(key.namespace, workflow)
            confirmed |= asked
            seen = self.observe_all(key)
            if seen is None:
                raise RetryLater(f"the event {key.name} was deleted")
            observed = replace(seen, keyed_runs=observed.keyed_runs)
            observed, plan = await self.learn_keyed_runs(
                key, observed, self.plan(observed, now), now
            )
        return observed, plan

    async def reconcile(self, key: Key) -> None:
        """Reconcile; an event that cannot be planned is deleted at its time all the same."""
        try:
            await super().reconcile(key)
        except (ApiError, ClusterUnreachable, RetryLater):
            raise
        except Exception:
            event = self.context.cache.get(WORKFLOW_EVENT, (key.namespace, key.name))
            if event is not None:
                end = expired(event, self.context.now())
                await self.context.executor.execute(key.namespace, end.writes)
            raise

    def retry(self, plan: Plan, refusals: Mapping[str, ApiRefusal]) -> None:
        """Retry later if a run may be accepted then, unless the event is deleted."""
        if not plan.delete:
            super().retry(plan, passing(refusals, plan.create))

    async def _learn_filters(self, namespace: str, workflow: str) -> None:
        context = self.context
        selector = f"spec.workflow={workflow}"
        filters, _ = await context.cluster.list(EVENT_FILTER, namespace, field_selector=selector)
        for raw in filters:
            if context.cache.apply(EVENT_FILTER, raw):
                for key in context.watched.keys(context.cache, EVENT_FILTER, raw):
                    context.queue.add(key)
