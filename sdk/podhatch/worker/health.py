"""Answers `GET /health` for probes, in a thread of its own.

`Worker.start()` imports it: the HTTP server is slow to import.
"""

import json
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from podhatch.config import HealthcheckConfig

PORT = HealthcheckConfig.port
VARIABLES = ("PODHATCH_HEALTH_PORT", "HATCHET_CLIENT_WORKER_HEALTHCHECK_PORT")


def configured(config: HealthcheckConfig) -> HealthcheckConfig:
    """Return the settings, with the port of a variable where the code leaves it at 8001."""
    if config.port != PORT:
        return config
    for variable in VARIABLES:
        if text := os.environ.get(variable):
            if text.isascii() and text.isdecimal() and 0 < int(text) < 65536:
                return replace(config, port=int(text))
            raise ValueError(f"environment variable {variable}: expected a port, got {text!r}")
    return config


@contextmanager
def answering(
    config: HealthcheckConfig, status: Callable[[], str], registered: Callable[[], bool]
) -> Generator[None]:
    """Answer 200 once the workflows are registered, and 503 before."""
    if not config.enabled:
        yield
        return

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/health":
                self.send_error(404)
                return
            body = json.dumps({"status": status()}).encode()
            self.send_response(200 if registered() else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Probes come every few seconds: nobody reads that."""

    with ThreadingHTTPServer((config.bind_address, config.port), Handler) as server:
        thread = Thread(target=server.serve_forever, name="podhatch-health", daemon=True)
        thread.start()
        try:
            yield
        finally:
            server.shutdown()
            thread.join()
