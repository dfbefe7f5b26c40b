"""Reports an attempt by its TaskResult: one POST with the pod's service account.

The reporter of pods with access to the cluster. An attempt that moves its time limit reports more
than once: then PATCHes follow. TLS is prepared while the user's code runs.
"""

import importlib
import json
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

from podhatch.api import labels
from podhatch.api.pod import Report
from podhatch.runner.assignment import Assignment
from podhatch.runner.report import NotDelivered

if TYPE_CHECKING:
    from http.client import HTTPSConnection

    from podhatch.api.model import JsonObject

SERVICE_ACCOUNT = "/var/run/secrets/kubernetes.io/serviceaccount"
PAUSES = (0.0, 0.2, 0.5, 1.0, 2.0, 3.0)
"""Seconds before each further try. The first is at once: a prepared connection may have closed."""
LIMIT_SECONDS = 10.0
REQUEST_SECONDS = 5.0
IDLE_SECONDS = 20.0
"""The API server closes a connection on which no request came for about 30 seconds."""


class _TryAgain(Exception):  # noqa: N818
    """The API server could not take the report now."""

    def __init__(self, reason: str, after: float = 0.0) -> None:
        super().__init__(reason)
        self.after = after


class TaskResultReporter:
    """Creates the TaskResult of one attempt."""

    def __init__(self, assignment: Assignment) -> None:
        self._assignment = assignment
        self._connection: HTTPSConnection | None = None
        self._connected_at = 0.0
        self._exists = False
        self._imported = threading.Event()
        self._preparation = threading.Thread(
            target=self._prepare, name="podhatch-report", daemon=True
        )

    def prepare(self) -> None:
        """Load TLS and connect in a thread of its own."""
        # A process forked in the middle of an import would wait for that import for ever.
        os.register_at_fork(before=self._imported.wait)
        self._preparation.start()

    def send(self, report: Report) -> None:
        """Create the TaskResult, or bring it up to date; if there is one, it is this attempt's own.

        Raises:
            NotDelivered: It could not be delivered in reasonable time.
        """
        if self._preparation.ident is not None:
            self._preparation.join(REQUEST_SECONDS)
        try:
            _persist(lambda: self._write(report))
        except NotDelivered:
            raise
        except Exception as error:
            raise NotDelivered(f"{type(error).__name__}: {error}") from error

    def _write(self, report: Report) -> None:
        if not self._exists:
            to = self._assignment
            manifest = task_result(to.result or "", to.namespace, to.run_uid, report)
            created = self._request("POST", "", manifest)
            self._exists = True
            if created or "extendedSeconds" not in report:  # then this is the only report
                return
        self._request("PATCH", f"/{self._assignment.result}", {"spec": report})

    def _prepare(self) -> None:
        with suppress(Exception):  # `send` connects again, and tells what is wrong
            try:
                importlib.import_module("http.client")
                importlib.import_module("ssl")
            finally:
                self._imported.set()
            self._connection = self._connect()

    def _connect(self) -> "HTTPSConnection":
        import ssl
        from http.client import HTTPSConnection

        # Not create_default_context(): since Python 3.13 it refuses the authorities of many
        # clusters for what their certificates leave out. Chain and host name are verified.
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(f"{SERVICE_ACCOUNT}/ca.crt")
        host = os.environ["KUBERNETES_SERVICE_HOST"]
        port = int(os.environ["KUBERNETES_SERVICE_PORT"])
        connection = HTTPSConnection(host, port, timeout=REQUEST_SECONDS, context=context)
        connection.connect()
        self._connected_at = time.monotonic()
        return connection

    def _take_connection(self) -> "HTTPSConnection":
        """Return the prepared connection if it is fresh, else a new one."""
        connection, self._connection = self._connection, None
        if connection and time.monotonic() - self._connected_at < IDLE_SECONDS:
            return connection
        return self._connect()

    def _request(self, method: str, name: str, body: "JsonObject") -> bool:
        """Tell whether the API server took it; False when a POST finds the object there."""
        from http.client import HTTPException
        from ssl import SSLCertVerificationError

        try:
            connection = self._take_connection()
            namespace = self._assignment.namespace
            path = f"/apis/{labels.API_VERSION}/namespaces/{namespace}/taskresults{name}"
            connection.request(method, path, json.dumps(body).encode(), _headers(method))
            response = connection.getresponse()
            answer = response.read()
        except (FileNotFoundError, SSLCertVerificationError):
            raise
        except (OSError, HTTPException) as error:
            raise _TryAgain(f"no answer from the API server: {error!r}") from error
        if response.status < 300 or (response.status == 409 and method == "POST"):
            return response.status < 300
        reason = f"{response.status} {_message(answer)}"
        if response.status in (409, 429) or response.status >= 500:
            raise _TryAgain(reason, _seconds(response.getheader("Retry-After")))
        raise NotDelivered(reason)


def _persist(attempt: Callable[[], None]) -> None:
    """Try until it works, the pauses are used up, or the time is."""
    end = time.monotonic() + LIMIT_SECONDS
    for pause in (*PAUSES, None):
        try:
            return attempt()
        except _TryAgain as error:
            wait = None if pause is None else max(pause, error.after)
            if wait is None or time.monotonic() + wait >= end:
                raise NotDelivered(str(error)) from error
            time.sleep(wait)
    return None


def task_result(name: str, namespace: str, run_uid: str, report: Report) -> "JsonObject":
    """Return the TaskResult of a report."""
    owner = {
        "apiVersion": labels.API_VERSION,
        "kind": "WorkflowRun",
        "name": report["run"],
        "uid": run_uid,
    }
    metadata = {
        "name": name,
        "namespace": namespace,
        "labels": {
            labels.RUN: report["run"],
            labels.TASK: report["task"],
            labels.ATTEMPT: str(report["attempt"]),
        },
        "ownerReferences": [owner],
    }
    return {
        "apiVersion": labels.API_VERSION,
        "kind": "TaskResult",
        "metadata": metadata,
        "spec": report,
    }


def _headers(method: str) -> dict[str, str]:
    with open(f"{SERVICE_ACCOUNT}/token", encoding="ascii") as file:
        token = file.read().strip()
    return {
        "Authorization": f"Bearer {token}",
        "Content-Type": f"application/{'merge-patch+' if method == 'PATCH' else ''}json",
        "User-Agent": "podhatch-runner",
    }


def _message(answer: bytes) -> str:
    """Return what a Status object says, or the start of whatever else came."""
    try:
        return str(json.loads(answer)["message"])
    except (ValueError, KeyError, TypeError):
        return answer[:200].decode("utf-8", "replace")


def _seconds(retry_after: str | None) -> float:
    return float(retry_after) if retry_after and retry_after.isdigit() else 0.0
