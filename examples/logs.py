"""Writes and reads logs.

Run it with `python examples/logs.py`. It prints:

    looking at 3 apples
    WARNING apples: apple 2 is brown
    {"apples": 3, "brown": 1}
    that was all
"""

import logging

from podhatch import ClientConfig, Context, Hatchet
from pydantic import BaseModel

logger = logging.getLogger("apples")
hatchet = Hatchet(config=ClientConfig(logger=logger))


class Basket(BaseModel):
    apples: list[str]


@hatchet.task(name="inspect-apples", input_validator=Basket)
def inspect(input: Basket, ctx: Context) -> int:
    ctx.log(f"looking at {len(input.apples)} apples")
    for number, colour in enumerate(input.apples, start=1):
        if colour == "brown":
            logger.warning("apple %d is brown", number)
    ctx.log({"apples": len(input.apples), "brown": input.apples.count("brown")})
    print("that was all")
    return len(input.apples)


if __name__ == "__main__":
    run = inspect.run_no_wait(Basket(apples=["red", "brown", "green"]))
    run.result()
    for line in hatchet.logs.list(run.workflow_run_id).rows:
        print(line.message)
