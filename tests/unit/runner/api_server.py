"""A small TLS server in the API server's place: it takes TaskResults and answers as it is told."""

import json
import ssl
import subprocess
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from podhatch.api.model import JsonObject


@dataclass
class Request:
    method: str
    content_type: str
    path: str
    token: str
    body: JsonObject


@dataclass
class ApiServer:
    """What the test sets and sees of the server."""

    port: int
    answers: list[int] = field(default_factory=list[int])
    """Status codes of the next requests; 201 when there are no more."""
    drops: int = 0
    """How many of the next connections to close right after the handshake."""
    requests: list[Request] = field(default_factory=list[Request])


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: ApiServer

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind, token = self.headers["Content-Type"], self.headers["Authorization"]
        self.api.requests.append(Request(self.command, kind, self.path, token, body))
        status = self.api.answers.pop(0) if self.api.answers else 201
        answer = json.dumps({"kind": "Status", "message": f"told to answer {status}"}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_PATCH = do_POST  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    api: ApiServer

    def finish_request(self, request: Any, client_address: Any) -> None:
        request.do_handshake()
        if self.api.drops:
            self.api.drops -= 1
        else:
            super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass  # a client that does not trust us hangs up; the test sees it on the other side


@contextmanager
def serve(certificate: Path) -> Generator[ApiServer]:
    """Serve on a free port of 127.0.0.1 until the block ends."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    handler = type("Handler", (_Handler,), {})
    with _Server(("127.0.0.1", 0), handler) as server:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.api = handler.api = ApiServer(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.api
        finally:
            server.shutdown()
            thread.join()


def make_certificate(folder: Path) -> Path:
    """Make a certificate of 127.0.0.1, its own authority, in one file with its key."""
    file = folder / "server.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-noenc", "-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(file), "-out", str(folder / "ca.crt")]
    subprocess.run(command, check=True, capture_output=True)
    file.write_text(file.read_text() + (folder / "ca.crt").read_text())
    return file
