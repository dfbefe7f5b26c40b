from podhatch.api.stream import encode_chunk
from podhatch.cli.commands.logs import COLOURS, colour_of, coloured_line, text_of
from podhatch.client.logs import RunLine

from tests.unit.cli.runs import at


def line(text: str, attempt: int = 1) -> RunLine:
    return RunLine("charge", attempt, at(0), text)


def plain(text: str, attempt: int = 1, *, chunks: bool = False) -> str | None:
    given = line(text, attempt)
    found = text_of(given, chunks=chunks)
    return None if found is None else coloured_line(given, found).plain


def test_a_line_names_its_task_and_from_the_second_on_its_attempt():
    assert plain("hello") == "charge | hello"
    assert plain("hello", 3) == "charge#3 | hello"


def test_what_is_streamed_is_shown_when_asked_for():
    assert plain(encode_chunk(0, "a b")) is None
    assert plain(encode_chunk(0, "a b"), chunks=True) == "charge | a b"
    assert plain(encode_chunk(0, b"\x00\x01"), chunks=True) == "charge | (2 bytes)"


def test_a_pod_cannot_steer_the_terminal():
    assert plain("\x1b[2J") == r"charge | \x1b[2J"


def test_a_task_keeps_its_colour_and_not_all_have_the_same():
    assert colour_of("charge") == colour_of("charge")
    assert len({colour_of(f"task-{number}") for number in range(50)}) == len(COLOURS)
