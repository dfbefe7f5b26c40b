"""What is decided about an object of any kind: writes, in order, then its status, then Events.

Every plan function returns one `Plan`, and the operator has one executor for it. A plan that has to
know more first asks for that alone, and is made again once it is known.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.model import JsonObject
from podhatch.core.common.idempotency import RunKey
from podhatch.core.expressions.evaluation import Evaluation


@dataclass(frozen=True)
class Create:
    """Create an object. That one of its name exists is success if it is ours."""

    manifest: JsonObject


@dataclass(frozen=True)
class Apply:
    """Create an object, or bring the fields of the manifest in line, by server-side apply."""

    manifest: JsonObject


@dataclass(frozen=True)
class Patch:
    """Change the fields of an object that `body` names. NotFound is success.

    With `metadata.resourceVersion` in it, what has changed since is planned again.
    """

    kind: str
    name: str
    body: JsonObject
    is_optional: bool = False
    """A refusal is logged, and nothing else follows from it."""


@dataclass(frozen=True)
class ReplaceStatus:
    """Replace the status of another object than the one that is planned. NotFound is success."""

    object: JsonObject
    """As it was observed, with its new status. What has changed since is planned again."""


@dataclass(frozen=True)
class Delete:
    """Delete an object. NotFound is success."""

    kind: Literal[
        "Job",
        "ConfigMap",
        "WorkflowRun",
        "ControllerRevision",
        "CronWorkflow",
        "WorkflowEvent",
        "RateLimit",
        "TaskResult",
    ]
    name: str


Write = Create | Apply | Patch | ReplaceStatus | Delete


@dataclass(frozen=True)
class Plan:
    """The steps from what is to what should be."""

    writes: tuple[Write, ...] = ()
    """In the namespace of the object. What is refused is handed to the next plan, by name."""
    status: JsonObject | None = None
    """The whole new status, written after the writes; None when the stored one is right."""
    urgent: bool = False
    """False: the status may wait a moment, since more is likely to follow."""
    events: tuple[JsonObject, ...] = ()
    """Kubernetes Events to post once the status is written. AlreadyExists is success."""
    requeue_at: datetime | None = None
    """When to plan again although nothing changed."""
    evaluate: tuple[Evaluation, ...] = ()
    """What has to be evaluated before anything can be decided; then nothing else is planned."""
    list_keys: tuple[RunKey, ...] = ()
    """Idempotency keys whose runs have to be listed before anything can be decided; then nothing
    else is planned."""
    claims: tuple[ConcurrencyClaim, ...] = ()
    """The slots of limits that the object holds or waits for, as the new status has them."""
    look_up: tuple[str, ...] = ()
    """Uids of Jobs and pods whose Kubernetes Events may say why a pod does not start."""
    confirm: tuple[str, ...] = ()
    """Names to ask the API server about first, since the cache may lag behind: ticks of a cron,
    or workflows without filters."""
    dry_run: Mapping[str, JsonObject] = field(default_factory=dict[str, JsonObject])
    """Manifests to try before the status can be said, by the field they come from."""

    @property
    def create(self) -> tuple[JsonObject, ...]:
        """The manifests of the objects to create."""
        return tuple(each.manifest for each in self.writes if isinstance(each, Create))

    @property
    def apply(self) -> tuple[JsonObject, ...]:
        """The manifests of the objects to create or to bring in line."""
        return tuple(each.manifest for each in self.writes if isinstance(each, Apply))

    @property
    def patch(self) -> tuple[Patch, ...]:
        """The objects to change."""
        return tuple(each for each in self.writes if isinstance(each, Patch))

    @property
    def delete(self) -> tuple[Delete, ...]:
        """The objects to delete."""
        return tuple(each for each in self.writes if isinstance(each, Delete))


def job_deadline(job: str, seconds: int) -> Patch:
    """Return the write that moves the deadline of a Job."""
    return Patch("Job", job, {"spec": {"activeDeadlineSeconds": seconds}})


def pod_deadline(pod: str, seconds: int) -> Patch:
    """Return the write by which the kubelet ends a pod and keeps its logs."""
    return Patch("Pod", pod, {"spec": {"activeDeadlineSeconds": seconds}}, is_optional=True)


def first(moments: Iterable[datetime | None]) -> datetime | None:
    """Return the earliest of the times that are not None."""
    return min((moment for moment in moments if moment is not None), default=None)
