"""Writes orders.csv, synthetic and always the same: `python examples/data/generate.py`."""

import csv
import io
import random
from datetime import datetime, timedelta
from pathlib import Path

ROWS = 360
SEED = 20
COUNTRIES = {"DE": "EUR", "FR": "EUR", "GB": "GBP", "NL": "EUR", "PL": "PLN", "US": "USD"}
COLUMNS = ("id", "time", "customer", "country", "card_country", "amount", "currency")


def orders_csv() -> str:
    """Return the whole file: mostly plain orders, some broken rows, some suspicious orders."""
    chance = random.Random(SEED)
    home = {customer: chance.choice(list(COUNTRIES)) for customer in range(40)}
    time = datetime(2026, 3, 1, 8)  # noqa: DTZ001 - a shop's local time
    rows: list[list[str]] = []
    for number in range(1, ROWS + 1):
        in_burst = number % 90 in (30, 31, 32)
        time += timedelta(minutes=5 if in_burst else chance.randrange(1, 45))
        customer = number // 90 if in_burst else chance.randrange(len(home))
        amount = round(8 + chance.expovariate(1 / 60), 2)
        card = home[customer]
        if number % 45 == 0:
            amount, card = round(amount * 20, 2), chance.choice(list(COUNTRIES))
        country = home[customer]
        rows.append(
            [
                str(number),
                time.isoformat(timespec="minutes"),
                f"c{customer:03}",
                country,
                card,
                f"{amount:.2f}",
                COUNTRIES[country],
            ]
        )
    for number, column, value in (
        (52, 5, "-12.00"),
        (133, 3, ""),
        (217, 5, "n/a"),
        (301, 6, "XXX"),
    ):
        rows[number][column] = value
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([COLUMNS, *rows])
    return text.getvalue()


if __name__ == "__main__":
    Path(__file__).with_name("orders.csv").write_text(orders_csv())
