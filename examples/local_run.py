"""Runs a whole workflow without a cluster, for development and tests.

It needs `podhatch[local]`. Run it with `python examples/local_run.py`. It prints:

    {"mix": "flour, water", "bake": "bread", "tell": "bread of flour, water"}
    {"mix": "flour, water", "bake": "a brick", "tell": "a brick of flour, water"}
"""

import json
from datetime import timedelta

from podhatch import Context, EmptyModel, Hatchet, SleepCondition
from podhatch.testing import FakeClock

hatchet = Hatchet()
bakery = hatchet.workflow(name="bakery-at-home")


@bakery.task(retries=1, backoff_factor=30)
def mix(input: EmptyModel, ctx: Context) -> str:
    if ctx.retry_count == 0:
        raise FileNotFoundError("no flour in the house")
    return "flour, water"


@bakery.task(parents=[mix], wait_for=[SleepCondition(timedelta(hours=8))])
async def bake(input: EmptyModel, ctx: Context) -> str:
    return "bread"


@bakery.task(parents=[mix, bake])
def tell(input: EmptyModel, ctx: Context) -> str:
    return f"{ctx.task_output(bake)} of {ctx.task_output(mix)}"


if __name__ == "__main__":
    # With this clock, the backoff and the sleep take no time.
    print(json.dumps(bakery.run_local(clock=FakeClock())))

    # A mock replaces a task whose code should not run here.
    print(json.dumps(bakery.run_local(clock=FakeClock(), mocks={"bake": "a brick"})))
