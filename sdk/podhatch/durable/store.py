"""The pages of one durable task's log in the cluster: reads, appends, and follows them.

A pod owns the log from the moment at which it raises `invocation` of the last page. Each write
names the version of the page that it changes, so that a pod of an earlier invocation, which does
not know of that, can write nothing any more. All of this runs in one event loop.
"""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple, TypeVar

from podhatch.api.durable_log import (
    MAX_ENTRY_BYTES,
    MAX_PAGE_BYTES,
    MAX_PAGE_ENTRIES,
    MAX_PAGES,
    DurableCall,
    DurableLogSpec,
    DurableValue,
)
from podhatch.api.labels import API_VERSION, RUN, TASK
from podhatch.api.model import JsonObject
from podhatch.client.explain import explained
from podhatch.client.waiting import Outage
from podhatch.cluster import DURABLE_LOG, ApiError, ClusterApi, ClusterUnreachable
from podhatch.core.common.text import stored_size
from podhatch.errors import InvalidRun

T = TypeVar("T")


class TakenOver(Exception):  # noqa: N818 - it names a state
    """The log belongs to a later invocation, or is gone. This one must not go on."""


class LogIdentity(NamedTuple):
    """Whose log it is, and who writes."""

    namespace: str
    name: str
    """Without the number of a page."""
    run: str
    run_uid: str
    task: str
    invocation: int


