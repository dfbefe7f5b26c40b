"""The process that evaluates: `python -m podhatch_operator.evaluation.server FD...`.

It loads the libraries once and forks a worker for each socket it was given. A worker that needs too
much time or memory, or that crashes, ends; the server says so on its socket, and forks another one,
which takes milliseconds. It imports `podhatch.core.expressions` alone.
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

from podhatch.core.expressions import cel, json_schema
from podhatch.core.expressions.evaluate import answer

CPU_SECONDS = 0.25
"""For one evaluation. Processor time: a busy node makes no expression expensive."""
MEMORY_BYTES = 128 * 1024 * 1024
"""That a worker may take beyond what the server holds."""
RENEW_BYTES = 32 * 1024 * 1024
"""A worker that has once held this much more than at its start is replaced."""
BATCH_SECONDS = 0.1
"""After which time the rest of a request is put off, so that others get their turn."""
OUT_OF_MEMORY, CLOSED, RENEWED = 3, 4, 5
"""How workers end by themselves."""
_PAUSE_SECONDS = 0.002
"""Between workers: one that cannot start must not keep the node busy."""

_LIBRARIES = (cel, json_schema)


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
            with contextlib.suppress(OSError):  # the next worker sees that it is closed
                _send(fd, {"number": number, "limit": _limit_met(code)})
        time.sleep(_PAUSE_SECONDS)
        workers[_fork(fd, marks[fd])] = fd


def _limit_met(code: int) -> str | None:
    """Say why a worker ended; None when its evaluation may not be the reason."""
    if code == -signal.SIGPROF:
        return f"it took more than {CPU_SECONDS * 1000:.0f} ms"
    if code == OUT_OF_MEMORY:
        return f"it took more than {MEMORY_BYTES // 2**20} MiB of memory"
    if code == -signal.SIGKILL:
        return None  # by the node, perhaps for the memory that somebody else took
    name = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return f"it took its process down ({name})"


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
    """Answer requests until the socket is closed, and return the exit code."""
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
            _send(fd, {"number": number, "later": True})
            return
        mark[:] = number.to_bytes(8, "little")
        signal.setitimer(signal.ITIMER_PROF, CPU_SECONDS)  # SIGPROF ends the process
        found = answer(request["check"], code, values)
        signal.setitimer(signal.ITIMER_PROF, 0)
        mark[:] = bytes(8)
        _send(fd, {"number": number, "holds": found.holds, "problems": found.problems})


def _limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    most = pages * mmap.PAGESIZE + MEMORY_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with contextlib.suppress(OSError):  # when the whole pod has no memory left, this one goes first
        Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")


def _send(fd: int, message: dict[str, Any]) -> None:
    """Write one line. It is far shorter than what a socket takes at once."""
    os.write(fd, json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    serve([int(each) for each in sys.argv[1:]])
