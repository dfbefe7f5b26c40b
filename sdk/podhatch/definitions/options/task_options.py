"""What a task's decorators take: each option, its documentation and its check.

Definitions are loaded in every pod, so modules of options import the standard library alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, NamedTuple, TypedDict, cast, get_args

from podhatch.api.limits import (
    DEFAULT_EVICTION_TTL_SECONDS,
    MAX_BACKOFF_FACTOR,
    MAX_BACKOFF_SECONDS,
    MAX_RETRIES,
    MAX_SECONDS,
    MAX_STORED_SECONDS,
)
from podhatch.definitions.options.concurrency import Concurrency, ConcurrencyExpression, limits_of
from podhatch.definitions.options.pod import DesiredWorkerLabel, DesiredWorkerLabels, Pod, labels_of
from podhatch.definitions.options.rate_limit import RateLimit, rate_limits_of
from podhatch.task.conditions import Condition, Conditions, OrGroup
from podhatch.values.duration import Duration, seconds
from podhatch.values.parsing import listed, refuse_unknown, unexpected


@dataclass(frozen=True, kw_only=True)
class TaskDefaults:
    """What the tasks of a workflow have where they do not say otherwise themselves.

    Attributes:
        schedule_timeout: See `TaskOptions`, as for the others.
        execution_timeout: How long one attempt may run.
        retries: How often a task is tried again.
        backoff_factor: Base of the waits between two attempts.
        backoff_max_seconds: The longest of them.
        backoff_jitter: Part of them that is left to chance.
        priority: Has no meaning: a priority belongs to whole runs.
    """

    schedule_timeout: Duration | None = None
    execution_timeout: Duration | None = None
    retries: int | None = None
    backoff_factor: float | None = None
    backoff_max_seconds: int | None = None
    backoff_jitter: float | None = None
    priority: int | None = None


ClusterAccess = Literal["none", "report", "spawn"]
QUEUE_LIMIT = timedelta(minutes=5)
RUN_LIMIT = timedelta(minutes=1)
DEFAULT_EVICTION_TTL = timedelta(seconds=DEFAULT_EVICTION_TTL_SECONDS)
MAX_INT32 = 2**31 - 1


class HookOptions(TypedDict, total=False):
    """What a failure or success task takes beside its name, and every other task too."""

    retries: int
    """How often it is tried again after a failure of its own, 0 to 100; 0 by default. Pods that
    were evicted or lost are made again without counting."""
    backoff_factor: float | None
    """Retry n starts `factor ** n` seconds after the failure, 1 to 1000; by default at once."""
    backoff_max_seconds: int | None
    """The longest wait between two attempts, 1 to 86400 (a day), which is the default."""
    backoff_jitter: float | None
    """Takes up to this part, 0 to 1, off each wait, differently each time; nothing by default."""
    schedule_timeout: Duration
    """How long it may wait for its pod to start, pulling the image included; 5 minutes by default.
    Then it is cancelled."""
    execution_timeout: Duration
    """How long one attempt may run; 60 seconds by default. Then it fails."""
    concurrency: Concurrency | None
    """How many attempts of this task may be under way in all runs; an attempt starts once it has a
    slot of each limit, and holds them until it ends. Its schedule timeout goes on while it waits.
    """
    rate_limits: Sequence[RateLimit] | None
    """Units that each attempt takes of rate limits; it starts once it has all of them. Its schedule
    timeout goes on while it waits."""
    image: str | None
    """Image that holds its code; by default the workflow's."""
    cluster_access: ClusterAccess | bool | None
    """What its pod may do in the cluster: `"report"` writes its own result, `"spawn"` (or True)
    starts child runs and pushes events too; with `"none"` (or False) it gets no token, starts
    sooner, and can return about 4000 bytes at most. By default `"spawn"` if the code that it
    reaches refers to something that can be run, a `Hatchet` or a client, else `"report"`."""
    run_as_user: int | None
    """User id of its process; 65532 by default."""
    pod: Pod | None
    """Resources, placement, variables and volumes of its pod."""


