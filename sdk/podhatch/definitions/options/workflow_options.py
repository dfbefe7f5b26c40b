"""What `Hatchet.workflow()` and `Hatchet.task()` take: the options, their docs and their checks."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, NamedTuple, TypedDict, cast, get_args, get_origin

from podhatch.api.cron_expression import checked_cron
from podhatch.definitions.options.concurrency import Concurrency, ConcurrencyExpression, limits_of
from podhatch.definitions.options.idempotency import IdempotencyConfig, check_idempotency
from podhatch.definitions.options.pod import Pod
from podhatch.definitions.options.run_options import Priority, check_priority, checked_metadata
from podhatch.definitions.options.task_options import (
    DurableOptions,
    TaskDefaults,
    TaskOptions,
    check_kinds,
    checked_image,
)
from podhatch.values.parsing import is_text, listed, refuse_unknown, unexpected


@dataclass(frozen=True)
class DefaultFilter:
    """Lets those events of one scope start a run for which the expression is true.

    Attributes:
        expression: CEL over `input` (the event's payload), `payload` (this filter's),
            `additional_metadata`, `event_id` and `event_key`.
        scope: Of the events it is asked for.
        payload: For the expression, and for tasks, which read it as `ctx.filter_payload`.
    """

    expression: str
    scope: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])


PullPolicy = Literal["Always", "IfNotPresent", "Never"]


class StickyStrategy(Enum):
    """Whether later tasks of a run prefer (SOFT) or need (HARD) the node of the first one."""

    SOFT = "Soft"
    HARD = "Hard"


class SharedOptions(TypedDict, total=False):
    """What `workflow()` and the decorators of a standalone task take beside name and input."""

    description: str | None
    """For people."""
    version: str | None
    """A label the author gives."""
    on_events: Sequence[str]
    """Keys of events, each of which starts a run; `*` stands for any text."""
    on_crons: Sequence[str]
    """Cron expressions of five fields, in UTC, at each tick of which a run starts."""
    default_filters: Sequence[DefaultFilter]
    """Which of the events of `on_events` start a run."""
    default_additional_metadata: Mapping[str, object] | None
    """Metadata of every run, under what the run says itself."""
    default_priority: Priority | int | None
    """Of runs that have none of their own: 1 (low) to 3 (high)."""
    concurrency: Concurrency | None
    """How many runs may be under way at the same time; a run starts once it has a slot of each
    limit, and holds them until it ends."""
    image: str | None
    """Image that holds the code of all tasks; by default $PODHATCH_IMAGE. Without either, the
    source tree beside the script is shipped."""
    image_pull_policy: PullPolicy | None
    """When nodes pull the image; by default as Kubernetes does."""
    pod: Pod | None
    """What the pods of all tasks have in common."""
    sticky: StickyStrategy | None
    """Whether later tasks of a run go to the node of the first one that started."""
    ttl_seconds_after_finished: int | None
    """A run is deleted so many seconds after its end; by default what the chart says."""
    idempotency: IdempotencyConfig | None
    """No run is created while another one holds the same key."""


class WorkflowOptions(SharedOptions, total=False):
    """What `workflow()` takes beside name and input."""

    task_defaults: TaskDefaults | None
    """Options of all tasks that do not set them."""


class StandaloneOptions(TaskOptions, SharedOptions, total=False):
    """What `Hatchet.task()` takes beside name and input: options of a task and of its workflow."""


class DurableStandaloneOptions(StandaloneOptions, DurableOptions, total=False):
    """What `Hatchet.durable_task()` takes beside name and input.

    Its `cluster_access` is always `"spawn"`, for its log. Each of its pods has the whole
    `execution_timeout`; waits without a pod do not count.
    """


class WorkflowSettings(NamedTuple):
    """Checked options of a workflow; the names are those of `WorkflowSpec`."""

    description: str | None
    version: str | None
    on_events: tuple[str, ...]
    on_crons: tuple[str, ...]
    default_filters: tuple[DefaultFilter, ...]
    default_additional_metadata: Mapping[str, str]
    default_priority: int | None
    concurrency: tuple[ConcurrencyExpression, ...]
    image: str | None
    image_pull_policy: PullPolicy | None
    pod: Pod | None
    sticky: StickyStrategy | None
    ttl_seconds_after_finished: int | None
    idempotency: IdempotencyConfig | None
    task_defaults: TaskDefaults


def workflow_settings(subject: str, options: WorkflowOptions) -> WorkflowSettings:
    """Return a workflow's options, each checked; `subject` names the workflow in errors."""
    refuse_unknown(subject, options, WorkflowOptions)
    check_kinds(subject, options)
    return WorkflowSettings(
        description=options.get("description"),
        version=options.get("version"),
        on_events=_events(subject, options.get("on_events") or ()),
        on_crons=_crons(subject, options.get("on_crons") or ()),
        default_filters=_filters(subject, options.get("default_filters") or ()),
        default_additional_metadata=checked_metadata(
            f"{subject}: default_additional_metadata",
            options.get("default_additional_metadata") or {},
        ),
        default_priority=check_priority(
            f"{subject}: default_priority", options.get("default_priority")
        ),
        concurrency=limits_of(f"{subject}: concurrency", options.get("concurrency")),
        image=checked_image(subject, options.get("image")),
        image_pull_policy=_pull_policy(subject, options.get("image_pull_policy")),
        pod=options.get("pod"),
        sticky=_sticky(subject, options.get("sticky")),
        ttl_seconds_after_finished=options.get("ttl_seconds_after_finished"),
        idempotency=check_idempotency(f"{subject}: idempotency", options.get("idempotency")),
        task_defaults=options.get("task_defaults") or TaskDefaults(),
    )


