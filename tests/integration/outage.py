"""A way to the API server that a test can cut."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlsplit


class Line:
    """Forwards bytes both ways, while it is not cut."""

    def __init__(self, server: str) -> None:
        parts = urlsplit(server)
        self._target = (parts.hostname or "", parts.port or 443)
        self._open: set[asyncio.StreamWriter] = set()
        self._listener: asyncio.Server | None = None
        self.port = 0

    async def connect(self) -> None:
        """Let connections through, on the same port as before."""
        self._listener = await asyncio.start_server(self._forward, "127.0.0.1", self.port)
        self.port = self._listener.sockets[0].getsockname()[1]

    async def cut(self) -> None:
        """End all connections and refuse new ones."""
        assert self._listener is not None
        self._listener.close()
        for writer in list(self._open):
            writer.transport.abort()

    async def _forward(self, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
        far, forth = await asyncio.open_connection(*self._target)
        self._open |= {back, forth}
        await asyncio.gather(_pump(near, forth), _pump(far, back))
        self._open -= {back, forth}


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def line_to(server: str) -> AsyncGenerator[Line]:
    """Have a line to this server."""
    line = Line(server)
    await line.connect()
    try:
        yield line
    finally:
        await line.cut()
