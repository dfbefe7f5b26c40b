"""The verbs of the API server that podhatch uses, on raw JSON objects.

`client` sends them to a real one. `in_memory` has the objects in this process: for local runs and
tests. Both are held to one contract by the same tests.
"""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

from podhatch.api.model import JsonObject
from podhatch.cluster.errors import ApiError
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
        """Return the object; with `bounded`, as `pages` does."""
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
        """Yield all objects in the order of their names, page by page, with the list's version.

        The next page is asked for when it is wanted: leave early with `contextlib.aclosing`.
        With `bounded`, pages of much text are smaller, objects have no managedFields, and those
        that are too large are cut down to what names them: see `bounded`.

        Raises:
            ApiError: 410 when the caller took minutes between two pages.
        """
        ...

    async def rows(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str = ""
    ) -> list[JsonObject]:
        """Return what `kubectl get -o wide` shows of all objects, by the names of the columns.

        It costs a tenth of the objects themselves. Of all namespaces, each row has a Namespace.
        """
        ...

    async def apply(self, manifest: JsonObject, *, field_manager: str) -> JsonObject:
        """Create or change the object by server-side apply, and take over others' fields."""
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
        """Replace the object's status; 409 Conflict when its resourceVersion is not the latest.

        With `metadata_only` no more than that is returned.
        """
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
        """Delete the object; the garbage collector deletes its children in the background.

        With a `uid`, 409 Conflict when another object has taken the name meanwhile; with a
        `resource_version`, when the object has changed since.
        """
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
        """Yield changes after `resource_version`; without one, first all objects as ADDED.

        Ends when the API server ends the stream or it is lost: watch again from the last object's
        resourceVersion. Close it early with `contextlib.aclosing`.

        Raises:
            ApiError: 410 when `resource_version` is too old: list or get, and watch from there.
        """
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
        """Yield the lines of a container's log, each with the time it was written.

        Args:
            namespace: Where the pod is.
            pod: Its name.
            container: Name of a container that has started; 400 BadRequest before that.
            follow: Wait for further lines until the container ends. The stream may also end
                because the connection is lost: follow again from the last line.
            since: Lines before this time, to the second, are left out.
        """
        ...

    async def get_or_none(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject | None:
        """Return the object as `get` does, or None if it does not exist."""
        try:
            return await self.get(kind, namespace, name, bounded=bounded)
        except ApiError as error:
            if error.status != 404:
                raise
            return None

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
