"""The fake cluster, with refusals on demand and a record of what the operator writes."""

from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Kind

from tests.fakes.cluster import FakeCluster

_READS = ("get", "list", "watch")


class OperatorCluster(FakeCluster):
    def __init__(self) -> None:
        super().__init__()
        self.refusals: dict[str, ApiError] = {}
        """By verb and kind: what the next requests are answered."""
        self.order: list[str] = []
        """Verb and kind of each write, as they came."""
        self._as_user = False

    async def create_as_user(self, manifest: JsonObject) -> JsonObject:
        """Create past the record of the operator's own writes."""
        self._as_user = True
        try:
            return await super().create(manifest)
        finally:
            self._as_user = False

    def requested(self, verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        if not self._as_user:
            request = f"{'dry-run' if dry_run else verb} {kind.kind}"
            if verb not in _READS:
                self.order.append(request)
            if refusal := self.refusals.get(request):
                raise refusal
        super().requested(verb, kind, dry_run=dry_run)

    def timestamp(self) -> str:
        return "2026-11-23T12:00:00Z"
