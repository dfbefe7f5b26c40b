"""Options of tasks and workflows: as users write them, and checked. Used by the decorators."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal, TypedDict, cast

from podhatch.runnables.duration import Duration, seconds
from podhatch.runnables.labels import DesiredWorkerLabel, DesiredWorkerLabels, labels_of

QUEUE_LIMIT = timedelta(minutes=5)
RUN_LIMIT = timedelta(minutes=1)
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


class TaskOptions(TypedDict, total=False):
    """What every decorator of a task takes beside its name."""

    schedule_timeout: Duration
    """How long it may wait for its pod to start, pulling the image included; 5 minutes by default.
    Then it is cancelled."""
    execution_timeout: Duration
    """How long one attempt may run; 60 seconds by default. Then it fails."""
    desired_worker_labels: DesiredWorkerLabels
    """Labels that its node should or must have."""
    image: str | None
    """Image that holds its code; by default the workflow's."""
    cluster_access: bool
    """False: its pod gets no token, starts sooner, and can return about 4000 bytes at most."""
    run_as_user: int | None
    """User id of its process; 65532 by default."""


class WorkflowOptions(TypedDict, total=False):
    """What `workflow()` and the decorators of a standalone task take beside name and input."""

    description: str | None
    """For people."""
    version: str | None
    """A label the author gives."""
    image: str | None
    """Image that holds the code of all tasks; by default $PODHATCH_IMAGE. Without either, the
    source tree beside the script is shipped."""
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None
    """When nodes pull the image; by default as Kubernetes does."""


class StandaloneOptions(TaskOptions, WorkflowOptions, total=False):
    """What `Hatchet.task()` takes beside name and input: options of a task and of its workflow."""


@dataclass(frozen=True)
class TaskSettings:
    """Checked options of a task; the names are those of `podhatch.api.workflow.TaskSpec`."""

    schedule_timeout_seconds: float
    execution_timeout_seconds: float
    desired_worker_labels: tuple[DesiredWorkerLabel, ...]
    image: str | None
    cluster_access: bool
    run_as_user: int | None


@dataclass(frozen=True)
class WorkflowSettings:
    """Checked options of a workflow; the names are those of `WorkflowSpec`."""

    description: str | None
    version: str | None
    image: str | None
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] | None


def task_settings(subject: str, options: TaskOptions) -> TaskSettings:
    """Check a task's options; `subject` names workflow and task in errors.

    Raises:
        TypeError: There is no such option.
        ValueError: An option's value cannot be.
    """
    _refuse_unknown(subject, options, TaskOptions)
    user = options.get("run_as_user")
    if user is not None and not 0 <= user < 2**31:
        raise ValueError(f"{subject}: run_as_user: {user} is not a user id")
    return TaskSettings(
        schedule_timeout_seconds=_timeout(subject, "schedule_timeout", options, QUEUE_LIMIT),
        execution_timeout_seconds=_timeout(subject, "execution_timeout", options, RUN_LIMIT),
        desired_worker_labels=_labels(subject, options.get("desired_worker_labels", ())),
        image=_image(subject, options.get("image")),
        cluster_access=bool(options.get("cluster_access", True)),
        run_as_user=user,
    )


def workflow_settings(subject: str, options: WorkflowOptions) -> WorkflowSettings:
    """Check a workflow's options; `subject` names the workflow in errors.

    Raises:
        TypeError: There is no such option.
        ValueError: An option's value cannot be.
    """
    _refuse_unknown(subject, options, WorkflowOptions)
    policy = options.get("image_pull_policy")
    if policy not in (None, *PULL_POLICIES):
        raise ValueError(f"{subject}: image_pull_policy: {policy!r} is none of {PULL_POLICIES}")
    return WorkflowSettings(
        description=options.get("description"),
        version=options.get("version"),
        image=_image(subject, options.get("image")),
        image_pull_policy=policy,
    )


def split(options: StandaloneOptions) -> tuple[WorkflowOptions, TaskOptions]:
    """Return the options of a standalone task's workflow, and the task's own."""
    mine = WorkflowOptions.__annotations__
    return (
        cast("WorkflowOptions", {key: value for key, value in options.items() if key in mine}),
        cast("TaskOptions", {key: value for key, value in options.items() if key not in mine}),
    )


def _refuse_unknown(subject: str, options: Mapping[str, object], known: type) -> None:
    for name in options.keys() - known.__annotations__.keys():
        raise TypeError(f"{subject}: there is no option {name!r}")


def _timeout(
    subject: str,
    name: Literal["schedule_timeout", "execution_timeout"],
    options: TaskOptions,
    default: timedelta,
) -> float:
    try:
        return seconds(options.get(name, default))
    except ValueError as error:
        raise ValueError(f"{subject}: {name}: {error}") from None


def _labels(subject: str, desired: DesiredWorkerLabels) -> tuple[DesiredWorkerLabel, ...]:
    try:
        return labels_of(desired)
    except ValueError as error:
        raise ValueError(f"{subject}: desired_worker_labels: {error}") from None


def _image(subject: str, image: str | None) -> str | None:
    if image is not None and not image.strip():
        raise ValueError(f"{subject}: image: it is empty; leave it out to ship the source")
    return image
