"""What the core is shown of local objects: taken from the cluster in one moment."""

from collections import defaultdict

from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed, ObservedEvent
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.run.acceptance import ancestors_of
from podhatch.local.cluster import LocalCluster
from podhatch.local.work import pod_name


def observe_run(cluster: LocalCluster, run: JsonObject) -> Observed:
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
        ancestors=[*ancestors_of(run, lambda above: cluster.find("WorkflowRun", above))],
        answers=IN_PROCESS,
    )


def observe_event(cluster: LocalCluster, event: JsonObject) -> ObservedEvent:
    """Return an event with the workflows that events start, and their filters."""
    workflows = [each for each in cluster.stored("Workflow").values() if "onEvents" in each["spec"]]
    filters: defaultdict[str, list[JsonObject]] = defaultdict(list)
    for each in cluster.stored("EventFilter").values():
        filters[each["spec"]["workflow"]].append(each)
    return ObservedEvent(event, workflows, filters, answers=IN_PROCESS)
