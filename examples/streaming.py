"""A task that sends what it has so far, chunk by chunk, and somebody who reads along.

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
    # Whoever comes late gets all of it too, in order, for as long as the pod is there.
    async for chunk in hatchet.runs.subscribe_to_stream(run.workflow_run_id):
        print(chunk, end="")
    await run.aio_result()


if __name__ == "__main__":
    asyncio.run(main())
