"""Which keys a change of an object touches. Asked by the intake, and once at the start for all."""

from collections.abc import Iterator

from podhatch.api.model import JsonObject
from podhatch.api.run import has_ended, is_over
from podhatch.cluster import (
    CONTROLLER_REVISION,
    CRON_JOB,
    CRON_WORKFLOW,
    EVENT_FILTER,
    JOB,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)
from podhatch.core.event.key import takes_key

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.event_index import awaited_by
from podhatch_operator.cache.index import (
    UNHANDLED,
    cron_of_run,
    cron_of_tick,
    owning_workflow,
    run_of,
    started_group,
    workflow_of,
)
from podhatch_operator.cache.store import place_of
from podhatch_operator.queue.keys import (
    Key,
    cron_key,
    event_key,
    filter_key,
    run_key,
    workflow_key,
)


def keys_for(cache: Cache, kind: Kind, raw: JsonObject) -> list[Key]:
    """Return what has to be reconciled because this object changed."""
    namespace, name = place_of(raw)
    if kind is WORKFLOW_RUN:
        return [run_key(namespace, name), *keys_beside_run(namespace, raw)]
    if kind is WORKFLOW:
        crons = cache.group(CRON_WORKFLOW, namespace, started_group(name))
        return [
            workflow_key(namespace, name),
            *_runs_under_way(cache, namespace, name),
            *(cron_key(namespace, cron) for cron in crons),
            *(filter_key(namespace, each) for each in cache.group(EVENT_FILTER, namespace, name)),
            *_events_for(cache, namespace, raw),
        ]
    if kind is EVENT_FILTER:
        workflow = cache.get(WORKFLOW, (namespace, raw["spec"]["workflow"]))
        events = _events_for(cache, namespace, workflow) if workflow else []
        return [*events, filter_key(namespace, name)]
    if kind is CONTROLLER_REVISION:
        return _runs_under_way(cache, namespace, workflow_of(raw) or "")
    if kind is WORKFLOW_EVENT:  # first the runs, which have waited longest
        return [*_runs_awaiting(cache, namespace, raw), event_key(namespace, name)]
    if kind is CRON_JOB:
        return [cron_key(namespace, name)]
    if kind is CRON_WORKFLOW:
        owner = owning_workflow(raw)
        return [cron_key(namespace, name), *([workflow_key(namespace, owner)] if owner else [])]
    if kind is JOB and (cron := cron_of_tick(raw)):
        return [cron_key(namespace, cron)]
    run = run_of(raw)
    return [run_key(namespace, run)] if run else []


def keys_without(cache: Cache, kind: Kind, raw: JsonObject) -> list[Key]:
    """Return what has to be reconciled because this object is gone."""
    namespace, name = place_of(raw)
    if kind is WORKFLOW_RUN:  # the last run of a revision may have been this one
        workflow = workflow_key(namespace, raw["spec"]["workflow"])
        return [run_key(namespace, name), workflow, *keys_beside_run(namespace, raw)]
    if kind is WORKFLOW_EVENT:
        return [event_key(namespace, name)]
    return keys_for(cache, kind, raw)


def all_keys(cache: Cache) -> list[Key]:
    """Return everything there is to reconcile, finished runs last."""

    def is_last(key: Key) -> bool:
        return has_ended(cache.get(WORKFLOW_RUN, (key.namespace, key.name)) or {})

    runs = [run_key(*place) for place in cache.places(WORKFLOW_RUN)]
    return [
        *sorted({*_workflows(cache)}),
        *sorted({*_crons(cache)}),
        *(filter_key(*place) for place in cache.places(EVENT_FILTER)),
        *sorted(runs, key=is_last),
        *(event_key(*place) for place in cache.places(WORKFLOW_EVENT)),
    ]


def _workflows(cache: Cache) -> Iterator[Key]:
    """Yield all workflows, also those that are gone but for their revisions."""
    for place in cache.places(WORKFLOW):
        yield workflow_key(*place)
    for place in cache.places(CONTROLLER_REVISION):
        revision = cache.get(CONTROLLER_REVISION, place)
        if revision and (workflow := workflow_of(revision)):
            yield workflow_key(place[0], workflow)


def _crons(cache: Cache) -> Iterator[Key]:
    """Yield all crons, also those that are gone but for a run under way."""
    for kind in (CRON_WORKFLOW, CRON_JOB):
        for place in cache.places(kind):
            yield cron_key(*place)
    for place in cache.places(WORKFLOW_RUN):
        run = cache.get(WORKFLOW_RUN, place)
        if run and not is_over(run):
            yield from keys_beside_run(place[0], run)


def keys_beside_run(namespace: str, run: JsonObject) -> list[Key]:
    """Return what else has to be reconciled because a run changed: the cron that started it."""
    cron = cron_of_run(run)
    return [cron_key(namespace, cron)] if cron else []


def _events_for(cache: Cache, namespace: str, workflow: JsonObject) -> list[Key]:
    """Return the events that may still start runs of a workflow."""
    return [
        event_key(namespace, name)
        for name, event in cache.group(WORKFLOW_EVENT, namespace, UNHANDLED).items()
        if takes_key(workflow, event["spec"]["key"])
    ]


def _runs_awaiting(cache: Cache, namespace: str, event: JsonObject) -> list[Key]:
    key: str = event["spec"]["key"]
    found = {
        run_key(namespace, name): None
        for runs in cache.groups(WORKFLOW_RUN, namespace)
        for name, run in runs.items()
        if key in awaited_by(cache, namespace, run)
    }
    return list(found)


def _runs_under_way(cache: Cache, namespace: str, workflow: str) -> list[Key]:
    return [run_key(namespace, run) for run in cache.group(WORKFLOW_RUN, namespace, workflow)]
