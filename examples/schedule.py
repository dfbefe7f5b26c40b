"""Schedules a run for a later time.

Run it with `python examples/schedule.py`. It prints:

    scheduled
    moved forward
    the mail says: your trial ends
"""

from datetime import UTC, datetime, timedelta

from podhatch import Context, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Mail(BaseModel):
    text: str


@hatchet.task(name="remind", input_validator=Mail)
def remind(input: Mail, ctx: Context) -> str:
    return f"the mail says: {input.text}"


if __name__ == "__main__":
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    [scheduled] = remind.schedule(tomorrow, Mail(text="your trial ends")).scheduled_workflows
    print("scheduled")

    # A schedule is a run that has not started: you can move, delete, and await it.
    hatchet.scheduled.update(scheduled.id, datetime.now(UTC) + timedelta(seconds=1))
    print("moved forward")
    print(remind.get_result(scheduled.id))
