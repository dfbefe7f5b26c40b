"""The verbs of the API server that podhatch uses, on raw JSON objects.

One session with kept-alive connections and as little between us and the wire as there can be: the
operator's cost of a run is mostly these requests.
"""

# ruff: noqa: D102 - the verbs have docstrings in ClusterApi

import io
import json
import time
from asyncio import sleep
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlencode

import aiohttp
from yarl import URL

from podhatch.api.model import JsonObject
from podhatch.cluster.bounded import (
    LEAST_PAGE_SIZE,
    ListTooLargeError,
    bounded_list,
    bounded_object,
    bounded_text,
)
from podhatch.cluster.connection import Connection
from podhatch.cluster.errors import ApiError, ClusterUnreachable
from podhatch.cluster.kinds import POD, SELF_SUBJECT_REVIEW, Kind, kind_of
from podhatch.cluster.protocol import ClusterApi, LogLine, WatchEvent
from podhatch.cluster.streams import decode, lines, log_lines

PAGE_SIZE = 500
ROWS_PAGE_SIZE = 5000
MAX_TRIES = 6
REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=35, sock_connect=10)
"""An admission webhook may take 30 seconds, and only the API server's answer names it."""
WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
"""The API server sends a bookmark each minute: a stream silent for longer is dead."""
LOG_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=10)
"""A task may write nothing for hours."""

_JSON = "application/json"
_LARGE_BODY = 2**20
"""aiohttp warns of bytes that are larger."""
METADATA_ONLY = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
_TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1"
_ITS_METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_LOST = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)


@dataclass(frozen=True)
class _Request:
    """One request, as it may have to be sent more than once."""

    verb: str
    """The verb of Kubernetes: create, get, list, update, patch, apply, delete, watch, log."""
    method: str
    url: URL
    body: bytes | None = None
    content_type: str = _JSON
    accept: str = _JSON
    timeout: aiohttp.ClientTimeout = REQUEST_TIMEOUT

    def data(self) -> bytes | io.BytesIO | None:
        """Return the body as aiohttp takes it without a warning: large ones as a file."""
        if self.body is None or len(self.body) <= _LARGE_BODY:
            return self.body
        return io.BytesIO(self.body)

    @property
    def headers(self) -> dict[str, str]:
        if self.body is None:
            return {"Accept": self.accept}
        return {"Accept": self.accept, "Content-Type": self.content_type}


