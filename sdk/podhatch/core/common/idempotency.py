"""Idempotency keys: which run holds one, until when, and the name of the run that takes it next.

A run has its key in `spec.idempotency`, and holds it from its creation, by the API server's clock.
Whoever creates a run lists those that have its key. If one of them holds it, there is no new run.
Otherwise the new run is named after the key and the newest of them: who has seen the same runs asks
for the same name, so that the API server accepts one of any number of creators.

One case is left, as users are told: an ended run is deleted between the list and the creation of a
creator, who then asks for a name that others no longer ask for, while one of them holds the key.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from podhatch.api.idempotency import Idempotency, IdempotencyClaim
from podhatch.api.model import JsonObject
from podhatch.api.names import new_run_name, short_hash
from podhatch.api.run import WorkflowRun, is_over
from podhatch.core.expressions.cel import Variables
from podhatch.core.expressions.evaluation import Questions

HASH_LENGTH = 16
"""Of names; no other names of runs end in a hash of this length."""
CLOCK_STEP = timedelta(seconds=1)
"""The API server dates objects to the second: a run may be younger than it seems by less."""


@dataclass(frozen=True)
class RunKey:
    """The key of runs of a workflow."""

    workflow: str
    """Name of the Workflow object."""
    key: str

    @property
    def selector(self) -> str:
        """The field selector of the runs that have the key."""
        return f"spec.workflow={self.workflow},spec.idempotency.key={_escaped(self.key)}"

    def is_of(self, run: JsonObject) -> bool:
        """Return whether a run has the key."""
        spec = run["spec"]
        of: JsonObject = spec.get("idempotency") or {}
        return (spec["workflow"], of.get("key")) == (self.workflow, self.key)


def evaluated_key(
    rule: Idempotency, input: JsonObject, metadata: Mapping[str, str], questions: Questions
) -> str:
    """Return the key of a run.

    Args:
        rule: its workflow's.
        input: of the run.
        metadata: of the run, the workflow's included.
        questions: what is known of expressions.

    Raises:
        ExpressionError: the expression gives no key for this run.
    """
    values = {"input": input, "additional_metadata": metadata}
    return Variables(values, questions, "IdempotencyKey").text(rule.key_expression)


def claim(rule: Idempotency, key: str) -> IdempotencyClaim:
    """Return what the spec of a run says of its key."""
    return IdempotencyClaim(
        key=key,
        ttl_seconds=rule.ttl_seconds,
        fallback_ttl_seconds=rule.fallback_ttl_seconds,
    )


def holder(runs: Iterable[JsonObject], now: datetime) -> JsonObject | None:
    """Return the run that holds the key which all of these runs have; None if none does.

    Args:
        runs: those that have the key.
        now: the time of the API server.
    """
    return next((run for run in runs if holds_key(run, now)), None)


def holds_key(run: JsonObject, now: datetime) -> bool:
    """Return whether a run holds the key that it has. One that is being deleted does not."""
    of: JsonObject = run["spec"].get("idempotency") or {}
    metadata: JsonObject = run["metadata"]
    seconds: int | None = of.get("ttlSeconds") or of.get("fallbackTtlSeconds")
    created: str | None = metadata.get("creationTimestamp")
    if seconds is None or created is None or "deletionTimestamp" in metadata:
        return False
    if now - datetime.fromisoformat(created) > timedelta(seconds=seconds):
        return False
    return "ttlSeconds" in of or not is_over(run)


def holds_key_until(run: WorkflowRun) -> datetime | None:
    """Return until when a run that has ended holds its key; None if it does not."""
    of, created = run.spec.idempotency, run.metadata.creation_timestamp
    if of is None or of.ttl_seconds is None or created is None:
        return None
    return created + timedelta(seconds=of.ttl_seconds) + CLOCK_STEP


def next_name(key: RunKey, runs: Iterable[JsonObject]) -> str:
    """Return the name of the run that takes the key next.

    Args:
        key: the key.
        runs: all that have had it, none of which holds it.
    """
    seen = list(runs)
    names = {run["metadata"]["name"] for run in seen}
    ends = [run["metadata"] for run in seen if _name_after(key, _uid(run)) not in names]
    newest = max(ends, key=lambda each: (each["creationTimestamp"], each["uid"]), default=None)
    return _name_after(key, newest["uid"] if newest else "")


@dataclass(frozen=True)
class KeyedRuns:
    """The runs that have a key, as the API server listed them."""

    runs: Sequence[JsonObject]
    at: datetime
    """The API server's time of the list."""


@dataclass(frozen=True)
class Keyed:
    """What becomes of a run that is to have a key."""

    run: str
    """Its name; if it is not created, that of the run that holds the key."""
    manifest: JsonObject | None
    """Of the run to create; None if the key is held, or the run exists."""
    exists: bool = False
    """Whether an earlier plan has created the run."""


class KeyGrants:
    """Gives keys to the runs that one plan creates for events or ticks.

    A plan in which keys are missing must not be used: their runs have to be listed first.
    """

    def __init__(self, known: Mapping[RunKey, KeyedRuns]) -> None:
        self._known = known
        self._granted: dict[RunKey, str] = {}
        self._missing: dict[RunKey, None] = {}

    @property
    def missing(self) -> tuple[RunKey, ...]:
        """The keys whose runs have to be listed."""
        return tuple(self._missing)

    def grant(self, manifest: JsonObject, of: IdempotencyClaim) -> Keyed:
        """Return the run with its key and name, or which run holds the key."""
        spec: JsonObject = manifest["spec"]
        key = RunKey(spec["workflow"], of.key)
        known = self._known.get(key)
        if known is None:
            self._missing[key] = None
            return Keyed("", None)
        for run in known.runs:
            if cause_of(run["spec"]) == cause_of(spec):
                return Keyed(run["metadata"]["name"], None, exists=True)
        if key in self._granted:
            return Keyed(self._granted[key], None)
        if held_by := holder(known.runs, known.at):
            return Keyed(held_by["metadata"]["name"], None)
        name = self._granted[key] = next_name(key, known.runs)
        keyed = {
            **manifest,
            "metadata": {**manifest["metadata"], "name": name},
            "spec": {**spec, "idempotency": of.to_wire()},
        }
        return Keyed(name, keyed)


def cause_of(spec: JsonObject) -> tuple[object, ...]:
    """Return what a run was created for: a tick, or an event with what it starts."""
    trigger: JsonObject = spec.get("trigger") or {}
    if tick := trigger.get("cron"):
        return tick.get("job"), tick.get("jobUid")
    return spec["workflow"], spec.get("input") or {}, trigger


def _uid(run: JsonObject) -> str:
    uid: str = run["metadata"]["uid"]
    return uid


def _name_after(key: RunKey, uid: str) -> str:
    return new_run_name(key.workflow, short_hash(f"{key.workflow}/{uid}/{key.key}", HASH_LENGTH))


def _escaped(value: str) -> str:
    """Return a value as field selectors have it."""
    for character in ("\\", ",", "="):
        value = value.replace(character, f"\\{character}")
    return value