class LogStore:
    """Reads and writes the log of a task.

    Attributes:
        identity: Whose log it is.
        pages: The pages as they were seen last, by their numbers.
        on_page: Called with each page when it has changed.
    """

    def __init__(self, cluster: ClusterApi, identity: LogIdentity) -> None:
        self.identity = identity
        self.pages: dict[int, JsonObject] = {}
        self.on_page: Callable[[JsonObject], None] = lambda _: None
        self._cluster = cluster
        self._version = ""
        """From which on `follow` watches."""

    async def open(self) -> list[DurableLogSpec]:
        """Take the log over, and return its pages.

        Raises:
            ClusterUnreachable: The API server has been unreachable for two minutes.
            RequestRefused: The API server denies access.
            TakenOver: A later invocation has.
        """
        while not await self._take_over():
            pass
        return [
            DurableLogSpec.model_validate(page["spec"]) for _, page in sorted(self.pages.items())
        ]

    async def append(
        self,
        calls: Sequence[DurableCall],
        values: Sequence[DurableValue],
        cancelled: Sequence[int] | None = None,
    ) -> None:
        """Add calls and values of memos at the end.

        Args:
            calls: New calls.
            values: New values.
            cancelled: The nodes of all calls that the task does not wait for any more; None if they
                are the same as before.

        Raises:
            ClusterUnreachable: The API server has been unreachable for two minutes.
            InvalidRun: The log is full, or an entry is too large.
            RequestRefused: The API server refuses it.
            TakenOver: A later invocation has taken over the log.
        """
        calls_left = [each.to_wire() for each in calls]
        values_left = [each.to_wire() for each in values]
        while calls_left or values_left or cancelled is not None:
            page = self._last()
            spec: JsonObject = page["spec"] if page else {}
            taken = _fitting(spec, calls_left, values_left)
            del calls_left[: len(taken.calls)], values_left[: len(taken.values)]
            if cancelled is not None:
                taken, cancelled = taken._replace(cancelled=[*cancelled]), None
            is_full = bool(calls_left or values_left)
            if page is None or spec.get("closed"):
                await self._create(taken, closed=is_full)
            else:
                await self._extend(page, taken, closed=is_full)

    async def follow(self) -> None:
        """Watch the pages until cancelled; `on_page` gets each change.

        Raises:
            ClusterUnreachable: The API server has been unreachable for two minutes.
            RequestRefused: The API server denies access.
            TakenOver: A later invocation has taken over the log, or it is gone.
        """
        outage = Outage()
        while True:
            try:
                await self._watch(outage)
                outage.end()
            except (ApiError, ClusterUnreachable) as error:
                with self._explained():
                    await outage.wait_or_raise(error)

    async def _take_over(self) -> bool:
        """Make the last page this invocation's; return False if others have written meanwhile."""
        await self._list()
        page = self._last()
        if page is None and self.identity.invocation > 1:
            return await self._begin_page(0)
        if page is None:  # no other pod can have begun
            return True
        if page["spec"]["invocation"] < self.identity.invocation:
            changed = await self._patch(page, {"invocation": self.identity.invocation})
            if changed is None:
                return False
            self._saw(changed)
        if page["spec"].get("closed"):
            return await self._begin_page(int(page["spec"]["page"]) + 1)
        return True

    async def _begin_page(self, number: int) -> bool:
        """Create an empty page, so that no earlier pod can; return False if there is one."""
        manifest = self._manifest(number, _Entries([], []), closed=False)
        created = await self._request(lambda: self._cluster.create(manifest), "AlreadyExists")
        if created is not None:
            self._saw(created)
        return created is not None

    async def _create(self, entries: "_Entries", *, closed: bool) -> None:
        number = len(self.pages)
        if number >= MAX_PAGES:
            raise InvalidRun(
                f"the log of task {self.identity.task} is full: it holds {MAX_PAGES} pages of up "
                f"to {MAX_PAGE_ENTRIES} calls; start child runs that do a part of the work"
            )
        manifest = self._manifest(number, entries, closed=closed)
        created = await self._request(lambda: self._cluster.create(manifest), "AlreadyExists")
        if created is None:  # it may be our own, if its answer was lost
            created = await self._read(number)
            if not _is_written(created, manifest["spec"]):
                raise TakenOver(f"page {number} of {self.identity.name} is another pod's")
        self._saw(created)

    async def _extend(self, page: JsonObject, entries: "_Entries", *, closed: bool) -> None:
        number, before = int(page["spec"]["page"]), page["spec"]
        changes: JsonObject = {
            "calls": [*before.get("calls", []), *entries.calls],
            "values": [*before.get("values", []), *entries.values],
        }
        if entries.cancelled is not None:
            changes["cancelled"] = entries.cancelled
        if closed:
            changes["closed"] = True
        while (changed := await self._patch(page, changes)) is None:
            page = await self._read(number)
            if _is_written(page, changes):  # the answer to a request was lost
                changed = page
                break
            if not _is_written(page, before):
                raise TakenOver(f"page {number} of {self.identity.name} was changed by others")
        self._saw(changed)

    async def _patch(self, page: JsonObject, changes: JsonObject) -> JsonObject | None:
        """Change the spec of a page as it was seen; None if it is not the latest."""
        metadata: JsonObject = page["metadata"]
        body: JsonObject = {
            "metadata": {"resourceVersion": metadata["resourceVersion"]},
            "spec": changes,
        }
        namespace, name = self.identity.namespace, str(metadata["name"])
        return await self._request(
            lambda: self._cluster.merge_patch(DURABLE_LOG, namespace, name, body), "Conflict"
        )

    async def _read(self, number: int) -> JsonObject:
        """Return a page as it is, which must be ours."""
        namespace, name = self.identity.namespace, self._name(number)
        page = await self._request(lambda: self._cluster.get(DURABLE_LOG, namespace, name))
        assert page is not None, "no refusal is named"
        self._check_owner(page)
        return page

    async def _request(self, send: Callable[[], Awaitable[T]], refusal: str = "") -> T | None:
        """Return what the API server answers, through short outages; None if it refuses so."""
        outage = Outage()
        while True:
            try:
                return await send()
            except (ApiError, ClusterUnreachable) as error:
                if isinstance(error, ApiError):
                    if error.reason == refusal:
                        return None
                    if error.status == 404 and self.pages:
                        raise TakenOver(f"a page of {self.identity.name} is gone") from None
                with self._explained():
                    await outage.wait_or_raise(error)

    async def _list(self) -> None:
        namespace, selector = self.identity.namespace, self._selector
        answer = await self._request(
            lambda: self._cluster.list(DURABLE_LOG, namespace, label_selector=selector)
        )
        assert answer is not None, "no refusal is named"
        found, self._version = answer
        known, self.pages = self.pages, {}
        for page in found:
            self._saw(page)
        if known.keys() - self.pages.keys():
            raise TakenOver(f"a page of {self.identity.name} is gone")

    async def _watch(self, outage: Outage) -> None:
        stream = self._cluster.watch(
            DURABLE_LOG,
            self.identity.namespace,
            label_selector=self._selector,
            resource_version=self._version,
        )
        try:
            async with aclosing(stream):
                async for event in stream:
                    outage.end()
                    self._version = event.object["metadata"]["resourceVersion"]
                    if event.type != "DELETED":
                        self._saw(event.object)
                    elif self._number(event.object) in self.pages:
                        raise TakenOver(f"a page of {self.identity.name} is gone")
        except ApiError as error:
            if error.status != 410:  # Gone: too much has happened since
                raise
            await self._list()

    def _saw(self, page: JsonObject) -> None:
        """Keep a page if it is newer than what is known."""
        if (number := self._number(page)) is None:
            return
        self._check_owner(page)
        known = self.pages.get(number)
        if known is None or _version(known) < _version(page):
            self.pages[number] = page
            self.on_page(page)

    def _check_owner(self, page: JsonObject) -> None:
        invocation: int = page["spec"]["invocation"]
        if invocation > self.identity.invocation:
            raise TakenOver(f"invocation {invocation} of the task has taken over its log")

    def _number(self, page: JsonObject) -> int | None:
        """Return the number of a page; None if it is not one of this log."""
        number: int = page["spec"]["page"]
        return number if page["metadata"]["name"] == self._name(number) else None

    def _name(self, number: int) -> str:
        return f"{self.identity.name}-{number}"

    def _last(self) -> JsonObject | None:
        return self.pages[max(self.pages)] if self.pages else None

    @property
    def _selector(self) -> str:
        return f"{RUN}={self.identity.run},{TASK}={self.identity.task}"

    def _manifest(self, number: int, entries: "_Entries", *, closed: bool) -> JsonObject:
        identity, last = self.identity, self._last()
        cancelled = entries.cancelled
        if cancelled is None and last is not None:
            cancelled = last["spec"].get("cancelled")
        spec = DurableLogSpec(
            run=identity.run,
            task=identity.task,
            page=number,
            invocation=identity.invocation,
            branch=last["spec"].get("branch", 1) if last else 1,
            closed=closed,
            cancelled=cancelled or [],
        )
        owner = {
            "apiVersion": API_VERSION,
            "kind": "WorkflowRun",
            "name": identity.run,
            "uid": identity.run_uid,
        }
        return {
            "apiVersion": API_VERSION,
            "kind": DURABLE_LOG.kind,
            "metadata": {
                "name": self._name(number),
                "namespace": identity.namespace,
                "labels": {RUN: identity.run, TASK: identity.task},
                "ownerReferences": [owner],
            },
            "spec": {**spec.to_wire(), "calls": entries.calls, "values": entries.values},
        }

    def _explained(self) -> Any:
        return explained(DURABLE_LOG.kind, self.identity.namespace, self.identity.name)


