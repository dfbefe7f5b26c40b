"""A durable task waits for an approval, with a reminder every day, and without a pod meanwhile.

Run it with `python examples/approval.py`, which approves at once. It prints:

    {"approved_by": "Ada", "reminders": []}
"""

import json
from datetime import timedelta
from typing import Any

from podhatch import (
    RUN_START,
    Context,
    DurableContext,
    Hatchet,
    SleepCondition,
    UserEventCondition,
    or_,
)
from pydantic import BaseModel

hatchet = Hatchet()
APPROVED = "purchase:approved"


class Purchase(BaseModel):
    id: int
    buyer: str


@hatchet.task(name="purchase-reminder", input_validator=Purchase)
def remind(input: Purchase, ctx: Context) -> str:
    return f"{input.buyer} waits for approval of purchase {input.id}"


@hatchet.durable_task(name="purchase-approval", input_validator=Purchase)
async def approve(input: Purchase, ctx: DurableContext) -> dict[str, Any]:
    reminders: list[str] = []
    while True:
        found = await ctx.aio_wait_for(
            "approval",
            or_(
                SleepCondition(timedelta(days=1)),
                UserEventCondition(
                    APPROVED, f"input.id == {input.id}", consider_events_since=RUN_START
                ),
            ),
        )
        if APPROVED in found["CREATE"]:
            [payload] = found["CREATE"][APPROVED]
            return {"approved_by": payload["by"], "reminders": reminders}
        reminders.append(await remind.aio_run(input))


if __name__ == "__main__":
    run = approve.run_no_wait(Purchase(id=7, buyer="Grace"))
    hatchet.event.push(APPROVED, {"id": 7, "by": "Ada"})
    print(json.dumps(run.result()))
