"""The program of helm's test pod: its words and its exit code for each way a run can go."""

import runpy
from functools import partial
from itertools import count
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from podhatch.api.model import JsonObject

from tests.helm import CHART


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        ({"phase": "Succeeded"}, 0, "is Succeeded"),
        ({"phase": "Failed", "message": "task greet failed"}, 1, "task greet failed"),
        ({"phase": "Cancelled"}, 1, "is Cancelled"),
        ({"phase": "Pending", "message": "no such image"}, 1, "no such image"),
        ({}, 1, "does the operator run?"),
    ],
)
def test_how_a_run_went_is_told_and_is_the_exit_code(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    status: JsonObject,
    code: int,
    words: str,
) -> None:
    program = runpy.run_path(str(CHART / "files" / "await_run.py"))
    main = program["main"]
    clock = SimpleNamespace(monotonic=partial(next, count(step=60)), sleep=Mock())
    monkeypatch.setitem(main.__globals__, "read_status", Mock(return_value=status))
    monkeypatch.setitem(main.__globals__, "time", clock)
    monkeypatch.setattr("sys.argv", ["-c", "default", "hello"])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert int(exit_.value.code or 0) == code
    told = capsys.readouterr().out
    assert told.startswith("WorkflowRun default/hello is ")
    assert words in told
