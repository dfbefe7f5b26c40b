"""What earlier plans of a run computed, so that a plan costs only what has changed.

The caller keeps a memo for each run and passes it to each plan. Every value in it is kept with the
objects it was computed from and is valid only while these are the same: a plan with a memo equals
the plan without one. Objects must be replaced and never changed in place.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import TaskStatus
from podhatch.core.common.observed import Observed
from podhatch.core.run.attempts import (
    Attempts,
    AttemptView,
    by_key,
    view_attempt,
)
from podhatch.core.run.position import Ended, Position, Running, Waiting
from podhatch.core.run.status import entry_size
from podhatch.core.workflow.revision import Revision, current_revision, pinned_revision


@dataclass(frozen=True)
class _Entry:
    """A task's entry in the stored status."""

    raw: JsonObject
    status: TaskStatus
    size: int


class PlanMemo:
    """What is known of one run."""

    def __init__(self) -> None:
        self._run: tuple[JsonObject, WorkflowRun] | None = None
        self._entries: dict[str, _Entry] = {}
        self.stored_size = 0
        """Bytes of all entries of the stored status."""
        self._wires: dict[str, tuple[TaskStatus, JsonObject]] = {}
        self._pinned: tuple[JsonObject, Revision | None] | None = None
        self._seen = Observed({})
        self._views: dict[str, AttemptView] = {}
        self._attempts: Attempts = {}
        self._positions: dict[str, Position] = {}
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
        if self._run is None or self._run[0] is not raw:
            self._run = raw, self._parse(raw)
        return self._run[1]

    def _parse(self, raw: JsonObject) -> WorkflowRun:
        stored: list[JsonObject] = raw.get("status", {}).get("tasks", [])
        gone, self._entries = self._entries, {}
        for entry in stored:
            name: str = entry["name"]
            known = gone.pop(name, None)
            if known is None or known.raw != entry:
                status = TaskStatus.model_validate(entry)
                known = _Entry(entry, status, entry_size(status))
                self._changed.add(name)
            self._entries[name] = known
        self._changed.update(gone)
        self.stored_size = sum(entry.size for entry in self._entries.values())
        if not stored:
            return WorkflowRun.model_validate(raw)
        tasks = [entry.status for entry in self._entries.values()]
        return WorkflowRun.model_validate({**raw, "status": {**raw["status"], "tasks": tasks}})

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
        current = current_revision(observed.workflow) if observed.workflow else None
        return current if current and current.name == name else None

    def attempts(self, run: WorkflowRun, observed: Observed) -> Attempts:
        """Return the run's attempts by task and number."""
        changed = _changed_names(self._seen, observed)
        self._seen = Observed(
            {}, jobs={**observed.jobs}, pods={**observed.pods}, results={**observed.results}
        )
        for name in changed:
            before = self._views.pop(name, None)
            after = view_attempt(run, name, observed) if name in observed.jobs else None
            if after:
                self._views[name] = after
            self._changed.update(view.task for view in (before, after) if view)
        if changed:
            views = self._views
            self._attempts = by_key(views[name] for name in observed.jobs if name in views)
        return self._attempts

    def begin_judging(self, basis: object, now: datetime) -> tuple[dict[str, Position], set[str]]:
        """Return where tasks stood, and those that may stand elsewhere for a reason of their own.

        Args:
            basis: what all tasks are judged by; None if that is not the same in any other plan.
            now: the time.
        """
        if (
            self._judged_at is None
            or basis is None
            or basis != self._basis
            or now < self._judged_at
        ):
            self._positions.clear()
            self._unsettled.clear()
            self._until.clear()
        self._basis, self._judged_at = basis, None
        due = {name for name, moment in self._until.items() if moment <= now}
        return self._positions, self._changed | self._unsettled | due

    def note(self, name: str, stored: TaskStatus | None, position: Position) -> bool:
        """Keep where a task stands. Return whether that is new."""
        is_new = self._positions.get(name) != position
        self._positions[name] = position
        self._unsettled.discard(name)
        self._until.pop(name, None)
        if not _is_settled(position, stored):
            self._unsettled.add(name)
        elif position.look_again_at:
            self._until[name] = position.look_again_at
        return is_new

    def end_judging(self, now: datetime) -> None:
        """All tasks have been judged."""
        self._changed.clear()
        self._judged_at = now

    def wires(self, entries: Sequence[TaskStatus]) -> list[JsonObject]:
        """Return the entries of a new status as JSON."""
        known = self._wires
        self._wires = {
            entry.name: wire
            if (wire := known.get(entry.name)) and wire[0] is entry
            else (entry, entry.to_wire())
            for entry in entries
        }
        return [wire for _, wire in self._wires.values()]


def _changed_names(old: Observed, new: Observed) -> set[str]:
    """Return the names of Jobs that are not as they were: they, their pods or their reports."""
    changed = old.jobs.keys() ^ new.jobs.keys()
    changed.update(name for name, job in new.jobs.items() if old.jobs.get(name) is not job)
    changed.update(name for name, pods in new.pods.items() if old.pods.get(name) != pods)
    changed.update(old.pods.keys() - new.pods.keys())
    changed.update(
        name for name, result in new.results.items() if old.results.get(name) is not result
    )
    changed.update(old.results.keys() - new.results.keys())
    return changed


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
