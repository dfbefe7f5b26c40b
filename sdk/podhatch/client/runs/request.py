"""A run to create, checked in full before anything is created.

A run that a task starts is its child: its name says which child of which task it is, so that it is
created once. A later attempt of the task asks for the same children, and finds those that exist.
"""

from dataclasses import dataclass, replace

from podhatch.api.idempotency import Idempotency
from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject, OwnerReference
from podhatch.api.names import new_run_name, short_hash
from podhatch.api.run import ParentReference, WorkflowRun, WorkflowRunSpec
from podhatch.errors import NonDeterminismError, RequestRefused

HASH_LENGTH = 12


@dataclass(frozen=True)
class Child:
    """Which child of which task a run is."""

    run: str
    run_uid: str
    task: str
    job: str
    """Of the attempt that asks."""
    index: int | None
    key: str | None
    """Instead of an index."""
    branch: int = 1
    """Of a durable task's log: a task that was reset starts other children."""

    @property
    def name(self) -> str:
        """The run's name: the same for all workflows and attempts."""
        place: object = self.index if self.key is None else repr(self.key)
        if self.branch > 1:
            place = f"{place}/{self.branch}"
        return new_run_name(
            self.run, short_hash(f"{self.run_uid}/{self.task}/{place}", HASH_LENGTH)
        )

    @property
    def reference(self) -> ParentReference:
        """The parent in the run's spec."""
        return ParentReference(
            run=self.run, task=self.task, job=self.job, index=self.index, key=self.key
        )

    @property
    def owner(self) -> JsonObject:
        """The owner reference, by which the run is deleted with its parent."""
        owner = OwnerReference(
            api_version=API_VERSION, kind="WorkflowRun", name=self.run, uid=self.run_uid
        )
        return owner.to_wire()


def check_same(child: Child, asked: WorkflowRun, stored: WorkflowRun) -> None:
    """Refuse an existing run, unless an earlier attempt has asked for the same child.

    A reader of the parent run can predict names, so the name alone proves nothing.

    Raises:
        RequestRefused: It is not this child.
        NonDeterminismError: It is, and an earlier attempt asked for another workflow or input.
    """
    name = stored.metadata.name
    place = f"index {child.index}" if child.key is None else f"key {child.key!r}"
    if difference := _difference(asked, stored):
        raise RequestRefused(
            f"WorkflowRun {name!r} exists and is not the child run that task {child.task} of "
            f"run {child.run} asks for ({place}): its {difference} differ; delete it"
        )
    found, wanted = stored.spec, asked.spec
    if found.workflow != wanted.workflow:
        now = f"is of workflow {found.workflow!r} since it was first asked for, and now of "
        now += repr(wanted.workflow)
    elif found.input != wanted.input:
        now = "has another input since it was first asked for than now"
    else:
        return
    message = (
        f"non-determinism in task {child.task} of run {child.run}: its child run {name} "
        f"({place}) {now}: start children in the same order and with the same input in every "
        "attempt, or give each a child_key"
    )
    raise NonDeterminismError(child.job, 0, message, 0)


def is_child(child: Child, run: WorkflowRun) -> bool:
    """Return whether an attempt of the task has created this run as this child.

    The Jobs of all attempts of a task differ in the number at the end, and in nothing else.
    """
    parent = run.spec.parent
    return (
        parent is not None
        and (parent.run, parent.task) == (child.run, child.task)
        and (parent.index, parent.key) == (child.index, child.key)
        and parent.job.rpartition("-")[0] == child.job.rpartition("-")[0]
    )


def _difference(asked: WorkflowRun, stored: WorkflowRun) -> str | None:
    """Name the fields that show that a run is not the child."""
    if stored.spec.trigger is not None or _place(stored) != _place(asked):
        return "spec.parent and spec.trigger"
    owners = [each.uid for each in stored.metadata.owner_references]
    if owners != [each.uid for each in asked.metadata.owner_references]:
        return "owner references"
    return None


def _place(run: WorkflowRun) -> tuple[object, ...]:
    parent = run.spec.parent
    return (parent.run, parent.task, parent.index, parent.key) if parent else ()


@dataclass(frozen=True)
class RunRequest:
    """What to run, on what, and when."""

    spec: WorkflowRunSpec
    """Its parent and its idempotency key are added when it is created."""
    child: Child | None = None
    """The task whose child the run is; None for none."""
    idempotency: Idempotency | None = None
    """What gives the run its key; None for none."""
    is_of_stub: bool = False
    """Whether the cluster alone knows whether the run has a key."""

    def under(self, defaults: dict[str, str]) -> "RunRequest":
        """Return the request with the metadata that its workflow gives all runs."""
        metadata = {**defaults, **self.spec.additional_metadata}
        spec = self.spec.model_copy(update={"additional_metadata": metadata})
        return replace(self, spec=spec)
