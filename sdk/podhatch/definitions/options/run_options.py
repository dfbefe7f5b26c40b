"""What a caller can set for a run beside its input: metadata, priority and a child's key."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Final, NamedTuple, TypedDict

from podhatch.api.limits import MAX_CHILD_KEY, MAX_METADATA_ENTRIES, MAX_METADATA_VALUE
from podhatch.api.pod import MAX_ENVIRONMENT_BYTES
from podhatch.definitions.options.pod import DesiredWorkerLabels
from podhatch.errors import InvalidRun
from podhatch.values.parsing import is_whole, metadata_texts, refuse_unknown, unexpected


class Priority(IntEnum):
    """Of a run's pods; where it is given, the plain number will do as well."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


def check_priority(subject: str, priority: object) -> int | None:
    """Return the priority as a number from 1 to 3, or raise ValueError; None stays None."""
    if priority is None:
        return None
    if not is_whole(priority, 1, 3):
        raise unexpected(subject, "a priority from 1 (low) to 3 (high)", priority)
    return int(priority)


@dataclass(frozen=True, kw_only=True)
class ScheduleTriggerWorkflowOptions:
    """Options of a run that starts later.

    Attributes:
        additional_metadata: Texts that travel with the run to every task.
        priority: 1 (low) to 3 (high); by default the workflow's.
        child_key: In a task: tells this child run from the task's others, in place of an index.
        parent_id: Ignored, as what follows: a run started inside a task is linked to it by itself.
        parent_step_run_id: Ignored.
        child_index: Ignored.
        namespace: Ignored.
    """

    additional_metadata: Mapping[str, object] = field(default_factory=dict[str, object])
    priority: Priority | int | None = None
    child_key: str | None = None
    parent_id: str | None = None
    parent_step_run_id: str | None = None
    child_index: int | None = None
    namespace: str | None = None


@dataclass(frozen=True, kw_only=True)
class TriggerWorkflowOptions(ScheduleTriggerWorkflowOptions):
    """Options of one run.

    Attributes:
        key: Another name of `child_key`.
        sticky: Ignored, as what follows: where tasks run is a matter of the definition.
        desired_worker_id: Ignored.
        desired_worker_label: Ignored.
    """

    key: str | None = None
    sticky: bool = False
    desired_worker_id: str | None = None
    desired_worker_label: DesiredWorkerLabels | None = None


class ScheduleOptions(TypedDict, total=False):
    """What every method that starts a run takes by keyword; it counts before the options' own."""

    child_key: str | None
    """In a task: tells this child run from the task's others, in place of an index."""
    additional_metadata: Mapping[str, object] | None
    """Texts that travel with the run to every task, over those of the options."""
    priority: Priority | int | None
    """1 (low) to 3 (high); by default the workflow's."""


class RunOptions(ScheduleOptions, total=False):
    """What the run methods take by keyword."""

    sticky: bool
    """Ignored, as what follows: where tasks run is a matter of the definition."""
    desired_worker_id: str | None
    """Ignored."""
    desired_worker_labels: DesiredWorkerLabels | None
    """Ignored."""


NO_OPTIONS: Final = TriggerWorkflowOptions()
NO_SCHEDULE_OPTIONS: Final = ScheduleTriggerWorkflowOptions()


class RunSettings(NamedTuple):
    """The checked options of a run."""

    metadata: dict[str, str]
    priority: int | None
    child_key: str | None


def run_settings(
    workflow: str,
    defaults: Mapping[str, str],
    options: ScheduleTriggerWorkflowOptions,
    flat: ScheduleOptions,
) -> RunSettings:
    """Return the checked options of a run, passed as one object or by keyword in `flat`.

    `workflow` is its name for errors, `defaults` the metadata of each of its runs.
    """
    subject = f"workflow {workflow!r}"
    refuse_unknown(subject, flat, RunOptions)
    if not isinstance(options, ScheduleTriggerWorkflowOptions):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(
            f"{subject}: options: expected TriggerWorkflowOptions, got {options!r}: pass single "
            "options by keyword, as in run(..., priority=3)"
        )
    other = options.key if isinstance(options, TriggerWorkflowOptions) else None
    key = _first(flat.get("child_key"), options.child_key, other)
    asked = _first(flat.get("priority"), options.priority)
    layers = (defaults, options.additional_metadata, flat.get("additional_metadata"))
    try:
        metadata = _metadata(f"{subject}: additional_metadata", *layers)
        priority = check_priority(f"{subject}: priority", asked)
        if key is not None and not (isinstance(key, str) and 1 <= len(key) <= MAX_CHILD_KEY):
            raise unexpected(f"{subject}: child_key", f"1 to {MAX_CHILD_KEY} characters", key)
    except ValueError as error:
        raise InvalidRun(str(error)) from None
    return RunSettings(metadata, priority, key)


def _metadata(subject: str, *layers: Mapping[str, object] | None) -> dict[str, str]:
    """Return the metadata of all layers, of which later ones win."""
    together: dict[str, str] = {}
    for layer in layers:
        together.update(metadata_texts(subject, layer))
    return checked_metadata(subject, together)


def _first(*values: object) -> object:
    """Return the first that was given: 0 and an empty text are, and are refused."""
    return next((value for value in values if value is not None), None)


def checked_metadata(subject: str, metadata: Mapping[str, object]) -> dict[str, str]:
    """Return metadata as a run carries it; raise ValueError if it is not valid or too large."""
    texts = metadata_texts(subject, metadata)
    if len(texts) > MAX_METADATA_ENTRIES:
        raise ValueError(f"{subject}: {len(texts)} entries, {MAX_METADATA_ENTRIES} are allowed")
    for key, value in texts.items():
        if len(value) > MAX_METADATA_VALUE:
            raise ValueError(
                f"{subject}[{key!r}]: {len(value)} characters, {MAX_METADATA_VALUE} are allowed"
            )
    size = len(json.dumps(texts, ensure_ascii=False).encode())
    if size > MAX_ENVIRONMENT_BYTES:
        raise ValueError(
            f"{subject}: {size} bytes as JSON, {MAX_ENVIRONMENT_BYTES} are allowed: pass data as "
            "input"
        )
    return texts


@dataclass(frozen=True, kw_only=True)
class WorkflowRunTriggerConfig:
    """What to run, on what.

    Attributes:
        workflow_name: The workflow's name as its author wrote it.
        input: JSON text of the input.
        options: Metadata and so on.
        key: In a task: tells this child run from the task's others, in place of an index.
    """

    workflow_name: str
    input: str
    options: TriggerWorkflowOptions = NO_OPTIONS
    key: str | None = None
