"""What tasks stream and print reaches a subscriber, in order, whenever it comes."""

import json
from pathlib import Path

from tests.e2e.conftest import RunScript

STREAMING = Path(__file__).parent / "flows" / "streaming.py"
BYTES = r"b'\x00\xff'"
CHUNKS = [
    *("think 1.0;", "think 1.1;", "think 1.2;", BYTES),
    *("think 2.0;", "think 2.1;", "think 2.2;", BYTES),
    *("speak 0;", "speak 1;", "speak 2;"),
]


def test_streams_and_logs_arrive_whole_and_in_order(run_script: RunScript) -> None:
    done = run_script(STREAMING)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert told["early"] == CHUNKS
    assert told["late"] == CHUNKS
    assert told["status"] == "COMPLETED", "the stream ends when the run has"
    printed = [[attempt, text] for attempt, text in told["lines"] if "Traceback" not in text]
    assert [1, "thinking"] in printed
    assert [1, "no end of line"] in printed
    assert [2, "thinking"] in printed
    assert "spoken" in told["of_all"]
    assert not any("podhatch-stream" in text for text in told["of_all"])
    assert told["events"][:4] == ["STARTED", "FAILED", "RETRYING", "QUEUED"]
    assert told["shape"] == {"think": ["speak"], "speak": []}
    assert told["workflow"] == "chat"
