"""Streams from two tasks, one of which is tried twice; prints what early and late subscribers get.

Run by test_streams.py.
"""

import asyncio
import json
import time

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()
chat = hatchet.workflow(name="chat")


@chat.task(retries=1)
def think(input: EmptyModel, ctx: Context) -> None:
    ctx.log("thinking")
    for number in range(3):
        ctx.put_stream(f"think {ctx.attempt_number}.{number};")
        time.sleep(0.2)
    print("no end of line", end="")
    ctx.put_stream(b"\x00\xff")
    if ctx.attempt_number == 1:
        raise ValueError("not yet")


@chat.task(parents=[think])
async def speak(input: EmptyModel, ctx: Context) -> None:
    for number in range(3):
        await ctx.aio_put_stream(f"speak {number};")
    print("spoken")


async def heard(run: str) -> list[str]:
    """Return all chunks; bytes as their repr."""
    return [
        chunk if isinstance(chunk, str) else repr(chunk)
        async for chunk in hatchet.runs.subscribe_to_stream(run)
    ]


async def main() -> None:
    reference = await chat.aio_run_no_wait()
    run = reference.workflow_run_id
    early = await heard(run)
    status = await hatchet.runs.aio_get_status(run)
    late = await heard(run)
    lines = await hatchet.logs.aio_list(f"{run}/think")
    of_all = await hatchet.logs.aio_list(run)
    details = await hatchet.runs.aio_get(run)
    print(
        json.dumps(
            {
                "early": early,
                "late": late,
                "status": status,
                "lines": [[line.attempt, line.message] for line in lines.rows],
                "of_all": [line.message for line in of_all.rows],
                "events": [event.event_type for event in details.task_events],
                "shape": {item.task_name: item.children_step_ids for item in details.shape},
                "workflow": details.run.workflow_name,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main())