class TaskOptions(HookOptions, total=False):
    """What every decorator of a task takes beside its name."""

    desired_worker_labels: DesiredWorkerLabels
    """Labels that its node should or must have."""
    slot_cost: int | None
    """Has no meaning for pods, which say what they need by `pod=`; it must be 1 or more."""


class GraphTaskOptions(TaskOptions, total=False):
    """What `Workflow.task()` takes beside name and parents.

    Each list is a conjunction: all of its conditions must hold; of a group made by `or_()`, one.
    Conditions are looked at once all parents have ended. The list that is complete first decides;
    at the same moment cancelling comes before skipping, and skipping before running.
    """

    wait_for: Conditions
    """The task starts once all of these hold."""
    skip_if: Conditions
    """The task is skipped once all of these hold."""
    cancel_if: Conditions
    """The task, and with it the run, is cancelled once all of these hold."""


@dataclass(frozen=True)
class EvictionPolicy:
    """How long a durable task waits in its pod; then the pod ends until the wait is over.

    The time of waits that are shorter is not affected. A longer one costs the start of a pod.

    Attributes:
        ttl: For how long; None keeps the pod, however long the wait is.
        allow_capacity_eviction: Has no meaning here: a task that waits in its pod takes no place
            of another task, as each task has a pod of its own.
        priority: Has no meaning for the same reason.
    """

    ttl: Duration | None
    allow_capacity_eviction: bool = True
    priority: int = 0


class DurableOptions(TypedDict, total=False):
    """What the decorators of a durable task take in addition."""

    eviction_policy: EvictionPolicy | None
    """How long it waits in its pod, 15 seconds by default; None keeps the pod in all waits."""


class DurableTaskOptions(GraphTaskOptions, DurableOptions, total=False):
    """What `Workflow.durable_task()` takes beside name and parents.

    Its `cluster_access` is always `"spawn"`, for its log. Each of its pods has the whole
    `execution_timeout`; waits without a pod do not count.
    """


class TaskSettings(NamedTuple):
    """Checked options of a task; the names are those of `podhatch.api.task.TaskSpec`."""

    schedule_timeout_seconds: float
    execution_timeout_seconds: float
    retries: int
    backoff_factor: float | None
    backoff_max_seconds: int | None
    backoff_jitter: float | None
    desired_worker_labels: tuple[DesiredWorkerLabel, ...]
    wait_for: tuple[Condition | OrGroup, ...]
    skip_if: tuple[Condition | OrGroup, ...]
    cancel_if: tuple[Condition | OrGroup, ...]
    concurrency: tuple[ConcurrencyExpression, ...]
    rate_limits: tuple[RateLimit, ...]
    image: str | None
    cluster_access: ClusterAccess | None
    """None: the least that its code needs."""
    run_as_user: int | None
    pod: Pod | None
    durable: Mapping[str, float] | None = None
    """None: it is not durable."""


def task_settings(
    subject: str, options: GraphTaskOptions, defaults: TaskDefaults, known: type = GraphTaskOptions
) -> TaskSettings:
    """Return a task's options, each checked, of which the decorator takes the `known`."""
    refuse_unknown(subject, options, known)
    options = cast("GraphTaskOptions", {**_given(vars(defaults)), **_given(options)})
    check_kinds(subject, options)
    schedule_timeout = options.get("schedule_timeout", QUEUE_LIMIT)
    execution_timeout = options.get("execution_timeout", RUN_LIMIT)
    return TaskSettings(
        schedule_timeout_seconds=seconds(schedule_timeout, f"{subject}: schedule_timeout"),
        execution_timeout_seconds=seconds(execution_timeout, f"{subject}: execution_timeout"),
        retries=options.get("retries", 0),
        backoff_factor=options.get("backoff_factor"),
        backoff_max_seconds=options.get("backoff_max_seconds"),
        backoff_jitter=options.get("backoff_jitter"),
        desired_worker_labels=labels_of(
            f"{subject}: desired_worker_labels", options.get("desired_worker_labels", ())
        ),
        wait_for=tuple(listed(f"{subject}: wait_for", options.get("wait_for", ()))),
        skip_if=tuple(listed(f"{subject}: skip_if", options.get("skip_if", ()))),
        cancel_if=tuple(listed(f"{subject}: cancel_if", options.get("cancel_if", ()))),
        concurrency=limits_of(f"{subject}: concurrency", options.get("concurrency")),
        rate_limits=rate_limits_of(f"{subject}: rate_limits", options.get("rate_limits")),
        image=checked_image(subject, options.get("image")),
        cluster_access=_access(subject, options.get("cluster_access")),
        run_as_user=options.get("run_as_user"),
        pod=options.get("pod"),
    )


