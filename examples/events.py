"""Starts runs by events and filters.

Pushing an event does not publish the workflow, so publish it first:

    podhatch deploy examples/events.py:hatchet

Then `python examples/events.py` prints:

    booking:paid started 2 runs
    a large one: 250 is over 100
    a friend's: 250 is over 0
    visit:paid started 0 runs
"""

import time

from podhatch import Context, DefaultFilter, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Paid(BaseModel):
    amount: int


invoices = hatchet.workflow(
    name="booking-invoices",
    input_validator=Paid,
    on_events=["booking:*"],
    default_filters=[
        DefaultFilter(
            expression="input.amount > payload.limit",
            scope="europe",
            payload={"limit": 100, "what": "a large one"},
        ),
        DefaultFilter(
            expression="additional_metadata.customer == 'friend'",
            scope="europe",
            payload={"limit": 0, "what": "a friend's"},
        ),
    ],
)


@invoices.task()
def bill(input: Paid, ctx: Context) -> str:
    found = ctx.filter_payload
    return f"{found['what']}: {input.amount} is over {found['limit']}"


def push(key: str) -> list[str]:
    """Push an event, wait until it is handled, and return the runs that it started."""
    event = hatchet.event.push(
        key, {"amount": 250}, scope="europe", additional_metadata={"customer": "friend"}
    )
    while not (row := hatchet.event.get(event.event_id)).handled:
        time.sleep(0.2)
    print(f"{key} started {len(row.triggered_runs)} runs")
    return [run.workflow_run_id for run in row.triggered_runs]


if __name__ == "__main__":
    results = [invoices.get_run_ref(run).result()["bill"] for run in push("booking:paid")]
    print("\n".join(sorted(results, reverse=True)))
    push("visit:paid")
