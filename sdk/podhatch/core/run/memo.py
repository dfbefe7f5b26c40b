"""What earlier plans of a run computed, so that a plan costs only what has changed.

The caller keeps a memo for each run and passes it to each plan. Every value in it is kept with the
objects it was computed from and is valid only while these are the same: a plan with a memo equals
the plan without one. Objects must be replaced and never changed in place.
"""

from collections.abc import Iterable, Mapping, Set
from datetime import datetime
from typing import NamedTuple

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import TaskStatus
from podhatch.core.common.observed import Observed
from podhatch.core.durable.progress import task_of
from podhatch.core.run.attempts import Attempts, AttemptView, view_attempt
from podhatch.core.run.position import Ended, Position, Running, Waiting
from podhatch.core.run.status import entry_size
from podhatch.core.workflow.revision import Revision, current_revision, pinned_revision


class _Entry(NamedTuple):
    raw: JsonObject
    status: TaskStatus
    size: int


class PlanMemo:
    """What is known of one run."""

    def __init__(self) -> None:
        self._run: tuple[JsonObject, WorkflowRun] | None = None
        self._entries: dict[str, _Entry] = {}
        self.entries: dict[str, TaskStatus] = {}
        """The entries of the stored status, by the names of their tasks."""
        self.sizes: dict[str, int] = {}
        """Their sizes."""
        self._pinned: tuple[JsonObject, Revision | None] | None = None
        self._seen = Observed({})
        self._views: dict[str, AttemptView] = {}
        self._attempts = Attempts()
        self._positions: dict[str, Position] = {}
        self._moving: set[str] = set()
        """Tasks whose position says more than their stored entries."""
        self._unsettled: set[str] = set()
        """Tasks judged in each plan: where they stand depends on more than their inputs."""
        self._until: dict[str, datetime] = {}
        """When tasks are to be judged again by themselves."""
        self._changed: set[str] = set()
        """Tasks whose entries or attempts have changed since all tasks were judged."""
        self._basis: object = None
        self._judged_at: datetime | None = None
        """None before all tasks have been judged."""

    def read_run(self, raw: JsonObject) -> WorkflowRun:
        """Return the run, parsing only the entries of its status that are new."""
        if self._run and self._run[0]["metadata"]["uid"] != raw["metadata"]["uid"]:
            vars(self).update(vars(PlanMemo()))
        if self._run is None or self._run[0] != raw:
            self._run = raw, self._parse(raw)
        return self._run[1]

    def _parse(self, raw: JsonObject) -> WorkflowRun:
        stored: list[JsonObject] = raw.get("status", {}).get("tasks", [])
        known = [self._known(entry) for entry in stored]
        if stored:
            tasks = [old.status if old else new for old, new in zip(known, stored, strict=True)]
            raw = {**raw, "status": {**raw["status"], "tasks": tasks}}
        run = WorkflowRun.model_validate(raw)
        entries: dict[str, _Entry] = {}
        statuses = run.status.tasks if run.status else []
        for entry, new, status in zip(known, stored, statuses, strict=True):
            if entry is None:
                self._changed.add(status.name)
            entries[status.name] = entry or _Entry(new, status, entry_size(status))
        self._changed.update(self._entries.keys() - entries.keys())
        self._entries = entries
        self.entries = {name: entry.status for name, entry in entries.items()}
        self.sizes = {name: entry.size for name, entry in entries.items()}
        return run

    def _known(self, raw: JsonObject) -> _Entry | None:
        known = self._entries.get(raw["name"])
        return known if known and (known.raw is raw or known.raw == raw) else None

    def pinned_revision(self, name: str, observed: Observed) -> Revision | None:
        """Return the named revision from the cluster, if its content is what its name says."""
        stored = observed.revisions.get(name)
        if stored is None:
            return None
        if self._pinned is None or self._pinned[0] is not stored:
            self._pinned = stored, pinned_revision(name, observed)
        return self._pinned[1]

    def find_revision(self, name: str, observed: Observed) -> Revision | None:
        """Return the named revision from the cluster, or from the workflow if it still is it."""
        if pinned := self.pinned_revision(name, observed):
            return pinned
        workflow = observed.workflow
        if workflow is None or UNREADABLE in workflow:
            return None
        current = current_revision(workflow)
        return current if current.name == name else None

    def attempts(self, run: WorkflowRun, observed: Observed) -> Attempts:
        """Return the run's attempts by task and number."""
        old, self._seen = self._seen, observed
        changed = _differing(old.jobs, observed.jobs)
        changed |= _differing(old.pods, observed.pods)
        changed |= _differing(old.results, observed.results)
        pages = {**old.durable_logs, **observed.durable_logs}
        other_pages = _differing(old.durable_logs, observed.durable_logs)
        self._changed.update(task_of(pages[name]) for name in other_pages)
        for name in changed:
            if before := self._views.pop(name, None):
                self._attempts.discard(before)
                self._changed.add(before.task)
            after = view_attempt(run, name, observed) if name in observed.jobs else None
            if after:
                self._views[name] = after
                self._attempts.add(after)
                self._changed.add(after.task)
        if changed and len(self._attempts) < len(self._views):  # two Jobs say they are one attempt
            self._attempts = Attempts(self._views.values())
        return self._attempts

    def begin_judging(self, basis: object, now: datetime) -> tuple[dict[str, Position], set[str]]:
        """Return where tasks stood, and those that may stand elsewhere for a reason of their own.

        Args:
            basis: what all tasks are judged by; None if that is not the same in any other plan.
            now: the time.
        """
        is_same = basis is not None and basis == self._basis
        if not is_same or self._judged_at is None or now < self._judged_at:
            self._positions.clear()
            self._moving.clear()
            self._unsettled.clear()
            self._until.clear()
        self._basis, self._judged_at = basis, None
        due = {name for name, moment in self._until.items() if moment <= now}
        return self._positions, self._changed | self._unsettled | due

    def note(self, name: str, stored: TaskStatus | None, position: Position) -> bool:
        """Keep where a task stands. Return whether that is new."""
        is_new = self._positions.get(name) != position
        self._positions[name] = position
        self._moving.discard(name)
        self._unsettled.discard(name)
        self._until.pop(name, None)
        if not is_at_rest(position, stored):
            self._moving.add(name)
        if not _is_settled(position, stored):
            self._unsettled.add(name)
        elif position.look_again_at:
            self._until[name] = position.look_again_at
        return is_new

    def end_judging(self, now: datetime) -> Set[str]:
        """All tasks have been judged: return those whose position says more than their entries."""
        self._changed.clear()
        self._judged_at = now
        return self._moving

    def wires(self, entries: Iterable[TaskStatus]) -> list[JsonObject]:
        """Return the entries of a new status as JSON: those that are stored as they are."""
        return [
            known.raw
            if (known := self._entries.get(entry.name)) and known.status is entry
            else entry.to_wire()
            for entry in entries
        ]


def _differing(old: Mapping[str, object], new: Mapping[str, object]) -> set[str]:
    if old == new:
        return set()
    changed = {
        name
        for name, value in new.items()
        if (known := old.get(name)) is not value and known != value
    }
    return changed.union(old.keys() - new.keys())


def is_at_rest(position: Position, stored: TaskStatus | None) -> bool:
    """Whether the stored entry of a task is all there is to its position."""
    if position.status is not stored or position.look_again_at is not None:
        return False
    match position:
        case Waiting():
            return not position.urgent
        case Ended():
            return position.look_up is None
        case _:
            return False


def _is_settled(position: Position, stored: TaskStatus | None) -> bool:
    """Whether a task stays there until its inputs change, or until the position says."""
    match position:
        case Waiting():
            return not (position.on_conditions or position.urgent)
        case Running():
            return position.look_up is None
        case Ended():
            return position.status is stored
        case _:
            return False
