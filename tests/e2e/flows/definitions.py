"""A user's program: a workflow with every kind of default, and a task that it shares."""

import json
from datetime import timedelta

from podhatch import Context, Hatchet, Priority, TaskDefaults
from pydantic import BaseModel

hatchet = Hatchet()


class Parcel(BaseModel):
    kilos: float


@hatchet.task(name="weigh", input_validator=Parcel)
def weigh(input: Parcel, ctx: Context) -> float:
    return input.kilos


parcels = hatchet.workflow(
    name="Parcels, 2nd edition.",
    description="What does it cost to send a parcel?",
    version="2.1",
    input_validator=Parcel,
    default_additional_metadata={"team": "post", "customer": "anybody"},
    default_priority=Priority.HIGH,
    task_defaults=TaskDefaults(retries=1, execution_timeout=timedelta(seconds=50)),
)
parcels.add_task(weigh)


@parcels.task()
async def told(input: Parcel, ctx: Context) -> dict[str, object]:
    if ctx.retry_count == 0:
        raise ConnectionError("not yet")
    return {
        "metadata": ctx.additional_metadata,
        "priority": ctx.priority,
        "attempts": ctx.max_attempts,
    }


if __name__ == "__main__":
    print(json.dumps(parcels.run({"kilos": 2.5}, additional_metadata={"customer": "c001"})))
    print(weigh.run(Parcel(kilos=4)))
