"""What the plans of local runs are made of: an object with all that concerns it."""

from collections import defaultdict

from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.core.common.observed import Observed, ObservedDurableLog, ObservedEvent
from podhatch.core.durable.progress import awaited_events, awaited_runs
from podhatch.core.run.acceptance import ancestors_of
from podhatch.evaluation.client import WITHIN_LIMITS
from podhatch.local.cluster import NAMESPACE, LocalCluster
from podhatch.local.execution import pod_name


def observe_run(
    cluster: LocalCluster, run: JsonObject, admission: AdmissionIndex, rate_limits: RateLimitIndex
) -> Observed:
    """Return a run with all that belongs to it."""
    name: str = run["metadata"]["name"]
    jobs, pods = cluster.of_run("Job", name), cluster.of_run("Pod", name)
    return Observed(
        run,
        cluster.find("Workflow", run["spec"]["workflow"]),
        cluster.stored("ControllerRevision"),
        jobs,
        {job: [pods[pod_name(job)]] for job in jobs if pod_name(job) in pods},
        cluster.of_run("TaskResult", name),
        [*cluster.stored("WorkflowEvent").values()],
        durable_logs=cluster.of_run("DurableLog", name),
        ancestors=[*ancestors_of(run, lambda above: cluster.find("WorkflowRun", above))],
        answers=WITHIN_LIMITS,
        queues=rate_limits.of(NAMESPACE),
        admission=admission,
    )


def observe_event(cluster: LocalCluster, event: JsonObject) -> ObservedEvent:
    """Return an event with the workflows that events start, and their filters."""
    workflows = [each for each in cluster.stored("Workflow").values() if "onEvents" in each["spec"]]
    filters: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for each in cluster.stored("EventFilter").values():
        filters[each["spec"]["workflow"]].append(each)
    return ObservedEvent(event, workflows, filters, answers=WITHIN_LIMITS)


def observe_log(cluster: LocalCluster, log: JsonObject) -> ObservedDurableLog:
    """Return a page of a durable log with all that it waits for."""
    keys = awaited_events(log)
    events = cluster.stored("WorkflowEvent").values() if keys else ()
    children = {name: cluster.find("WorkflowRun", name) for name in awaited_runs(log)}
    return ObservedDurableLog(
        log=log,
        run=cluster.find("WorkflowRun", log["spec"]["run"]),
        events=[each for each in events if each["spec"]["key"] in keys],
        children={name: run for name, run in children.items() if run is not None},
        answers=WITHIN_LIMITS,
    )


def concerned_logs(cluster: LocalCluster, changed: JsonObject) -> list[str]:
    """Return the names of the pages of durable logs that a changed object concerns."""
    kind, name = changed["kind"], changed["metadata"]["name"]
    if kind == "DurableLog":
        return [name]
    if kind == "WorkflowEvent":
        key: str = changed["spec"]["key"]
        pages = cluster.stored("DurableLog")
        return [page for page in pages if key in awaited_events(pages[page])]
    if kind == "WorkflowRun" and "parent" in changed["spec"] and is_over(changed):
        pages = cluster.of_run("DurableLog", changed["spec"]["parent"]["run"])
        return [page for page in pages if name in awaited_runs(pages[page])]
    return []
