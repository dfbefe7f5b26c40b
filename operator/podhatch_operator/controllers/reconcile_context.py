"""What all reconcilers work with: the cluster, the cache, the queue, the time, and few tools.

Made once by the dispatch in `reconciler`.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Protocol

from podhatch.api.model import UNREADABLE, JsonObject
from podhatch.cluster import ApiError, ClusterApi, Kind
from podhatch.core.common.observed import Defaults
from podhatch.core.expressions.evaluation import Answers, Evaluation

from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import place_of, version_of
from podhatch_operator.queue.keys import Key
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.write.children import Children
from podhatch_operator.write.event_recorder import EventRecorder


class RetryLater(Exception):  # noqa: N818 - nothing is wrong; the worker counts it as a retry
    """What was decided is out of date or was refused: decide again in a moment."""

    def __init__(self, reason: str, within: float | None = None) -> None:
        super().__init__(reason)
        self.within = within
        """Seconds after which to try at the latest; None leaves it to the queue."""


class PlanFailed(Exception):  # noqa: N818 - named as the condition that users see
    """An exception escaped while an object was planned. The message is one bounded line."""


@dataclass(frozen=True)
class Clocks:
    """The time, as others write it and as we measure it."""

    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    monotonic: Callable[[], float] = time.monotonic


class Evaluating(Protocol):
    """Has expressions and schemas evaluated that users wrote."""

    @property
    def answers(self) -> Answers:
        """What is known so far."""
        ...

    def request(self, key: Key, evaluations: Sequence[Evaluation]) -> None:
        """Have these evaluated, and the key reconciled again then."""
        ...


@dataclass
class ReconcileContext:
    """Shared by the reconcilers of all kinds."""

    cluster: ClusterApi
    cache: Cache
    queue: Queue
    defaults: Defaults
    evaluator: Evaluating
    clocks: Clocks = field(default_factory=Clocks)

    def __post_init__(self) -> None:
        self.children = Children(self.cluster, self.cache)
        self.recorder = EventRecorder(self.cluster)

    def now(self) -> datetime:
        """Return the time."""
        return self.clocks.now()

    def look_again_at(self, key: Key, moment: datetime | None) -> None:
        """Have the key reconciled then; None: when something changes."""
        if moment is None:
            self.queue.cancel_appointment(key)
        else:
            self.queue.add_after(key, (moment - self.now()).total_seconds())

    async def write_status(self, kind: Kind, raw: JsonObject, status: JsonObject) -> bool:
        """Replace the status of the object as it was observed. Return False if it is gone.

        Raises:
            RetryLater: the object has changed since.
        """
        metadata = {
            name: raw["metadata"][name] for name in ("name", "namespace", "resourceVersion")
        }
        manifest = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
        cut = UNREADABLE in raw
        try:
            written = await self.cluster.replace_status(
                {**manifest, "status": status}, metadata_only=cut
            )
        except ApiError as error:
            if error.status == 404:
                return await self._note_if_gone(kind, raw, error)
            if error.status == 409:
                raise RetryLater(str(error)) from None
            raise
        if cut:
            version = written["metadata"]["resourceVersion"]
            written = {
                **raw,
                "metadata": {**raw["metadata"], "resourceVersion": version},
                "status": status,
            }
        self.cache.apply(kind, written)
        return True

    async def _note_if_gone(self, kind: Kind, raw: JsonObject, refusal: ApiError) -> bool:
        """Forget the object that is not there any more. Return False.

        Raises:
            RetryLater: It is there, and its status is not: the CRD is older than this operator.
        """
        try:
            await self.cluster.get(kind, *place_of(raw))
        except ApiError as error:
            if error.status != 404:
                raise
            self.cache.remove(kind, place_of(raw), version_of(raw))
            return False
        raise RetryLater(f"the status of a {kind.kind} cannot be written: {refusal.message}")
