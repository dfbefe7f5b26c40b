"""A small HTTP server that answers as a test tells it, and remembers what it was asked."""

import json
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from podhatch.api.model import JsonObject
from podhatch.cluster import Cluster, Connection
from podhatch.cluster.connection import Credentials


@dataclass
class Answer:
    """One answer; `drop` closes the connection in the middle of it."""

    status: int = 200
    body: JsonObject = field(default_factory=dict[str, object])
    headers: dict[str, str] = field(default_factory=dict[str, str])
    chunks: list[bytes] | None = None
    drop: bool = False
    page: str = ""
    """HTML, as a proxy sends it."""


@dataclass
class ApiServer:
    """Answers in order; the last answer stays."""

    answers: deque[Answer] = field(default_factory=deque[Answer])
    requests: list[web.Request] = field(default_factory=list[web.Request])
    bodies: list[bytes] = field(default_factory=list[bytes])
    tokens: list[str] = field(default_factory=lambda: ["first", "second", "third"])

    def will(self, *answers: Answer) -> None:
        self.answers.extend(answers)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        self.bodies.append(await request.read())
        answer = self.answers.popleft() if len(self.answers) > 1 else self.answers[0]
        if answer.page:
            return web.Response(text=answer.page, content_type="text/html")
        if answer.chunks is None and not answer.drop:
            return web.json_response(answer.body, status=answer.status, headers=answer.headers)
        response = web.StreamResponse(status=answer.status)
        response.enable_chunked_encoding()
        if answer.chunks is not None:
            await response.prepare(request)
            for chunk in answer.chunks:
                await response.write(chunk)
        if answer.drop and request.transport is not None:
            request.transport.abort()
        return response

    def read_token(self) -> str:
        return f"Bearer {self.tokens.pop(0)}"


@asynccontextmanager
async def serving(*answers: Answer) -> AsyncGenerator[tuple[ApiServer, Cluster]]:
    """Have a server with these answers, and a cluster connected to it."""
    server = ApiServer()
    server.will(*answers)
    application = web.Application(client_max_size=2**22)
    application.router.add_route("*", "/{path:.*}", server.answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    credentials = Credentials(server.read_token)
    cluster = Cluster(Connection(f"http://127.0.0.1:{port}", "home", credentials))
    try:
        yield server, cluster
    finally:
        await cluster.close()
        await runner.cleanup()


def status(code: int, reason: str, message: str = "no") -> Answer:
    """Return the API server's refusal."""
    return Answer(code, {"kind": "Status", "code": code, "reason": reason, "message": message})


def event_line(kind: str, **fields: object) -> bytes:
    return json.dumps({"type": kind, "object": fields}).encode() + b"\n"
