"""Which waits of a durable task's log are over, and since when, as the status of a page says.

The task's pod writes the calls, and this alone says what came of them. A page is planned by itself:
the calls that wait are judged by the time, by events, and by the ends of child runs.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from podhatch.api.condition import LeafCondition
from podhatch.api.durable_log import (
    MAX_STATUS_BYTES,
    MAX_STORED_VALUE_BYTES,
    DurableCall,
    DurableWait,
    MetCondition,
)
from podhatch.api.event import WorkflowEvent
from podhatch.api.limits import RUN
from podhatch.api.model import CheckedStatus, JsonObject, ObjectMeta, format_time
from podhatch.api.run import is_over
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.common.plan import Plan, first
from podhatch.core.common.refusal import Refusal
from podhatch.core.common.text import json_size, stored_size
from podhatch.core.common.validity import checked_status
from podhatch.core.common.waits import complete_at, event_words, first_match, is_moment, next_moment
from podhatch.core.durable.progress import (
    LOST_AFTER,
    MAX_WAITING,
    WaitKey,
    calls_of,
    cancelled_nodes,
    key_of,
    open_calls,
    parked_entry,
    stored_waits,
)
from podhatch.core.expressions.cel import ExpressionError
from podhatch.core.expressions.evaluation import Questions, json_text
from podhatch.core.pod.pods import read_time

MAX_ERROR = 500
MAX_TOLD = 5
"""Waits that a text names."""


def plan_durable_log(observed: ObservedDurableLog, now: datetime) -> Plan:
    """Return the status of a page: which of its waits are over, and what the others wait for."""
    raw, run = observed.log, observed.run
    if run is None or is_over(run) or not _is_of(raw, run):
        return Plan()
    if raw["metadata"].get("deletionTimestamp"):
        return Plan()
    events = [WorkflowEvent.model_validate(each) for each in observed.events]
    stored = stored_waits(raw)
    return _Planning(
        observed, run, Questions(observed.answers), now, events, stored, _Room(stored)
    ).plan()


def _is_of(log: JsonObject, run: JsonObject) -> bool:
    """Return whether a log belongs to this run, and not to an earlier one of its name."""
    owners: list[JsonObject] = log["metadata"].get("ownerReferences", [])
    return any(each["uid"] == run["metadata"]["uid"] for each in owners)


@dataclass(frozen=True)
class _Judged:
    """What is known of a call that waited."""

    call: DurableCall | None
    """None if it cannot be understood."""
    wait: DurableWait | None = None
    """What there is to store."""
    since: datetime | None = None
    """When its sleeps began."""
    next_at: datetime | None = None
    """When its next sleep is over."""
    look_again_at: datetime | None = None

    @property
    def is_over(self) -> bool:
        """Whether the call does not wait any more."""
        wait = self.wait
        return wait is not None and (wait.over_at is not None or wait.error is not None)


class _WaitError(Exception):
    """The wait ends with an error."""


@dataclass(frozen=True)
class _Planning:
    """One plan of a page."""

    observed: ObservedDurableLog
    run: JsonObject
    questions: Questions
    now: datetime
    events: Sequence[WorkflowEvent]
    stored: Mapping[WaitKey, JsonObject]
    """What the status says of the calls."""
    room: "_Room"

    def plan(self) -> Plan:
        raw = self.observed.log
        waiting = {key_of(call): call for call in open_calls(raw)}
        judged = {key: self._judge(call) for key, call in waiting.items()}
        if self.questions.missing:
            return Plan(evaluate=self.questions.missing)
        look_again_at = first(
            moment for each in judged.values() for moment in (each.next_at, each.look_again_at)
        )
        old: JsonObject = raw.get("status") or {}
        status = self._status(judged)
        if status == old:
            return Plan(requeue_at=look_again_at)
        is_news = status.get("waits") != old.get("waits")
        return Plan(status=status, urgent=is_news, requeue_at=look_again_at)

    def _judge(self, raw: JsonObject) -> _Judged:
        key = key_of(raw)
        old = _parsed_wait(self.stored.get(key), key)
        try:
            call = DurableCall.model_validate(raw)
        except ValidationError as error:
            return _failed(None, old, f"the call cannot be read: {_summary(error)}")
        try:
            return self._judge_call(call, old)
        except _WaitError as error:
            return _failed(call, old, str(error))

    def _judge_call(self, call: DurableCall, old: DurableWait) -> _Judged:
        since = old.since or self._bounded(call.at)
        if call.kind == RUN:
            return self._judge_child(call, old, since)
        met = self._met(call, old, since)
        holds_from = {key: each.at if each else None for key, each in met.items()}
        over_at = complete_at(call.wait_for, holds_from, since)
        if over_at is not None and over_at <= self.now:
            kept = [each for each in met.values() if each and each.at <= over_at]
            return _Judged(call, old.model_copy(update={"met": kept, "over_at": over_at}))
        sleeps = {leaf.data_key for leaf in _leaves(call) if leaf.sleep_seconds is not None}
        kept = [each for key, each in met.items() if each and key not in sleeps]
        wait = old.model_copy(update={"met": kept, "since": since if since < call.at else None})
        return _Judged(
            call,
            wait if wait.met or wait.since else None,
            since,
            next_moment(holds_from.values(), self.now),
        )

    def _bounded(self, at: datetime) -> datetime:
        """Return when a call was made, between the creation of its page and now."""
        created = read_time(self.observed.log["metadata"].get("creationTimestamp"))
        return min(max(at, created or at), self.now)

    def _judge_child(self, call: DurableCall, old: DurableWait, since: datetime) -> _Judged:
        """Judge a call by its child run, which a task without a pod has made."""
        child = self.observed.children.get(call.child or "")
        if child is None:
            parked = parked_entry(self.run, self.observed.log["spec"]["task"])
            if parked is None:
                return _Judged(call)
            evicted_at = read_time(parked.get("evictedAt")) or since
            lost_at = max(since, evicted_at) + LOST_AFTER
            if self.now < lost_at:
                return _Judged(call, look_again_at=lost_at)
            raise _WaitError(f"the run {call.child} was deleted before it ended")
        if not is_over(child):
            return _Judged(call)
        ended = read_time(child.get("status", {}).get("finishedAt")) or self.now
        return _Judged(call, old.model_copy(update={"over_at": ended}))

    def _met(
        self, call: DurableCall, old: DurableWait, since: datetime
    ) -> dict[str, MetCondition | None]:
        """Return from when on each condition of a wait holds, by its key; it may lie ahead."""
        known = {each.key: each for each in old.met}
        met: dict[str, MetCondition | None] = {}
        for leaf in _leaves(call):
            key = leaf.data_key
            if key in met:
                raise _WaitError(f"two conditions are called {key!r}: name them")
            met[key] = known.get(key) or self._holds(leaf, since)
        return met

    def _holds(self, leaf: LeafCondition, since: datetime) -> MetCondition | None:
        if leaf.sleep_seconds is not None:
            at = since + timedelta(seconds=leaf.sleep_seconds)
            return MetCondition(key=leaf.data_key, at=at)
        if leaf.event is None:
            raise _WaitError(f"{leaf.data_key}: a durable wait takes sleeps and events only")
        if not is_moment(asked := leaf.event.consider_events_since):
            raise _WaitError(f"considerEventsSince: {asked!r} is not a time")
        created = read_time(self.run["metadata"].get("creationTimestamp")) or since
        try:
            match = first_match(leaf.event, self.events, since, created, self.questions)
        except ExpressionError as error:
            raise _WaitError(str(error)) from None
        if match is None:
            return None
        value = json_text(match.event.spec.payload)
        if problem := self.room.problem(value):
            raise _WaitError(f"event {match.event.metadata.name}: {problem}")
        return MetCondition(key=leaf.data_key, at=match.moment, value=value)

    def _status(self, judged: Mapping[WaitKey, _Judged]) -> JsonObject:
        """Return the status as JSON: waits in the order of their calls."""
        raw = self.observed.log
        waits: list[JsonObject] = []
        for key in dict.fromkeys(map(key_of, calls_of(raw))):
            if key not in judged:
                waits += [self.stored[key]] if key in self.stored else []
            elif wait := judged[key].wait:
                waits.append(_wire(wait))
        cancelled = set[int]() if raw["spec"].get("closed") else cancelled_nodes([raw])
        still = [
            each for (node, _), each in judged.items() if not each.is_over and node not in cancelled
        ]
        texts = [_text(each) for each in still[:MAX_TOLD]]
        texts += [f"{len(still) - MAX_TOLD} more"] if len(still) > MAX_TOLD else []
        next_at = first(each.next_at for each in still)
        return {
            **self._validity(),
            **({"waits": waits} if waits else {}),
            **({"waiting": "; ".join(texts)[:MAX_WAITING]} if texts else {}),
            **({"nextAt": format_time(next_at)} if next_at else {}),
        }

    def _validity(self) -> JsonObject:
        """Return the condition Valid of a page that has calls without a node: they are ignored."""
        raw = self.observed.log
        spec: JsonObject = raw["spec"]
        calls: object = spec.get("calls", [])
        found = calls_of(raw)
        if calls == found and len({key_of(call) for call in found}) == len(found):
            return {}
        problem = Refusal("InvalidCalls", "spec.calls: expected calls, each with its own node")
        old = CheckedStatus.model_validate(raw.get("status") or {})
        metadata = ObjectMeta(generation=raw["metadata"].get("generation", 0))
        return checked_status(old, metadata, problem, self.now).to_wire()


class _Room:
    """The bytes that the status has for payloads. They are counted once one is to be stored."""

    def __init__(self, stored: Mapping[WaitKey, JsonObject]) -> None:
        self._stored = stored
        self._left: int | None = None

    def problem(self, value: str) -> str | None:
        """Take room for a value. Return why it cannot be stored, or None."""
        size = json_size(value)
        if size > MAX_STORED_VALUE_BYTES:
            return f"its payload has {size} bytes, and at most {MAX_STORED_VALUE_BYTES} are kept"
        if self._left is None:
            self._left = MAX_STATUS_BYTES - stored_size([*self._stored.values()])
        needed = stored_size(value)
        if needed > self._left:
            return f"its payload of {needed} bytes does not fit into the log any more"
        self._left -= needed
        return None


def _leaves(call: DurableCall) -> list[LeafCondition]:
    return [leaf for condition in call.wait_for for leaf in condition.group]


def _parsed_wait(stored: JsonObject | None, key: WaitKey) -> DurableWait:
    node, branch = key
    empty = DurableWait(node=max(node, 1), branch=max(branch, 1))
    try:
        return DurableWait.model_validate(stored) if stored else empty
    except ValidationError:
        return empty


def _failed(call: DurableCall | None, old: DurableWait, error: str) -> _Judged:
    return _Judged(call, old.model_copy(update={"error": error[:MAX_ERROR]}))


def _summary(error: ValidationError) -> str:
    problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"


def _wire(wait: DurableWait) -> JsonObject:
    """Return a wait with its branch, which the API server would add."""
    return {**wait.to_wire(), "branch": wait.branch}


def _text(judged: _Judged) -> str:
    """Say what a call still waits for."""
    call = judged.call
    met = {each.key for each in judged.wait.met} if judged.wait else set[str]()
    assert call is not None  # one that cannot be read is over
    if call.kind == RUN:
        return f"waits for run {call.child}"
    groups = [each.group for each in call.wait_for]
    still = [each for each in groups if met.isdisjoint(leaf.data_key for leaf in each)]
    told = " and ".join(" or ".join(_leaf_text(leaf, judged) for leaf in each) for each in still)
    sleeps = all(leaf.sleep_seconds is not None for leaves in still for leaf in leaves)
    return f"{'sleeps' if sleeps else 'waits'} {told}"


def _leaf_text(leaf: LeafCondition, judged: _Judged) -> str:
    if leaf.sleep_seconds is None:
        return f"for {event_words(leaf)}"
    assert judged.since is not None
    until = judged.since + timedelta(seconds=leaf.sleep_seconds)
    return f"until {until.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
