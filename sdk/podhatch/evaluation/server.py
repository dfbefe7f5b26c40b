"""The process that evaluates: `python -m podhatch.evaluation.server FD...`.

It loads the libraries once and forks a worker for each socket it is given. A worker that needs too
much time or memory, or that crashes, ends; the server says so on its socket and forks another one,
which takes milliseconds.
"""

import contextlib
import gc
import json
import mmap
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import IO, Any

from podhatch.core.expressions import json_schema
from podhatch.core.expressions.evaluate import answer
from podhatch.evaluation.protocol import encode_answer, encode_later, encode_limit

CPU_SECONDS = 0.25
"""For one evaluation. Processor time, since a busy node must not make it fail."""
MEMORY_BYTES = 128 * 1024 * 1024
"""That a worker may take beyond what the server holds."""
RENEW_BYTES = 32 * 1024 * 1024
"""A worker that has once held this much more than at its start is replaced."""
BATCH_SECONDS = 0.1
"""After which time the rest of a request is put off, so that others get their turn."""
OUT_OF_MEMORY, CLOSED, RENEWED = 3, 4, 5
"""Exit codes of workers."""
_PAUSE_SECONDS = 0.002
"""The pause between workers, so that one that cannot start does not keep the node busy."""

_PRELOADED = json_schema
"""Loaded before the first worker is forked."""


def serve(sockets: list[int]) -> None:
    """Keep one worker for each socket, until the other ends are closed."""
    gc.collect()
    gc.freeze()
    marks = {fd: mmap.mmap(-1, 8) for fd in sockets}
    workers = {_fork(fd, marks[fd]): fd for fd in sockets}
    while workers:
        pid, status = os.wait()
        fd, code = workers.pop(pid), os.waitstatus_to_exitcode(status)
        if code == CLOSED:
            continue
        if code != RENEWED:
            number = int.from_bytes(marks[fd][:], "little")
            with contextlib.suppress(OSError):  # the next worker sees that the socket is closed
                os.write(fd, encode_limit(number, _limit_met(code)))
        time.sleep(_PAUSE_SECONDS)
        workers[_fork(fd, marks[fd])] = fd


def _limit_met(code: int) -> str | None:
    """Return why a worker ended; None when its evaluation may not be the reason."""
    if code == -signal.SIGPROF:
        return f"it took more than {CPU_SECONDS * 1000:.0f} ms"
    if code == OUT_OF_MEMORY:
        return f"it took more than {MEMORY_BYTES // 2**20} MiB of memory"
    if code == -signal.SIGKILL:
        return None  # by the node, perhaps because others took its memory
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"it crashed its process ({name})"


def _fork(fd: int, mark: mmap.mmap) -> int:
    mark[:] = bytes(8)
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            code = _work(fd, mark)
        except MemoryError:
            code = OUT_OF_MEMORY
        except OSError:
            code = CLOSED
        finally:
            os._exit(code)
    return pid


def _work(fd: int, mark: mmap.mmap) -> int:
    """Answer requests until the socket is closed; return the exit code."""
    _limit_memory()
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + RENEW_BYTES
    with open(fd, "rb", closefd=False) as stream:
        while header := stream.readline():
            _answer(json.loads(header), stream, fd, mark)
            if resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 > most:
                return RENEWED
    return CLOSED


def _answer(request: dict[str, Any], stream: IO[bytes], fd: int, mark: mmap.mmap) -> None:
    """Evaluate the codes of one request one by one. The mark says which one is under way."""
    size: int | None = request["size"]
    values = None if size is None else stream.read(size)
    begun = time.process_time()
    for number, code in enumerate(request["codes"], request["number"]):
        if time.process_time() - begun > BATCH_SECONDS:
            os.write(fd, encode_later(number))
            return
        mark[:] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # SIGPROF ends the process
        found = answer(request["check"], code, values)
        signal.setitimer(signal.ITIMER_PROF, 0)
        mark[:] = bytes(8)
        os.write(fd, encode_answer(number, found))  # far shorter than what a socket takes at once


def _limit_memory() -> None:
    if not Path("/proc/self/statm").exists():  # not Linux: `hatchet.cel` on a developer's machine
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * mmap.PAGESIZE + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # when the pod runs out of memory, this process goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


if __name__ == "__main__":
    serve([int(each) for each in sys.argv[1:]])
