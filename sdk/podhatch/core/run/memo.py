"""What earlier plans of a run found out, so that a plan costs what has changed and not every task.

Whoever plans a run again and again keeps its memo and passes it in each time. Each thing in it is
kept beside the objects it was made of and holds only while these are the same: a plan with a memo
equals the plan without one. It relies on objects being replaced, and never changed in place.
"""

from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from podhatch.api.model import JsonObject
from podhatch.api.run import TaskStatus, WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.common.observed import Defaults, Observed
from podhatch.core.run.attempts import (
    Attempts,
    AttemptView,
    Seen,
    by_key,
    seen_of,
    view_attempt,
)
from podhatch.core.run.position import Ended, Position, Running, Waiting
from podhatch.core.run.status import entry_size
from podhatch.core.workflow.revision import Revision, find_revision, pinned_revision


@dataclass(frozen=True)
class _Judgement:
    task: TaskSpec
    old: TaskStatus | None
    made_at: datetime
    position: Position

    def holds(self, task: TaskSpec, old: TaskStatus | None, now: datetime) -> bool:
        """Whether judging the task again would come to the same, if nothing around it changed."""
        until = self.position.look_again_at
        return (
            self.old is old
            and self.task is task
            and self.made_at <= now
            and (until is None or now < until)
            and self._is_settled
        )

    @cached_property
    def _is_settled(self) -> bool:
        """Whether the position holds until its objects change, or until it says itself."""
        match self.position:
            case Waiting(on_conditions=on_conditions, urgent=urgent):
                return not (on_conditions or urgent)
            case Running(look_up=look_up):
                return look_up is None
            case Ended(status=status):
                return status is self.old
            case _:
                return False


@dataclass(frozen=True)
class _Entry:
    """A task's entry in the status of the run."""

    status: TaskStatus

    @cached_property
    def wire(self) -> JsonObject:
        return self.status.to_wire()

    @cached_property
    def size(self) -> int:
        return entry_size(self.status)


@dataclass
class PlanMemo:
    """What is known of one run."""

    _run: tuple[JsonObject, WorkflowRun] | None = None
    _parsed: dict[str, tuple[JsonObject, TaskStatus]] = field(
        default_factory=dict[str, tuple[JsonObject, TaskStatus]]
    )
    _entries: dict[str, _Entry] = field(default_factory=dict[str, _Entry])
    _pinned: tuple[JsonObject, Revision | None] | None = None
    _views: dict[str, tuple[Seen, AttemptView | None]] = field(
        default_factory=dict[str, tuple[Seen, AttemptView | None]]
    )
    _attempts: Attempts = field(default_factory=dict[tuple[str, int], AttemptView])
    _judged: dict[str, _Judgement] = field(default_factory=dict[str, _Judgement])
    _basis: tuple[object, ...] = ()
    """What all judgements were made by, beside their own tasks."""
    _changed: set[str] = field(default_factory=set[str])
    """Tasks of which an attempt or the position is new since all tasks were judged."""

    def read_run(self, raw: JsonObject) -> WorkflowRun:
        """Return the run, parsing only the entries of its status that are new."""
        if self._run and self._run[0]["metadata"]["uid"] != raw["metadata"]["uid"]:
            vars(self).update(vars(PlanMemo()))
        if self._run is None or self._run[0] is not raw:
            self._run = raw, self._parse(raw)
        return self._run[1]

    def _parse(self, raw: JsonObject) -> WorkflowRun:
        stored: list[JsonObject] = raw.get("status", {}).get("tasks", [])
        known, self._parsed = self._parsed, {}
        for entry in stored:
            name: str = entry["name"]
            parsed = known.get(name)
            if parsed is None or parsed[0] != entry:
                parsed = entry, TaskStatus.model_validate(entry)
            self._parsed[name] = parsed
        if not stored:
            return WorkflowRun.model_validate(raw)
        tasks = [status for _, status in self._parsed.values()]
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
        return self.pinned_revision(name, observed) or find_revision(name, observed)

    def attempts(self, run: WorkflowRun, observed: Observed) -> Attempts:
        """Return the run's attempts by task and number."""
        gone, self._views = self._views, {}
        changed: list[AttemptView | None] = []
        for name in observed.jobs:
            seen = seen_of(name, observed)
            known = gone.get(name)
            if known and known[0] == seen:
                del gone[name]
            else:
                known = seen, view_attempt(run, name, seen)
                changed.append(known[1])
            self._views[name] = known
        changed += [view for _, view in gone.values()]
        if changed:
            self._attempts = by_key(view for _, view in self._views.values() if view)
            self._changed.update(view.task for view in changed if view)
        return self._attempts

    def begin_judging(self, run: WorkflowRun, defaults: Defaults) -> None:
        """Forget where tasks stood if it was judged by something else than what counts now."""
        basis = run.asked_replays, defaults
        if basis != self._basis:
            self._basis = basis
            self._judged.clear()

    def end_judging(self) -> None:
        """All tasks have been judged: what is new from now on is new to all of them."""
        self._changed.clear()

    def position(self, task: TaskSpec, old: TaskStatus | None, now: datetime) -> Position | None:
        """Return where a task still stands; None where it has to be judged."""
        judged = self._judged.get(task.name)
        if judged is None or not judged.holds(task, old, now):
            return None
        if task.name in self._changed or not self._changed.isdisjoint(task.parents):
            return None
        return judged.position

    def note(
        self, task: TaskSpec, old: TaskStatus | None, now: datetime, position: Position
    ) -> None:
        """Keep where a task stands, judged with this stored entry at this time."""
        before = self._judged.get(task.name)
        if before is None or before.position != position:
            self._changed.add(task.name)
        self._judged[task.name] = _Judgement(task, old, now, position)

    def entry_size(self, status: TaskStatus) -> int:
        """Return the bytes of an entry of the status as JSON, nearly."""
        return self._entry(status).size

    def wire(self, status: TaskStatus) -> JsonObject:
        """Return an entry of the status as JSON."""
        return self._entry(status).wire

    def _entry(self, status: TaskStatus) -> _Entry:
        known = self._entries.get(status.name)
        if known is None or known.status is not status:
            known = self._entries[status.name] = _Entry(status)
        return known
