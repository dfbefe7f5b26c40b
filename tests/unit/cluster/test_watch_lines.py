"""The lines of a watch."""

import asyncio
from collections.abc import AsyncIterator

from hypothesis import given
from hypothesis import strategies as st
from podhatch.cluster.streams import lines


@given(st.lists(st.binary().filter(lambda line: b"\n" not in line)), st.data())
def test_lines_do_not_depend_on_chunks(expected: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in expected) + b"not ended"
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)))))
    chunks = [stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True)]

    async def read() -> list[bytes]:
        async def arriving() -> AsyncIterator[bytes]:
            for chunk in chunks:
                yield chunk

        return [line async for line in lines(arriving())]

    assert asyncio.run(read()) == expected
