"""Brings the records of the logger that `ClientConfig(logger=...)` names to the task's log.

A module of its own, since only such a logger needs `logging`.
"""

import logging
import sys
from collections.abc import Callable, Iterator


def capture(logger: logging.Logger, write: Callable[[str], None]) -> None:
    """Write the logger's records as `LEVEL name: message`, with exceptions, at its own level.

    Records that a handler of the user's writes to stdout or stderr are in the task's log already,
    and stay as that handler formats them.
    """
    streams = [getattr(handler, "stream", None) for handler in _handlers(logger)]
    if sys.stdout not in streams and sys.stderr not in streams:
        logger.addHandler(_Handler(write))


class _Handler(logging.Handler):
    def __init__(self, write: Callable[[str], None]) -> None:
        super().__init__()
        self._write = write
        self.setFormatter(logging.Formatter("%(levelname)s %(name)s: %(message)s"))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._write(self.format(record))
        except Exception:
            self.handleError(record)


def _handlers(logger: logging.Logger) -> Iterator[logging.Handler]:
    """Yield the handlers that a logger's records come to."""
    each: logging.Logger | None = logger
    while each is not None:
        yield from each.handlers
        each = each.parent if each.propagate else None