class _Entries(NamedTuple):
    calls: list[JsonObject]
    values: list[JsonObject]
    cancelled: list[int] | None = None
    """None if it does not change."""


def _fitting(spec: JsonObject, calls: list[JsonObject], values: list[JsonObject]) -> _Entries:
    """Return what fits onto a page, or a first entry onto an empty one."""
    held_calls, held_values = len(spec.get("calls", [])), len(spec.get("values", []))
    if spec.get("closed"):
        spec, held_calls, held_values = {}, 0, 0
    left = MAX_PAGE_BYTES - stored_size(spec)
    taken = _Entries([], [])
    is_empty = not held_calls and not held_values
    for held, entries, into in (
        (held_calls, calls, taken.calls),
        (held_values, values, taken.values),
    ):
        for entry in entries[: MAX_PAGE_ENTRIES - held]:
            left -= (size := stored_size(entry))
            if size > MAX_ENTRY_BYTES:
                raise InvalidRun(
                    f"call {entry['node']} of the log has {size} bytes, and at most "
                    f"{MAX_ENTRY_BYTES} are allowed: wait for fewer conditions at a time"
                )
            if left < 0 and not (is_empty and not taken.calls and not taken.values):
                return taken
            into.append(entry)
        if len(into) < len(entries):
            return taken
    return taken


def _is_written(page: JsonObject, changes: JsonObject) -> bool:
    """Return whether a page of ours holds as many entries as were to be written."""
    spec: JsonObject = page["spec"]
    cancelled: list[int] = spec.get("cancelled", [])
    return (
        all(len(spec.get(name, [])) == len(changes.get(name, [])) for name in ("calls", "values"))
        and bool(spec.get("closed")) == bool(changes.get("closed"))
        and cancelled == changes.get("cancelled", cancelled)
    )


def _version(page: JsonObject) -> int:
    return int(page["metadata"]["resourceVersion"])
