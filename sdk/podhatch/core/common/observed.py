"""What the plan functions are shown: all that the cache holds about an object at one moment."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

from podhatch.api.model import JsonObject
from podhatch.api.task import ClusterAccess
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.units import UnitQueues
from podhatch.core.common.idempotency import KeyedRuns, RunKey
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.expressions.evaluation import NO_ANSWERS, Answers


@dataclass(frozen=True)
class Defaults:
    """What the chart decides for tasks that do not decide for themselves."""

    runner_image: str
    runner_pull_policy: str = "IfNotPresent"
    run_ttl_seconds: int | None = None
    """After which time finished runs are deleted; None keeps them."""
    job_ttl_seconds: int | None = None
    """After which time the Jobs of finished runs are deleted; None keeps them with the run."""
    max_cluster_access: ClusterAccess = "spawn"
    """A workflow with a task that asks for more does not run."""
    priority_classes: bool = False
    """Whether the cluster has the PriorityClasses of the chart."""
    max_extension_seconds: int = 86_400
    """By how much a task may move its own time limit, in all."""
    max_depth: int = 16
    """The maximum number of ancestors of a child run."""


UNDECIDED = ""
"""In place of a revision that a run pins: its status does not name one yet."""


@dataclass(frozen=True, kw_only=True)
class ObservedObject:
    """What is shown of an object of any kind."""

    refusals: Mapping[str, ApiRefusal] = field(default_factory=dict[str, ApiRefusal])
    """What the API server just refused, by name: for the second plan of a reconcile."""
    answers: Answers = NO_ANSWERS
    """What is known of the expressions and the schemas that users wrote."""
    keyed_runs: Mapping[RunKey, KeyedRuns] = field(default_factory=dict[RunKey, KeyedRuns])
    """The runs that have the idempotency keys which the plan asked for."""


@dataclass(frozen=True)
class ObservedWorkflow(ObservedObject):
    """A workflow and what depends on it, as raw objects without managedFields."""

    workflow: JsonObject | None = None
    crons: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """CronWorkflows that it owns, by name."""
    revisions: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Its ControllerRevisions, by name."""
    pinned: Collection[str] = ()
    """Names of the revisions that runs hold; UNDECIDED for a run that has not said which."""
    other_sources: Callable[[], Collection[str]] = tuple
    """The ConfigMaps with sources that other workflows ship; asked only when one may go."""
    refused_pods: Mapping[str, ApiRefusal] | None = None
    """By field, what a dry run did not accept; None when none was made."""


@dataclass(frozen=True)
class ObservedFilter(ObservedObject):
    """An EventFilter, as a raw object without managedFields."""

    event_filter: JsonObject
    workflow: JsonObject | None = None
    """The Workflow that it names, if that is there."""


@dataclass(frozen=True)
class ObservedRateLimit(ObservedObject):
    """A RateLimit, as a raw object without managedFields, and those who wait for its units."""

    rate_limit: JsonObject
    queues: UnitQueues = field(compare=False)
    """Of its namespace: who waits, and all RateLimits, this one too."""


@dataclass(frozen=True)
class ObservedDurableLog(ObservedObject):
    """A page of a durable task's log, and what it waits for, as raw objects."""

    log: JsonObject
    run: JsonObject | None = None
    """The run that its spec names, if that is there."""
    events: Sequence[JsonObject] = ()
    """WorkflowEvents with keys that it waits for."""
    children: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """The runs that it waits for and that are there, by name."""


@dataclass(frozen=True)
class ObservedEvent(ObservedObject):
    """A user event, and what it may start, as raw objects without managedFields."""

    event: JsonObject
    workflows: Sequence[JsonObject] = ()
    """Those of the event's namespace that events start."""
    filters: Mapping[str, Sequence[JsonObject]] = field(
        default_factory=dict[str, Sequence[JsonObject]]
    )
    """Their EventFilters, by the workflow's name."""


@dataclass(frozen=True)
class ObservedCron(ObservedObject):
    """A cron and all that the cluster holds about it, as raw objects without managedFields."""

    cron: JsonObject | None = None
    cron_job: JsonObject | None = None
    """That was made for this very cron."""
    ticks: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Jobs that stand for the cron's ticks, by name."""
    runs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """By name: the runs under way that the cron started, and whatever run has a tick's name."""
    workflow: JsonObject | None = None
    """The Workflow that the cron's runs are of."""
    confirmed: Collection[str] = ()
    """Ticks that the API server was asked about: their Jobs are there, or gone, as shown."""


Notes = Mapping[str, Sequence[JsonObject]]
"""Kubernetes Events of type Warning, by the uid of the Job or pod that they regard."""


@dataclass(frozen=True)
class Observed(ObservedObject):
    """A run and all that the cluster holds about it, as raw objects without managedFields."""

    run: JsonObject
    workflow: JsonObject | None = None
    revisions: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """ControllerRevisions of the run's namespace that belong to its workflow, by name."""
    jobs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Jobs of the run, by name."""
    pods: Mapping[str, Sequence[JsonObject]] = field(
        default_factory=dict[str, Sequence[JsonObject]]
    )
    """Pods of the run, by the name of their Job."""
    results: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """TaskResults of the run, by name, which is the name of the Job."""
    events: Sequence[JsonObject] = ()
    """WorkflowEvents of the run's namespace."""
    durable_logs: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Pages of the logs of the run's durable tasks, by name."""
    parent_job: JsonObject | None = None
    """The Job that the run's spec.parent names, if it is known."""
    tick_job: JsonObject | None = None
    """The Job that the run's spec.trigger.cron names, if it is known."""
    ancestors: Sequence[JsonObject] = ()
    """The runs above the run that are known, its parent first; see `depth`."""
    notes: Notes = field(default_factory=dict[str, Sequence[JsonObject]])
    """What the first plan of a reconcile asked for, to explain why a pod does not start."""
    queues: UnitQueues = field(default_factory=UnitQueues, compare=False)
    """The RateLimits of the run's namespace, and who waits for their units."""
    admission: AdmissionIndex = field(default_factory=AdmissionIndex, compare=False)
    """Who holds the slots of limits, and whose turn it is."""
