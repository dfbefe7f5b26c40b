"""The verbs of the API server that podhatch uses, on raw JSON objects.

`client` sends them to a real one. `in_memory` has the objects in this process: for local runs and
tests. Both are held to one contract by the same tests.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from podhatch.api.model import JsonObject
from podhatch.cluster.kinds import Kind

EventType = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True)
class WatchEvent:
    """One change of one object."""

    type: EventType
    object: JsonObject


@dataclass(frozen=True)
class LogLine:
    """One line, without its end.

    Attributes:
        time: When it was written by the node's clock, to the microsecond.
        text: What the container printed; bytes that are not UTF-8 are replaced.
    """

    time: datetime
    text: str


class ClusterApi(Protocol):
    """A cluster. Every verb raises ApiError when it is refused, or ClusterUnreachable."""

    namespace: str
    """Of objects that name none."""

    async def close(self) -> None:
        """Close all connections."""
        ...

    def now(self) -> datetime:
        """Return the API server's time, as the last answer gave it; to the second."""
        ...

    async def user(self) -> str:
        """Return the user name of this process in the cluster."""
        ...

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create the object; 409 AlreadyExists when there is one of that name."""
        ...

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        """Return the object; with `bounded`, one that is too large is cut down."""
        ...

    def pages(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
        page_size: int | None = None,
        bounded: bool = False,
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        """Yield all objects in the order of their names, page by page, with the list's version."""
        ...

    async def rows(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str = ""
    ) -> list[JsonObject]:
        """Return what `kubectl get -o wide` shows of all objects, by the names of the columns."""
        ...

    async def apply(
        self,
        manifest: JsonObject,
        *,
        field_manager: str,
        force: bool = True,
        dry_run: bool = False,
    ) -> JsonObject:
        """Create or change the object by server-side apply."""
        ...

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        """Change the fields that `body` names; None removes one.

        With `metadata.resourceVersion` in it, 409 Conflict when that is not the latest.
        """
        ...

    async def replace(
        self, manifest: JsonObject, *, field_manager: str, dry_run: bool = False
    ) -> JsonObject:
        """Replace the object, whoever wrote which of its fields.

        409 Conflict when its resourceVersion is not the latest.
        """
        ...

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        """Replace the object's status; 409 Conflict when its resourceVersion is not the latest."""
        ...

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete the object; 409 Conflict when uid or version are not those that are expected."""
        ...

    def watch(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yield changes after `resource_version`; without one, first all objects as ADDED."""
        ...

    def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        """Yield the lines of a container's log."""
        ...

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> tuple[list[JsonObject], str]:
        """Return all objects, of all namespaces when `namespace` is None, and the list's version.

        With `metadata_only` the objects hold nothing but their metadata.
        """
        items: list[JsonObject] = []
        version = ""
        pages = self.pages(
            kind,
            namespace,
            label_selector=label_selector,
            field_selector=field_selector,
            metadata_only=metadata_only,
        )
        async for page, version in pages:  # noqa: B007 - the last version is the list's
            items += page
        return items, version
