"""Streams chunks from a task to a subscriber.

Run it with `python examples/streaming.py`. It prints:

    Every task is a pod.
"""

import asyncio

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()


@hatchet.task(name="teller")
async def teller(input: EmptyModel, ctx: Context) -> int:
    words = ["Every ", "task ", "is ", "a ", "pod.", "\n"]
    for word in words:
        await ctx.aio_put_stream(word)
        await asyncio.sleep(0.1)
    return len(words)


async def main() -> None:
    run = await teller.aio_run_no_wait()
    # A late subscriber gets all chunks too, in order, until the pod is deleted.
    async for chunk in hatchet.runs.subscribe_to_stream(run.workflow_run_id):
        print(chunk, end="")
    await run.aio_result()


if __name__ == "__main__":
    asyncio.run(main())
