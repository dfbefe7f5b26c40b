"""Chunks that a task streams: whole, in order, and found in any log."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from podhatch.api.stream import MARK, chunk_lines, decode_chunk, encode_chunk
from podhatch.task import Context, Host

from tests.unit.runner.conftest import Pod

MAX_LINE_BYTES = 16 * 1024
"""Container runtimes cut up longer lines."""


class Lines(Host):
    """Keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def write(self, line: str) -> None:
        self.lines.append(line)


def streaming() -> tuple[Context, Lines]:
    host = Lines()
    context = Context(
        workflow_run_id="r", task_run_id="t", workflow_name="W", task_name="t", host=host
    )
    return context, host


async def test_texts_and_bytes_come_back_with_their_numbers() -> None:
    context, host = streaming()
    context.put_stream("ä\n\u2028b")
    await context.aio_put_stream(b"\x00\xff")
    context.put_stream("")
    assert [decode_chunk(line) for line in host.lines] == [
        (0, "ä\n\u2028b"),
        (1, b"\x00\xff"),
        (2, ""),
    ]
    assert all(len(line.splitlines()) == 1 for line in host.lines)


@pytest.mark.parametrize("data", ["\x01" * 5000, "😀" * 5000, b"\xff" * 50_000])
def test_long_data_is_cut_into_lines_that_stay_whole(data: str | bytes) -> None:
    lines = list(chunk_lines(3, data))
    chunks = [decode_chunk(line) for line in lines]
    assert max(len(line.encode()) for line in lines) < MAX_LINE_BYTES
    assert [chunk[0] for chunk in chunks if chunk] == list(range(3, 3 + len(lines)))
    assert data[:0].join(chunk[1] for chunk in chunks if chunk) == data  # type: ignore[arg-type]


def test_chunks_of_many_threads_are_numbered_in_the_order_of_the_log() -> None:
    context, host = streaming()
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(context.put_stream, [str(number) for number in range(500)]))
    chunks = [decode_chunk(line) for line in host.lines]
    assert [chunk[0] for chunk in chunks if chunk] == list(range(500))
    assert sorted(int(chunk[1]) for chunk in chunks if chunk) == list(range(500))


def test_a_value_that_is_not_a_chunk_is_refused() -> None:
    whole = encode_chunk(4, "x")
    assert decode_chunk("a line") is None
    assert decode_chunk(whole[:-1]) is None
    assert decode_chunk(f"no end of line{whole}") == (4, "x")
    assert decode_chunk(MARK) is None


def test_errors_are_told_and_not_raised(capsys: pytest.CaptureFixture[str]) -> None:
    context, host = streaming()
    context.put_stream(5)  # type: ignore[arg-type]
    assert host.lines == []
    assert "a chunk was not streamed: " in capsys.readouterr().err
    context.put_stream("next")
    assert decode_chunk(host.lines[0]) == (0, "next")


def test_lines_of_a_pod_are_whole_whatever_threads_print(task_pod: Pod) -> None:
    code = """
    import threading

    def charge(input, ctx):
        def work(name):
            for number in range(200):
                ctx.put_stream(f"{name} {number}")
                ctx.log(f"{name} logs")
                print(name, "prints")
        threads = [threading.Thread(target=work, args=(name,)) for name in "abcd"]
        [thread.start() for thread in threads]
        [thread.join() for thread in threads]
    """
    ended = task_pod.run(code)
    chunks = [chunk for line in ended.stdout.split("\n") if (chunk := decode_chunk(line))]
    assert [number for number, _ in chunks] == list(range(800))
    for name in "abcd":
        own = [text for _, text in chunks if str(text).startswith(name)]
        assert own == [f"{name} {number}" for number in range(200)]
