"""Log lines as JSON."""

import json
import logging

from podhatch_operator.ops.logs import JsonFormatter


def test_a_log_line_is_one_json_object() -> None:
    record = logging.LogRecord("podhatch", logging.WARNING, "", 1, "it %s", ("failed",), None)
    record.namespace, record.object = "team", "run"
    line = json.loads(JsonFormatter().format(record))
    assert line.pop("time").endswith("+00:00")
    assert line == {
        "level": "warning",
        "logger": "podhatch",
        "message": "it failed",
        "namespace": "team",
        "object": "run",
    }


def test_a_traceback_stays_in_the_line() -> None:
    try:
        raise ValueError("bad")
    except ValueError as error:
        info = (ValueError, error, error.__traceback__)
        record = logging.LogRecord("podhatch", logging.ERROR, "", 1, "it failed", (), info)
    text = JsonFormatter().format(record)
    assert "\n" not in text
    assert "ValueError: bad" in json.loads(text)["traceback"]
