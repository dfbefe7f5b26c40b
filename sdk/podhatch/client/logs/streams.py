"""What the tasks of a run stream: chunks, which stand in the pods' logs (`podhatch.api.stream`).

A generator for the background loop, called by the runs client.
"""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from podhatch.api.stream import decode_chunk
from podhatch.client import objects
from podhatch.client.logs import run_log
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW_RUN


async def chunks(target: Target, name: str) -> AsyncGenerator[str | bytes, None]:
    """Yield what was streamed and what will be, until the run has ended."""
    session = await session_of(target)
    objects.check_name(WORKFLOW_RUN, name)
    run = await session.get_run(name)
    async with aclosing(run_log.follow(session, run)) as lines:
        async for line in lines:
            chunk = decode_chunk(line.text)
            if chunk is not None:
                yield chunk[1]
