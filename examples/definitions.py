"""Options of a definition that apply to all its runs and tasks.

Run it with `python examples/definitions.py`. It prints:

    {"price": {"euros": 9.5, "team": "post", "customer": "c001"}, "stamp": "9.5 EUR"}
    10.5 EUR
"""

import json
from datetime import timedelta

from podhatch import Context, Hatchet, Priority, TaskDefaults
from pydantic import BaseModel

hatchet = Hatchet()


class Parcel(BaseModel):
    kilos: float


class Price(BaseModel):
    euros: float
    team: str
    customer: str


parcels = hatchet.workflow(
    name="Parcels, 2nd edition",  # capitals, spaces and commas are allowed
    description="What does it cost to send a parcel?",
    version="2",
    input_validator=Parcel,
    default_additional_metadata={"team": "post", "customer": "anybody"},
    default_priority=Priority.MEDIUM,
    task_defaults=TaskDefaults(retries=2, execution_timeout=timedelta(minutes=2)),
)


@parcels.task()
def price(input: Parcel, ctx: Context) -> Price:
    return Price(euros=4.5 + input.kilos, **ctx.additional_metadata)


@parcels.task(parents=[price])
async def stamp(input: Parcel, ctx: Context) -> str:
    return f"{ctx.task_output(price).euros} EUR"


# A stub runs a workflow that is defined elsewhere and is in the cluster.
elsewhere = hatchet.stubs.workflow(name="Parcels, 2nd edition", input_validator=Parcel)

if __name__ == "__main__":
    print(json.dumps(parcels.run(Parcel(kilos=5), additional_metadata={"customer": "c001"})))
    print(elsewhere.run(Parcel(kilos=6))["stamp"])