class Cluster(ClusterApi):
    """A connection to the API server. Every verb raises ApiError and ClusterUnreachable."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.namespace = connection.namespace
        self.on_request: Callable[[str, int, float], None] | None = None
        """Called for each response with verb, HTTP status, seconds."""
        self._session = connection.session()
        self._date = ""
        """Of the last answer."""

    @classmethod
    async def connect(
        cls, *, kubeconfig: str | None = None, context: str | None = None
    ) -> "Cluster":
        """Return the cluster this process belongs to: see `Connection.find`."""
        return cls(await Connection.find(kubeconfig, context))

    async def close(self) -> None:
        await self._session.close()

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        url = self._url(kind_of(manifest), self._namespace_of(manifest), query=_dry_run(dry_run))
        return await self._send(_Request("create", "POST", url, _encode(manifest)))

    def now(self) -> datetime:
        """Return the API server's time, as the last answer gave it; ours before the first one."""
        try:
            return parsedate_to_datetime(self._date)
        except ValueError:
            return datetime.now(UTC)

    async def user(self) -> str:
        body = {"apiVersion": SELF_SUBJECT_REVIEW.api_version, "kind": SELF_SUBJECT_REVIEW.kind}
        url = self._url(SELF_SUBJECT_REVIEW, None)
        review = await self._send(_Request("create", "POST", url, _encode(body)))
        return str(review["status"]["userInfo"]["username"])

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        request = _Request("get", "GET", self._url(kind, namespace, name))
        return await self._send(request, bounded_object if bounded else json.loads)

    async def pages(
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
        query = {
            "limit": str(page_size or PAGE_SIZE),
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
        }
        accept = METADATA_ONLY if metadata_only else _JSON
        async for page in self._pages(kind, namespace, query, accept, bounded=bounded):
            items: list[JsonObject] = page["items"] or []
            for item in items:  # the API server leaves these out of most lists
                item["apiVersion"], item["kind"] = kind.api_version, kind.kind
            yield items, page["metadata"]["resourceVersion"]

    async def rows(
        self, kind: Kind, namespace: str | None = None, *, field_selector: str = ""
    ) -> list[JsonObject]:
        query = {
            "limit": str(ROWS_PAGE_SIZE),
            "fieldSelector": field_selector,
            "includeObject": "None" if namespace else "Metadata",
        }
        rows: list[JsonObject] = []
        async for page in self._pages(kind, namespace, query, _TABLE):
            columns = [str(column["name"]) for column in page["columnDefinitions"]]
            found: list[JsonObject] = page["rows"] or []
            for row in found:
                shown = dict(zip(columns, row["cells"], strict=True))
                place = namespace or row["object"]["metadata"]["namespace"]
                rows.append({**shown, "Namespace": place})
        return rows

    async def _pages(
        self,
        kind: Kind,
        namespace: str | None,
        query: dict[str, str],
        accept: str,
        *,
        bounded: bool = False,
    ) -> AsyncGenerator[JsonObject, None]:
        """Yield the answers to a list request, one for each page."""
        while True:
            url = self._url(kind, namespace, query=query)
            request = _Request("list", "GET", url, accept=accept)
            page_size = int(query["limit"])
            try:
                if bounded:
                    page = await self._send_page(request, page_size)
                else:
                    page = await self._send(request)
            except ListTooLargeError:
                query["limit"] = str(max(page_size // 8, LEAST_PAGE_SIZE))
                continue
            query["limit"] = str(min(page_size * 2, PAGE_SIZE) if bounded else page_size)
            yield page
            if not page["metadata"].get("continue"):
                return
            query["continue"] = page["metadata"]["continue"]

    async def apply(self, manifest: JsonObject, *, field_manager: str) -> JsonObject:
        query = {"fieldManager": field_manager, "force": "true"}
        name = str(manifest["metadata"]["name"])
        url = self._url(kind_of(manifest), self._namespace_of(manifest), name, query=query)
        content_type = "application/apply-patch+yaml"
        return await self._send(_Request("apply", "PATCH", url, _encode(manifest), content_type))

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        url = self._url(kind, namespace, name)
        content_type = "application/merge-patch+json"
        return await self._send(_Request("patch", "PATCH", url, _encode(body), content_type))

    async def replace(
        self, manifest: JsonObject, *, field_manager: str, dry_run: bool = False
    ) -> JsonObject:
        query = {"fieldManager": field_manager, **_dry_run(dry_run)}
        name = str(manifest["metadata"]["name"])
        url = self._url(kind_of(manifest), self._namespace_of(manifest), name, query=query)
        return await self._send(_Request("update", "PUT", url, _encode(manifest)))

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        name = str(manifest["metadata"]["name"])
        url = self._url(kind_of(manifest), self._namespace_of(manifest), name, "status")
        accept = _ITS_METADATA if metadata_only else _JSON
        return await self._send(_Request("update", "PUT", url, _encode(manifest), accept=accept))

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        options: JsonObject = {"propagationPolicy": "Background"}
        expected = {"uid": uid, "resourceVersion": resource_version}
        if preconditions := {field: value for field, value in expected.items() if value}:
            options["preconditions"] = preconditions
        url = self._url(kind, namespace, name)
        await self._send(_Request("delete", "DELETE", url, _encode(options)))

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        query = {
            "watch": "true",
            "allowWatchBookmarks": "true",
            "labelSelector": label_selector,
            "fieldSelector": f"metadata.name={name}" if name else "",
            "resourceVersion": resource_version,
        }
        url = self._url(kind, namespace, query=query)
        response = await self._open(_Request("watch", "GET", url, timeout=WATCH_TIMEOUT))
        try:
            async with aclosing(lines(response.content.iter_any())) as stream:
                async for line in stream:
                    if line and (event := decode(line)) is not None:
                        yield event
        except (*_LOST, TimeoutError):
            return
        except ValueError:
            raise self._no_api_server() from None
        finally:
            if response.connection and response.connection.transport:
                response.connection.transport.abort()  # abort(): do not wait for TLS close_notify
            response.close()

    async def log(
        self,
        namespace: str,
        pod: str,
        *,
        container: str,
        follow: bool = False,
        since: datetime | None = None,
    ) -> AsyncGenerator[LogLine, None]:
        query = {
            "container": container,
            "follow": "true" if follow else "",
            "timestamps": "true",
            "sinceTime": f"{since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if since else "",
        }
        url = self._url(POD, namespace, pod, "log", query=query)
        response = await self._open(_Request("log", "GET", url, accept="*/*", timeout=LOG_TIMEOUT))
        try:
            async with aclosing(log_lines(response.content.iter_any())) as stream:
                async for line in stream:
                    yield line
        except (*_LOST, TimeoutError) as error:
            if not follow:
                raise self._unreachable(error) from error
        finally:
            response.close()

    def _namespace_of(self, manifest: JsonObject) -> str:
        return manifest["metadata"].get("namespace") or self.namespace

    def _url(
        self,
        kind: Kind,
        namespace: str | None,
        name: str = "",
        subresource: str = "",
        *,
        query: dict[str, str] | None = None,
    ) -> URL:
        path = f"{self.connection.server}{kind.path(namespace, name, subresource)}"
        given = urlencode({key: value for key, value in (query or {}).items() if value})
        return URL(f"{path}?{given}" if given else path, encoded=True)

    async def _send(
        self, request: _Request, decode: Callable[[str], JsonObject] = json.loads
    ) -> JsonObject:
        async with self._answer(request) as response:
            return decode((await response.read()).decode())

    async def _send_page(self, request: _Request, page_size: int) -> JsonObject:
        """Send a list request, and read its answer within bounds.

        Raises:
            ListTooLargeError: a page with fewer objects has to be asked for.
        """
        async with self._answer(request) as response:
            return bounded_list(await bounded_text(response.content.iter_any(), page_size))

    @asynccontextmanager
    async def _answer(self, request: _Request) -> AsyncGenerator[aiohttp.ClientResponse]:
        """Yield the response to read, and raise what may happen meanwhile as errors of ours."""
        response = await self._open(request)
        try:
            yield response
        except ListTooLargeError:
            response.close()
            raise
        except (*_LOST, TimeoutError) as error:
            raise self._unreachable(error) from error
        except ValueError:
            raise self._no_api_server() from None
        finally:
            response.release()

    async def _open(self, request: _Request) -> aiohttp.ClientResponse:
        """Send the request, again where that is safe and may help, and return a good response."""
        tries = 0
        while True:
            tries += 1
            try:
                response = await self._try(request)
            except _LOST as error:
                refused = isinstance(error, aiohttp.ClientConnectorError)
                if refused or request.method != "GET" or tries == MAX_TRIES:
                    raise self._unreachable(error) from error
                await sleep(0.05 * 2**tries)
                continue
            except (aiohttp.ClientHttpProxyError, TimeoutError) as error:
                raise self._unreachable(error) from error
            if response.status < 400:
                return response
            body = await response.read()
            if response.status == 401 and tries == 1:
                self.connection.credentials.expire()
            elif response.status == 429 and tries < MAX_TRIES:
                await sleep(_retry_after(response))
            else:
                raise ApiError.from_response(response.status, body)

    async def _try(self, request: _Request) -> aiohttp.ClientResponse:
        started = time.monotonic()
        response = await self._session.request(
            request.method,
            request.url,
            data=request.data(),
            headers=request.headers,
            timeout=request.timeout,
            server_hostname=self.connection.server_name,
        )
        self._date = response.headers.get("Date", "")
        if self.on_request is not None:
            self.on_request(request.verb, response.status, time.monotonic() - started)
        return response

    def _unreachable(self, error: BaseException) -> ClusterUnreachable:
        if isinstance(error, aiohttp.ClientHttpProxyError):
            why = f"the proxy answered {error.status} {error.message}"
        else:
            why = str(error) or ("no answer in time" if isinstance(error, TimeoutError) else "lost")
        return ClusterUnreachable(
            f"the API server {self.connection.server} cannot be reached: {why}"
        )

    def _no_api_server(self) -> ClusterUnreachable:
        return ClusterUnreachable(
            f"{self.connection.server} does not answer as an API server does: is there a proxy, or "
            "a page to log in, before it?"
        )


def _encode(manifest: JsonObject) -> bytes:
    return json.dumps(manifest, separators=(",", ":")).encode()


def _dry_run(dry_run: bool) -> dict[str, str]:
    return {"dryRun": "All"} if dry_run else {}


def _retry_after(response: aiohttp.ClientResponse) -> float:
    try:
        return min(float(response.headers["Retry-After"]), 10.0)
    except (KeyError, ValueError):
        return 1.0
