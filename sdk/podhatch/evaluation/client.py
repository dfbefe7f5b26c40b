"""Expressions in the SDK: checked where the libraries are installed, evaluated within the limits.

Without the libraries (`podhatch[local]`), only the operator reports errors, in the status of a
workflow or a filter.
"""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from importlib.util import find_spec

from podhatch.core.expressions.cel import Subject
from podhatch.core.expressions.cel import expression_problem as problem_of
from podhatch.core.expressions.evaluation import Answer, Evaluation, Questions
from podhatch.evaluation.protocol import (
    MAX_LOST,
    NO_REPLY,
    PATIENCE_SECONDS,
    SERVER,
    decode_answer,
    encode_request,
)

_LIBRARIES = ("cel_expr_python", "jsonschema")


def is_installed() -> bool:
    """Return whether the libraries that evaluate expressions and schemas are installed."""
    return all(find_spec(each) for each in _LIBRARIES)


def expression_problem(expression: str, subject: Subject = "Condition") -> str | None:
    """Return why this is not an expression; None if it is, or the libraries are not installed."""
    if not is_installed():
        return None
    from podhatch.core.expressions.evaluate import IN_PROCESS

    return problem_of(expression, Questions(IN_PROCESS), subject)


class WithinLimits:
    """Evaluates one expression after another in a server process, started by the first one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._server: _ServerProcess | None = None

    def get(self, evaluation: Evaluation, /) -> Answer:
        """Evaluate."""
        with self._lock:
            for _ in range(MAX_LOST):
                if self._server is None or self._server.owner != os.getpid():
                    self._server = _ServerProcess()
                try:
                    return self._server.evaluate(evaluation)
                except (OSError, ValueError, KeyError, TypeError):
                    self._server.stop()
                    self._server = None
        return NO_REPLY


WITHIN_LIMITS = WithinLimits()


class _ServerProcess:
    def __init__(self) -> None:
        self.owner = os.getpid()
        """The process that may use and stop the server; a forked process must not."""
        self._number = 0
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(PATIENCE_SECONDS)
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", SERVER, str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.stop = weakref.finalize(self, _stop, self._socket, process, self.owner)
        """Also called when this process ends."""

    def evaluate(self, evaluation: Evaluation) -> Answer:
        self._number += 1
        self._socket.sendall(encode_request(self._number, [evaluation]))
        with self._socket.makefile("rb") as stream:  # the answer is a single line
            answer = decode_answer(stream.readline(), self._number)
        if answer is None:
            raise ValueError("a single evaluation is never put off")
        return answer


def _stop(connection: socket.socket, process: "subprocess.Popen[bytes]", owner: int) -> None:
    connection.close()
    if owner == os.getpid():
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