def durable_settings(
    subject: str, options: DurableTaskOptions, defaults: TaskDefaults
) -> TaskSettings:
    """Return the options of a durable task, each checked."""
    settings = task_settings(subject, options, defaults, DurableTaskOptions)
    if settings.cluster_access not in (None, "spawn"):
        raise ValueError(
            f"{subject}: cluster_access: a durable task writes a log, which needs 'spawn': leave "
            f"cluster_access out, got {settings.cluster_access!r}"
        )
    place = f"{subject}: eviction_policy"
    policy = options.get("eviction_policy", EvictionPolicy(DEFAULT_EVICTION_TTL))
    if policy is not None and not isinstance(policy, EvictionPolicy):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise unexpected(place, "an EvictionPolicy or None", policy)
    time = policy.ttl if policy is not None else None
    ttl = MAX_SECONDS if time is None else seconds(time, f"{place}.ttl")
    return settings._replace(cluster_access="spawn", durable={"eviction_ttl_seconds": ttl})


def _given(options: Mapping[str, object]) -> dict[str, object]:
    """Return the options that were set: None stands for the default, as leaving it out does."""
    return {name: value for name, value in options.items() if value is not None}


def _access(subject: str, access: ClusterAccess | bool | None) -> ClusterAccess | None:
    if isinstance(access, bool):
        return "spawn" if access else "none"
    if access not in (None, *get_args(ClusterAccess)):
        known = ", ".join(map(repr, get_args(ClusterAccess)))
        raise unexpected(f"{subject}: cluster_access", f"one of {known}, True or False", access)
    return access


def checked_image(subject: str, image: str | None) -> str | None:
    """Return the image; raise ValueError if it is empty."""
    if image is not None and not image.strip():
        raise ValueError(f"{subject}: image: it is empty; leave it out to ship the source")
    return image


_CLASSES: Mapping[str, tuple[type, str]] = {
    "description": (str, "a string"),
    "image": (str, "a string"),
    "pod": (Pod, "a Pod"),
    "task_defaults": (TaskDefaults, "TaskDefaults"),
    "version": (str, "a string"),
}
_NUMBERS: Mapping[str, tuple[type, str, int, int]] = {
    "backoff_factor": (float, "a number", 1, MAX_BACKOFF_FACTOR),
    "backoff_jitter": (float, "a number", 0, 1),
    "backoff_max_seconds": (int, "a whole number", 1, MAX_BACKOFF_SECONDS),
    "retries": (int, "a whole number", 0, MAX_RETRIES),
    "run_as_user": (int, "a whole number", 0, MAX_INT32),
    "slot_cost": (int, "a whole number", 1, MAX_INT32),
    "ttl_seconds_after_finished": (int, "a whole number of seconds", 0, MAX_STORED_SECONDS),
}


def check_kinds(subject: str, options: Mapping[str, object]) -> None:
    """Raise ValueError for a value of another class, or out of range; None is the default."""
    for name, (kind, expected) in _CLASSES.items():
        value = options.get(name)
        if value is not None and not isinstance(value, kind):
            raise unexpected(f"{subject}: {name}", expected, value)
    for name, (kind, expected, low, high) in _NUMBERS.items():
        value = options.get(name)
        number = isinstance(value, (int, kind)) and not isinstance(value, bool)
        if value is not None and not (number and low <= value <= high):  # pyright: ignore[reportOperatorIssue]
            raise unexpected(f"{subject}: {name}", f"{expected} from {low} to {high}", value)
