"""A run that a task starts: its name says which child of which task it is, so it is made once.

A task that is tried again asks for the same children, and finds those that are there.
"""

from dataclasses import dataclass

from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject, OwnerReference
from podhatch.api.names import new_run_name, short_hash
from podhatch.api.run import ParentReference, WorkflowRun
from podhatch.errors import NonDeterminismError

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
    """In place of an index."""

    @property
    def name(self) -> str:
        """The run's name, whatever workflow it is of, and whichever attempt asks for it."""
        place = self.index if self.key is None else repr(self.key)
        return new_run_name(
            self.run, short_hash(f"{self.run_uid}/{self.task}/{place}", HASH_LENGTH)
        )

    @property
    def reference(self) -> ParentReference:
        """What stands in the run's spec."""
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


def check_same(child: Child, workflow: str, stored: WorkflowRun) -> None:
    """Refuse the run that an earlier attempt started in this place, if it is of another workflow.

    Raises:
        NonDeterminismError: It is.
    """
    if stored.spec.workflow != workflow:
        place = f"index {child.index}" if child.key is None else f"key {child.key!r}"
        raise NonDeterminismError(
            f"non-determinism in task {child.task} of run {child.run}: its child run {child.name} "
            f"({place}) is of workflow {stored.spec.workflow!r} since it was first asked for, and "
            f"now of {workflow!r}: start children in the same order in every attempt, or give each "
            "a child_key",
            child.job,
        )
