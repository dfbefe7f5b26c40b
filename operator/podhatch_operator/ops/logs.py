"""Logs as JSON, one object per line."""

import json
import logging
import sys
from datetime import UTC, datetime

MAX_MESSAGE = 2000
MAX_TRACEBACK = 4000
"""Longer texts are cut, so that the content of objects cannot fill the log."""
_FIELDS = ("kind", "namespace", "object")
"""The names that a log call may pass in `extra`."""


class JsonFormatter(logging.Formatter):
    """time, level, logger, message, the object it is about, and the traceback if there is one."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the record as a line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage()[:MAX_MESSAGE],
        }
        line |= {name: vars(record)[name] for name in _FIELDS if name in vars(record)}
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)[-MAX_TRACEBACK:]
        return json.dumps(line, ensure_ascii=False, default=str)


def set_up_logs(level: str) -> None:
    """Log podhatch from this level on, and libraries from warnings on."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger("podhatch").setLevel(level)
    logging.getLogger("podhatch_operator").setLevel(level)
