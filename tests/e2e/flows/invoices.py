"""A user's program: tasks that events start, and a filter made beside those of the definition."""

import json
import sys

from podhatch import Context, DefaultFilter, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Paid(BaseModel):
    amount: int


invoices = hatchet.workflow(
    name="Invoices",
    input_validator=Paid,
    on_events=["order:*:paid"],
    default_filters=[
        DefaultFilter(
            expression="input.amount > payload.limit && additional_metadata.shop == 'a'",
            scope="europe",
            payload={"limit": 100, "from": "code"},
        )
    ],
    default_additional_metadata={"team": "billing", "shop": "none"},
)


@invoices.task()
def told(input: Paid, ctx: Context) -> dict[str, object]:
    return {
        "amount": input.amount,
        "metadata": ctx.additional_metadata,
        "by_event": ctx.was_triggered_by_event,
        "event": ctx.triggering_event_id,
        "key": ctx.triggering_event_key,
        "payload": ctx.filter_payload,
    }


@hatchet.task(name="unfiltered", on_events=["order:7:paid"], input_validator=Paid)
def unfiltered(input: Paid, ctx: Context) -> int:
    return input.amount


def define() -> None:
    invoices.create_filter(
        expression="input.amount > 0", scope="europe", payload={"from": "object"}
    )
    unfiltered.run(Paid(amount=1))


def push() -> None:
    pushed = [
        hatchet.event.push(key, {"amount": amount}, scope=scope, additional_metadata={"shop": shop})
        for key, amount, scope, shop in (
            ("order:7:paid", 250, "europe", "a"),  # both filters
            ("order:8:paid", 50, "europe", "a"),  # the second filter
            ("order:9:paid", 250, "asia", "a"),  # none
            ("order:10:paid", 250, None, "a"),  # none
            ("order:11:sent", 250, "europe", "a"),  # another key
        )
    ]
    print(json.dumps([event.event_id for event in pushed]))


if __name__ == "__main__":
    globals()[sys.argv[1]]()
