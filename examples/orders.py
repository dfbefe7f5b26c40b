"""Checks a day's orders and reports on them: five tasks, two of them in parallel.

Run it with `python examples/orders.py`. The data file is shipped to the pods with the code.

    load ─┬─ revenue ─┬─ report ── publish
          └─ fraud ───┘
"""

import csv
import hashlib
import json
from collections import defaultdict
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Literal

from podhatch import Context, Hatchet
from pydantic import BaseModel, Field, ValidationError

hatchet = Hatchet()

EUROS = {"EUR": Decimal(1), "GBP": Decimal("1.15"), "PLN": Decimal("0.23"), "USD": Decimal("0.92")}


class Settings(BaseModel):
    """The input of a run."""

    file: str = "orders.csv"
    large_amount: Decimal = Field(
        default=Decimal(500), description="In euros; such orders are looked at."
    )
    burst: int = Field(
        default=3, description="So many orders of a customer within an hour are a burst."
    )


class Order(BaseModel):
    id: int
    time: datetime
    customer: str
    country: str = Field(pattern="^[A-Z]{2}$")
    card_country: str
    amount: Decimal = Field(gt=0)
    currency: Literal["EUR", "GBP", "PLN", "USD"]

    @property
    def euros(self) -> Decimal:
        return (self.amount * EUROS[self.currency]).quantize(Decimal("0.01"))


class Loaded(BaseModel):
    orders: list[Order]
    rejected: dict[int, str]
    """A line of the file, and the reason why it is invalid."""


class Revenue(BaseModel):
    orders: int
    euros: Decimal


class Suspicion(BaseModel):
    order: int
    euros: Decimal
    rule: str


class Report(BaseModel):
    orders: int
    rejected: int
    euros: Decimal
    best_country: str
    held_orders: int
    held_euros: Decimal


class Publication(BaseModel):
    text: str
    sha256: str


orders = hatchet.workflow(name="orders", input_validator=Settings)


@orders.task()
def load(input: Settings, ctx: Context) -> Loaded:
    """Read the file and separate invalid rows."""
    loaded = Loaded(orders=[], rejected={})
    with (Path(__file__).parent / "data" / input.file).open(newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                loaded.orders.append(Order.model_validate(row))
            except ValidationError as error:
                problem = error.errors()[0]
                loaded.rejected[line] = f"{problem['loc'][0]}: {problem['msg']}"
    return loaded


@orders.task(parents=[load])
def revenue(input: Settings, ctx: Context) -> dict[str, Revenue]:
    """Sum the orders of each country in euros."""
    euros: defaultdict[str, list[Decimal]] = defaultdict(list)
    for order in ctx.task_output(load).orders:
        euros[order.country].append(order.euros)
    return {
        country: Revenue(orders=len(amounts), euros=sum(amounts, Decimal()))
        for country, amounts in sorted(euros.items())
    }


@orders.task(parents=[load])
def fraud(input: Settings, ctx: Context) -> list[Suspicion]:
    """Find large orders paid with a foreign card, and bursts of orders by one customer."""
    found: list[Suspicion] = []
    times: defaultdict[str, list[datetime]] = defaultdict(list)
    for order in ctx.task_output(load).orders:
        recent = [t for t in times[order.customer] if order.time - t <= timedelta(hours=1)]
        times[order.customer] = [*recent, order.time]
        if order.euros >= input.large_amount and order.card_country != order.country:
            found.append(Suspicion(order=order.id, euros=order.euros, rule="large, foreign card"))
        elif len(times[order.customer]) >= input.burst:
            found.append(Suspicion(order=order.id, euros=order.euros, rule="burst"))
    return found


@orders.task(parents=[load, revenue, fraud])
def report(input: Settings, ctx: Context) -> Report:
    """Combine the results of both branches."""
    countries, held = ctx.task_output(revenue), ctx.task_output(fraud)
    return Report(
        orders=sum(country.orders for country in countries.values()),
        rejected=len(ctx.task_output(load).rejected),
        euros=sum((country.euros for country in countries.values()), Decimal()),
        best_country=max(countries, key=lambda name: countries[name].euros),
        held_orders=len(held),
        held_euros=sum((suspicion.euros for suspicion in held), Decimal()),
    )


@orders.task(parents=[report])
def publish(input: Settings, ctx: Context) -> Publication:
    """Write the report for people, with a checksum."""
    facts = ctx.task_output(report)
    text = (
        f"{facts.orders} orders worth {facts.euros} EUR, most of it from {facts.best_country}; "
        f"{facts.held_orders} held back ({facts.held_euros} EUR), {facts.rejected} rows rejected"
    )
    return Publication(text=text, sha256=hashlib.sha256(text.encode()).hexdigest())


if __name__ == "__main__":
    result = orders.run(Settings())
    print(json.dumps({name: result[name] for name in ("report", "publish")}, indent=2))
