"""A durable task among others, for the end-to-end tests: `resets.py start`, `resets.py RUN NODE`.

The first starts a run and prints its name; the second resets its durable task to a call.
"""

import sys
import time
from datetime import timedelta
from typing import Any

from podhatch import Context, DurableContext, EmptyModel, EvictionPolicy, Hatchet

hatchet = Hatchet()
orders = hatchet.workflow(name="resettable")
STAYS = EvictionPolicy(ttl=timedelta(minutes=10))


@orders.durable_task(eviction_policy=STAYS)
async def ask(input: EmptyModel, ctx: DurableContext) -> dict[str, Any]:
    began = await ctx.aio_memo(time.time, float)
    try:
        answer = await ctx.aio_wait_for_event("answer")
    finally:
        print("cleaned up", flush=True)
    return {"began": began, "answer": answer, "retries": ctx.retry_count}


@orders.task()
def beside(input: EmptyModel, ctx: Context) -> float:
    return time.time()


@orders.task(parents=[ask])
def after(input: EmptyModel, ctx: Context) -> Any:
    return ctx.task_output(ask)["answer"]


if __name__ == "__main__":
    if sys.argv[1] == "start":
        print(orders.run_no_wait().workflow_run_id)
    else:
        run, node = sys.argv[1:]
        hatchet.runs.reset_durable_task(f"{run}/ask", int(node))
