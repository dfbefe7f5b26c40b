"""A user's other program: it knows names and types of what `definitions.py` published, no code."""

import asyncio

from podhatch import Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Parcel(BaseModel):
    kilos: float


parcels = hatchet.stubs.workflow(name="Parcels, 2nd edition.", input_validator=Parcel)
weigh = hatchet.stubs.task(name="weigh", input_validator=Parcel, output_validator=float)

if __name__ == "__main__":
    print(parcels.run(Parcel(kilos=3.5))["weigh"])
    print(asyncio.run(weigh.aio_run(Parcel(kilos=7))))
