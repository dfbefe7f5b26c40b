"""Whatever an error holds, its report fits a termination message and keeps what matters most."""

import json

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.pod import MAX_MESSAGE_BYTES, ErrorReport, Report, message_room
from podhatch.runner.failure import error_report
from podhatch.runner.report import encode, termination_message


@st.composite
def long_texts(draw: st.DrawFn) -> str:
    return draw(st.text(min_size=1, max_size=20)) * draw(st.integers(0, 2000))


def report_of(error: ErrorReport) -> Report:
    return Report(
        run="r" * 63, task="t" * 63, attempt=1, outcome="Failed", error=error, startedAt="s" * 27
    )


@given(kind=long_texts(), message=long_texts(), trace=long_texts(), containers=st.integers(1, 20))
def test_every_error_fits_the_termination_message(
    kind: str, message: str, trace: str, containers: int
) -> None:
    room = message_room(containers)
    error = error_report(kind, message, trace)
    report = report_of(error)
    data = termination_message(report, room=room, recorded=True)
    assert len(data) <= room
    kept = json.loads(data)
    if len(encode(report)) <= room:
        assert kept == report
    else:
        assert kept["truncated"] is True
        assert error["message"].startswith(kept["error"]["message"])
        assert error.get("traceback", "").endswith(kept["error"].get("traceback", ""))
        assert len(data) > room - 60, "more would have fitted"


@given(message=st.text(max_size=100), trace=long_texts())
def test_the_traceback_is_cut_before_the_message(message: str, trace: str) -> None:
    error = error_report("ValueError", message, trace)
    kept = json.loads(termination_message(report_of(error), room=MAX_MESSAGE_BYTES, recorded=False))
    assert kept["error"]["message"] == error["message"]
    assert "truncated" not in kept
