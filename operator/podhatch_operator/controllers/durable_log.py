"""DurableLogs: which waits of durable tasks are over."""

from collections.abc import Iterable
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import DURABLE_LOG, WORKFLOW_EVENT, WORKFLOW_RUN
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.common.plan import Plan
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import awaited_events, awaited_runs

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of
from podhatch_operator.cache.trimming import newest_unpacked
from podhatch_operator.controllers.debouncer import DebouncedController
from podhatch_operator.watch.watched import Watched, itself, nothing


def _awaiting_event(cache: Cache, event: JsonObject) -> Iterable[str]:
    namespace, _ = place_of(event)
    return cache.group(DURABLE_LOG, namespace, _event_group(event["spec"]["key"]))


def _of_run(cache: Cache, run: JsonObject) -> Iterable[str]:
    """Return the logs of a run under way; of one that is over, those that wait for it."""
    return _awaiting_run(cache, run) if is_over(run) else cache.group(DURABLE_LOG, *place_of(run))


def _awaiting_run(cache: Cache, run: JsonObject) -> Iterable[str]:
    namespace, name = place_of(run)
    return cache.group(DURABLE_LOG, namespace, _run_group(name))


def _event_group(key: str) -> str:
    """Return the group of the logs that wait for events with this key."""
    return f"event/{key}"


def _run_group(run: str) -> str:
    """Return the group of the logs that wait for the end of a run."""
    return f"child/{run}"


def _awaited(log: JsonObject) -> Iterable[str]:
    yield from map(_event_group, awaited_events(log))
    yield from map(_run_group, awaited_runs(log))


class DurableLogController(DebouncedController[ObservedDurableLog]):
    """Says which waits are over.

    Other news is debounced: most waits are short, and their pods have more to say in a moment.
    """

    kind = DURABLE_LOG
    watched = (
        Watched(DURABLE_LOG, itself, index=_awaited),
        Watched(WORKFLOW_RUN, _of_run, affects_when_gone=_awaiting_run),
        Watched(WORKFLOW_EVENT, _awaiting_event, affects_when_gone=nothing),
    )
    status_affects = True  # it wakes the run

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedDurableLog | None:
        """Return a page of a log, and what the cache holds of what it waits for."""
        log = cache.get(DURABLE_LOG, (namespace, name))
        if log is None:
            return None
        events = [
            event
            for key in sorted(awaited_events(log))
            for event in cache.group(WORKFLOW_EVENT, namespace, key).values()
        ]
        children = {run: cache.get(WORKFLOW_RUN, (namespace, run)) for run in awaited_runs(log)}
        return ObservedDurableLog(
            log,
            run=cache.get(WORKFLOW_RUN, (namespace, log["spec"]["run"])),
            events=newest_unpacked(events),
            children={run: raw for run, raw in children.items() if raw is not None},
        )

    def plan(self, observed: ObservedDurableLog, now: datetime) -> Plan:
        """Return the status of the page."""
        return plan_durable_log(observed, now)

    def subject(self, observed: ObservedDurableLog) -> JsonObject:
        """Return the page."""
        return observed.log
