"""CronWorkflows: the CronJob, the runs of its ticks, and what their Jobs say."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TypeGuard

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.cluster import (
    CRON_JOB,
    CRON_WORKFLOW,
    JOB,
    WORKFLOW,
    WORKFLOW_RUN,
)
from podhatch.core.common.observed import ObservedCron
from podhatch.core.common.plan import Plan
from podhatch.core.cron.plan import plan_cron
from podhatch.core.cron.tick import is_live
from podhatch.core.pod.pods import is_controlled_by

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import Place, place_of
from podhatch_operator.cache.trimming import label, without_packed
from podhatch_operator.controllers.controller import Controller
from podhatch_operator.keys import Key
from podhatch_operator.watch.watched import OURS, Watched, itself
from podhatch_operator.write.creation import label_again


def _of_workflow(cache: Cache, workflow: JsonObject) -> Iterable[str]:
    namespace, name = place_of(workflow)
    return cache.group(CRON_WORKFLOW, namespace, _started(name))


def _cron_of_tick(job: JsonObject) -> list[str]:
    """Return the CronWorkflow whose tick a Job stands for; nothing for the attempt of a task."""
    cron = None if label(job, labels.RUN) else label(job, labels.CRON)
    return [cron] if cron else []


def _cron_of_run(run: JsonObject) -> list[str]:
    """Return the CronWorkflow that started a run, if one did."""
    cron: str | None = run["spec"].get("trigger", {}).get("cron", {}).get("cron")
    return [cron] if cron else []


def _started(workflow: str) -> str:
    """Return the group of the crons that start a workflow."""
    return f"starts/{workflow}"


def _group(cron: str) -> str:
    """Return the group of a cron's tick Jobs, and of its runs under way."""
    return f"cron/{cron}"


def started_by_tick(tick: str) -> str:
    """Return the group of the runs with a key that a tick has started."""
    return f"tick/{tick}"


def _index_of_runs(run: JsonObject) -> Iterable[str]:
    crons = _cron_of_run(run)
    if crons and "idempotency" in run["spec"]:
        yield started_by_tick(run["spec"]["trigger"]["cron"].get("jobUid", ""))
    if not is_over(run):
        yield from map(_group, crons)


class CronController(Controller[ObservedCron]):
    """Reconciles crons and their ticks, also those of deleted crons."""

    kind = CRON_WORKFLOW
    watched = (
        Watched(CRON_WORKFLOW, itself, index=lambda raw: (_started(raw["spec"]["workflow"]),)),
        Watched(CRON_JOB, itself, OURS),  # a CronJob has the name of its CronWorkflow
        Watched(
            JOB,
            lambda _, job: _cron_of_tick(job),
            OURS,
            index=lambda job: map(_group, _cron_of_tick(job)),
        ),
        Watched(WORKFLOW_RUN, lambda _, run: _cron_of_run(run), index=_index_of_runs),
        Watched(WORKFLOW, _of_workflow),
    )

    @classmethod
    def places(cls, cache: Cache) -> Iterable[Place]:
        """Return all crons, also deleted ones with an active run."""
        places = {*super().places(cache), *cache.places(CRON_JOB)}
        for place in cache.places(WORKFLOW_RUN):
            run = cache.get(WORKFLOW_RUN, place)
            if run and not is_over(run):
                places.update((place[0], cron) for cron in _cron_of_run(run))
        return sorted(places)

    @staticmethod
    def observe(cache: Cache, namespace: str, name: str) -> ObservedCron:
        """Return what the cache holds of a cron, also if the CronWorkflow was deleted."""
        ticks = dict(cache.group(JOB, namespace, _group(name)))
        runs = {tick: cache.get(WORKFLOW_RUN, (namespace, tick)) for tick in ticks}
        for job in ticks.values():
            tick = started_by_tick(job["metadata"]["uid"])
            runs.update(cache.group(WORKFLOW_RUN, namespace, tick))
        under_way = cache.group(WORKFLOW_RUN, namespace, _group(name))
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

    def plan(self, observed: ObservedCron, now: datetime) -> Plan:
        """Return what the cron and its ticks need."""
        return plan_cron(observed, now)

    def subject(self, observed: ObservedCron) -> JsonObject | None:
        """Return the CronWorkflow."""
        return observed.cron

    async def learn(
        self, key: Key, observed: ObservedCron, plan: Plan, now: datetime
    ) -> tuple[ObservedCron, Plan]:
        """Ask the API server about ticks: the watch may not have reported a deletion yet.

        Of a tick whose Job was deleted, a deleted run must not come back. A run whose tick is gone
        is cancelled, unless the cron is gone with it: the tick is deleted after its cron, so the
        cron is asked for last.
        """
        if not plan.confirm:
            return observed, plan
        cluster = self.context.cluster
        jobs = {name: await cluster.get_or_none(JOB, key.namespace, name) for name in plan.confirm}
        confirmed: list[str] = []
        for name, job in jobs.items():
            seen = observed.ticks.get(name)
            if seen is not None and is_live(seen):
                confirmed += [name] if _is_same(job, seen) and is_live(job) else []
            elif job is not None and is_live(job):
                await self._take_back(key, job)
            elif await self._is_there(key, observed):
                confirmed.append(name)
        seen = self.observe(self.context.cache, key.namespace, key.name)
        observed = replace(seen, answers=observed.answers, confirmed=confirmed)
        return await self.learn_keyed_runs(key, observed, self.plan(observed, now), now)

    async def _is_there(self, key: Key, observed: ObservedCron) -> bool:
        cron = await self.context.cluster.get_or_none(CRON_WORKFLOW, key.namespace, key.name)
        return _is_same(cron, observed.cron) and "deletionTimestamp" not in cron["metadata"]

    async def _take_back(self, key: Key, job: JsonObject) -> None:
        """Label a tick's Job again, unless it has become another cron's."""
        if (label(job, labels.CRON) or key.name) != key.name:
            return
        names = {labels.CRON: key.name, labels.MANAGED_BY: labels.MANAGED_BY_VALUE}
        job = await label_again(self.context.cluster, job, names)
        if self.context.cache.apply(JOB, job):
            self.context.queue.add(key)


def _is_same(one: JsonObject | None, other: JsonObject | None) -> TypeGuard[JsonObject]:
    """Return whether both are there, and one object."""
    return one is not None and other is not None and _uid(one) == _uid(other)


def _uid(raw: JsonObject) -> str:
    uid: str = raw["metadata"]["uid"]
    return uid
