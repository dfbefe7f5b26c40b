"""The program of helm's test pod, run as the pod runs it, against a TLS server."""

import json
import ssl
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from podhatch.api.model import JsonObject

from tests.helm import CHART
from tests.unit.runner.api_server import make_certificate

PATH = "/apis/podhatch.dev/v1alpha1/namespaces/default/workflowruns/hello"


class RunServer(ThreadingHTTPServer):
    """Serves one WorkflowRun, in one state after another; the last state stays."""

    daemon_threads = True

    def __init__(self, certificate: Path) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.statuses: deque[JsonObject | None] = deque()
        self.paths: list[str] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Ignore a client that does not trust the server; the client reports it."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, RunServer)
        self.server.paths.append(self.path)
        statuses = self.server.statuses
        status = statuses.popleft() if len(statuses) > 1 else statuses[0]
        authorized = self.headers["Authorization"] == "Bearer secret"
        self.send_response(200 if authorized and self.path == PATH else 403)
        self.end_headers()
        run = {"kind": "WorkflowRun"} if status is None else {"status": status}
        self.wfile.write(json.dumps(run).encode())

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RunServer]:
    certificate = make_certificate(tmp_path)
    (tmp_path / "token").write_text("secret")
    with RunServer(certificate) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def await_run(server: RunServer, account: Path, timeout: float = 30) -> tuple[int, str, str]:
    """Run the program, and return its exit code, output and errors."""
    program = (CHART / "files" / "await_run.py").read_text()
    variables = {
        "ACCOUNT": str(account),
        "TIMEOUT_SECONDS": str(timeout),
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(server.server_address[1]),
    }
    done = subprocess.run(
        [sys.executable, "-c", program, "default", "hello"],
        env=variables,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ({"phase": "Succeeded"}, 0, "is Succeeded"),
        ({"phase": "Failed", "message": "task greet failed"}, 1, "task greet failed"),
        ({"phase": "Cancelled"}, 1, "is Cancelled"),
    ],
)
def test_the_end_of_a_run_is_printed_and_decides_the_exit_code(
    server: RunServer, tmp_path: Path, status: JsonObject, code: int, words: str
) -> None:
    server.statuses.extend([None, {"phase": "Pending"}, {"phase": "Running"}, status])
    returned, output, errors = await_run(server, tmp_path)
    assert (returned, errors) == (code, "")
    assert output.startswith("WorkflowRun default/hello is ")
    assert words in output
    assert len(server.paths) == 4


@pytest.mark.parametrize(
    ("status", "words"),
    [({"phase": "Pending", "message": "no such image"}, "no such image"), (None, "operator")],
)
def test_a_run_that_does_not_end_in_time_is_an_error(
    server: RunServer, tmp_path: Path, status: JsonObject | None, words: str
) -> None:
    server.statuses.append(status)
    code, output, _ = await_run(server, tmp_path, timeout=0.1)
    assert code == 1
    assert output.startswith("WorkflowRun default/hello is Pending")
    assert words in output


def test_a_server_that_denies_access_is_an_error(server: RunServer, tmp_path: Path) -> None:
    server.statuses.append({"phase": "Succeeded"})
    (tmp_path / "token").write_text("wrong")
    code, output, errors = await_run(server, tmp_path)
    assert (code, output) == (1, "")
    assert "HTTP Error 403" in errors
