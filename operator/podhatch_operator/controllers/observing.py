"""What the core is shown of the cache, all in one moment. Called by the reconcilers."""

from collections.abc import Iterable, Mapping

from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CRON_JOB,
    CRON_WORKFLOW,
    EVENT_FILTER,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
)
from podhatch.core.common.observed import Observed, ObservedCron, ObservedEvent
from podhatch.core.expressions.evaluation import NO_ANSWERS, Answers
from podhatch.core.pod.pods import is_controlled_by
from podhatch.core.run.acceptance import ancestors_of

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.event_index import awaited_by
from podhatch_operator.cache.index import STARTED_BY_EVENTS, cron_group
from podhatch_operator.cache.trimming import (
    JOB_NAME,
    ended_job,
    label,
    newest_unpacked,
    unpacked,
    without_packed,
)


def observe_run(
    cache: Cache, namespace: str, name: str, answers: Answers = NO_ANSWERS
) -> Observed | None:
    """Return a run and all that is known about it, or None if there is no such run."""
    run = cache.get(WORKFLOW_RUN, (namespace, name))
    if run is None:
        return None
    run = unpacked(WORKFLOW_RUN, run)
    workflow: str = run["spec"]["workflow"]
    parent: JsonObject | None = run["spec"].get("parent")
    return Observed(
        run=run,
        workflow=cache.get(WORKFLOW, (namespace, workflow)),
        revisions=dict(cache.revisions(namespace, workflow)),
        jobs=_jobs(cache, namespace, run),
        events=newest_unpacked(
            [
                event
                for key in awaited_by(cache, namespace, run)
                for event in cache.group(WORKFLOW_EVENT, namespace, key).values()
            ]
        ),
        pods=_by_job(cache.group(POD, namespace, name).values()),
        results=dict(cache.group(TASK_RESULT, namespace, name)),
        parent_job=cache.get(JOB, (namespace, parent["job"])) if parent else None,
        ancestors=[*ancestors_of(run, lambda name: cache.get(WORKFLOW_RUN, (namespace, name)))],
        answers=answers,
    )


def observe_event(
    cache: Cache, namespace: str, name: str, answers: Answers = NO_ANSWERS
) -> ObservedEvent | None:
    """Return an event and what it may start, or None if there is no such event."""
    event = cache.get(WORKFLOW_EVENT, (namespace, name))
    if event is None:
        return None
    event = unpacked(WORKFLOW_EVENT, event)
    workflows = cache.group(WORKFLOW, namespace, STARTED_BY_EVENTS)
    filters = {
        workflow: tuple(cache.group(EVENT_FILTER, namespace, workflow).values())
        for workflow in workflows
    }
    return ObservedEvent(event, tuple(workflows.values()), filters, answers=answers)


def observe_cron(cache: Cache, namespace: str, name: str) -> ObservedCron:
    """Return all that is known of a cron, also when the CronWorkflow itself is gone."""
    ticks = dict(cache.group(JOB, namespace, cron_group(name)))
    runs = {tick: cache.get(WORKFLOW_RUN, (namespace, tick)) for tick in ticks}
    under_way = cache.group(WORKFLOW_RUN, namespace, cron_group(name))
    cron = cache.get(CRON_WORKFLOW, (namespace, name))
    cron_job = cache.get(CRON_JOB, (namespace, name))
    return ObservedCron(
        cron=cron,
        cron_job=cron_job if cron and cron_job and is_controlled_by(cron_job, cron) else None,
        ticks=ticks,
        runs={
            name: without_packed(WORKFLOW_RUN, run)
            for name, run in {**under_way, **runs}.items()
            if run is not None
        },
        workflow=cache.get(WORKFLOW, (namespace, cron["spec"]["workflow"])) if cron else None,
    )


def crons_of(cache: Cache, workflow: JsonObject) -> dict[str, JsonObject]:
    """Return the CronWorkflows that a Workflow's onCrons have made, by name."""
    metadata = workflow["metadata"]
    crons = cache.group(CRON_WORKFLOW, metadata["namespace"], metadata["name"])
    return _owned_by(workflow, crons)


def _jobs(cache: Cache, namespace: str, run: JsonObject) -> dict[str, JsonObject]:
    """Return the run's Jobs; of those of a run that is over, hardly more than the names."""
    metadata = run["metadata"]
    names = cache.names_of(JOB, namespace, metadata["uid"])
    whole = _owned_by(run, cache.group(JOB, namespace, metadata["name"]))
    return {**{name: ended_job(name) for name in names}, **whole}


def _owned_by(owner: JsonObject, children: Mapping[str, JsonObject]) -> dict[str, JsonObject]:
    """Leave out children of an earlier owner of the same name."""
    return {name: child for name, child in children.items() if is_controlled_by(child, owner)}


def _by_job(pods: Iterable[JsonObject]) -> dict[str, list[JsonObject]]:
    grouped: dict[str, list[JsonObject]] = {}
    for pod in pods:
        grouped.setdefault(label(pod, JOB_NAME) or "", []).append(pod)
    return grouped
