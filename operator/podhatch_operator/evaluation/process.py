"""Starts the evaluation server and talks to its workers, in the operator's event loop.

A worker has one request at a time. An unexpected reply ends the server with all its workers; open
requests are sent again to the next server.
"""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Sequence

from podhatch.core.expressions.evaluation import Answer, Evaluation
from podhatch.evaluation.protocol import PATIENCE_SECONDS, SERVER, decode_answer, encode_request

MAX_LINE = 64 * 1024


class ServerLost(Exception):  # noqa: N818 - the evaluation may be fine
    """The server or one of its workers does not answer as it should."""


class EvaluationWorker:
    """One worker's end of its socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._number = 1
        """Of the next evaluation."""

    async def evaluate(self, batch: Sequence[Evaluation]) -> list[Answer]:
        """Return the answers to the first of these, at least to one: all have the same values.

        Raises:
            ServerLost: there is no answer, for no reason that the evaluation gives.
        """
        number = self._number
        self._number += len(batch)
        answers: list[Answer] = []
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as patience:
                self._writer.write(encode_request(number, batch))
                await self._writer.drain()
                while len(answers) < len(batch):
                    line = await self._reader.readline()
                    answer = decode_answer(line, number + len(answers))
                    if answer is None:
                        break
                    answers.append(answer)
                    if answer.too_expensive:  # the rest of the request went with the worker
                        break
                    patience.reschedule(asyncio.get_running_loop().time() + PATIENCE_SECONDS)
        except (OSError, TimeoutError, ValueError, KeyError, TypeError) as error:
            raise ServerLost(f"{type(error).__name__}: {error}") from None
        return answers

    def close(self) -> None:
        """Close the socket: the worker ends."""
        self._writer.close()


class EvaluationServer:
    """The server process."""

    def __init__(self, process: subprocess.Popen[bytes], workers: list[EvaluationWorker]) -> None:
        self._process = process
        self.workers = workers

    @classmethod
    async def start(cls, count: int) -> "EvaluationServer":
        """Start the server with so many workers. They answer once it has loaded its libraries."""
        pairs = [socket.socketpair() for _ in range(count)]
        theirs = [pair[1].fileno() for pair in pairs]
        try:
            process = subprocess.Popen(  # noqa: ASYNC220 - it does not wait for the process
                [sys.executable, "-m", SERVER, *map(str, theirs)],
                stdin=subprocess.DEVNULL,
                pass_fds=theirs,
                start_new_session=True,
            )
        finally:
            for _, their in pairs:
                their.close()
        streams = [await asyncio.open_connection(sock=mine, limit=MAX_LINE) for mine, _ in pairs]
        return cls(process, [EvaluationWorker(*each) for each in streams])

    async def stop(self) -> None:
        """End the server and its workers."""
        for worker in self.workers:
            worker.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.to_thread(self._process.wait)