def split(options: StandaloneOptions) -> tuple[WorkflowOptions, TaskOptions]:
    """Return the options of a standalone task's workflow, and the task's own."""
    mine = SharedOptions.__annotations__
    return (
        cast("WorkflowOptions", {key: value for key, value in options.items() if key in mine}),
        cast("TaskOptions", {key: value for key, value in options.items() if key not in mine}),
    )


def _events(subject: str, keys: Sequence[str]) -> tuple[str, ...]:
    keys = listed(f"{subject}: on_events", keys)
    for index, key in enumerate(keys):
        if not is_text(key):
            raise unexpected(f"{subject}: on_events[{index}]", "an event key", key)
    return tuple(dict.fromkeys(keys))


def _crons(subject: str, expressions: Sequence[str]) -> tuple[str, ...]:
    checked: list[str] = []
    for index, expression in enumerate(listed(f"{subject}: on_crons", expressions)):
        try:
            checked.append(checked_cron(str(expression)))
        except ValueError as error:
            raise ValueError(f"{subject}: on_crons[{index}]: {error}") from None
    return tuple(dict.fromkeys(checked))


def _filters(subject: str, filters: Sequence[DefaultFilter]) -> tuple[DefaultFilter, ...]:
    filters = listed(f"{subject}: default_filters", filters)
    for index, each in enumerate(filters):
        place = f"{subject}: default_filters[{index}]"
        if not isinstance(each, DefaultFilter):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise unexpected(place, "a DefaultFilter", each)
        for name in ("expression", "scope"):
            if not getattr(each, name):
                raise ValueError(f"{place}.{name}: it is empty")
    return tuple(filters)


def _pull_policy(subject: str, policy: PullPolicy | None) -> PullPolicy | None:
    if policy not in (None, *get_args(PullPolicy)):
        known = ", ".join(get_args(PullPolicy))
        raise unexpected(f"{subject}: image_pull_policy", f"one of {known}", policy)
    return policy


def _sticky(subject: str, sticky: object) -> StickyStrategy | None:
    if sticky is None or isinstance(sticky, StickyStrategy):
        return sticky
    raise unexpected(f"{subject}: sticky", "a StickyStrategy", sticky)


def check_validator(subject: str, validator: object) -> None:
    """Raise ValueError for a type whose values are no JSON objects; None stands for EmptyModel."""
    declared: object = get_origin(validator) or validator
    fits = validator is None or (
        isinstance(declared, type)
        and (
            issubclass(declared, dict)  # a TypedDict too
            or dataclasses.is_dataclass(cast("object", declared))
            or hasattr(cast("object", declared), "model_validate")
        )
    )
    if not fits:
        expected = "a pydantic model, dataclass, dict or TypedDict"
        raise unexpected(f"{subject}: input_validator", expected, validator)
