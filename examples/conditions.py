"""Tasks that wait for conditions, or are skipped by them.

Run it with `python examples/conditions.py`. It prints:

    {"check": {"amount": 40}, "send": "40 sent", "note": "no approval was needed"}
"""

import json
from datetime import timedelta

from podhatch import (
    Context,
    Hatchet,
    ParentCondition,
    SleepCondition,
    UserEventCondition,
    or_,
)
from pydantic import BaseModel

hatchet = Hatchet()


class Refund(BaseModel):
    amount: int


refund = hatchet.workflow(name="Refund with conditions", input_validator=Refund)


@refund.task()
def check(input: Refund, ctx: Context) -> dict[str, int]:
    return {"amount": input.amount}


@refund.task(
    parents=[check],
    skip_if=[ParentCondition(parent=check, expression="output.amount < 100")],
    wait_for=[UserEventCondition(event_key="refund:approved")],
)
def approve(input: Refund, ctx: Context) -> str:
    return "approved"


@refund.task(
    parents=[check],
    cancel_if=[ParentCondition(parent=check, expression="output.amount > 1000")],
    wait_for=[
        or_(
            SleepCondition(timedelta(seconds=1)),
            UserEventCondition(event_key="refund:hurry", expression="input.amount > 20"),
        )
    ],
)
def send(input: Refund, ctx: Context) -> str:
    return f"{ctx.task_output(check)['amount']} sent"


@refund.task(parents=[approve, send])
def note(input: Refund, ctx: Context) -> str:
    return "no approval was needed" if ctx.was_skipped(approve) else ctx.task_output(approve)


if __name__ == "__main__":
    print(json.dumps(refund.run(Refund(amount=40))))
