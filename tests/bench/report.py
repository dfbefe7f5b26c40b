"""Rows of a benchmark, held against budgets.toml, as a table and as `.bench/NAME.json`.

Called at the end of each benchmark.
"""

import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.kube import REPOSITORY

BUDGETS = Path(__file__).with_name("budgets.toml")
RESULTS = REPOSITORY / ".bench"
HEADINGS = ("", "value", "reference", "ratio", "budget", "")


@dataclass(frozen=True)
class Row:
    """One measured number."""

    name: str
    value: float
    unit: str
    reference: float | None = None
    """What it is compared with, of the same run and in the same unit."""

    @property
    def ratio(self) -> float | None:
        """Value by reference."""
        return self.value / self.reference if self.reference else None


@dataclass(frozen=True)
class Budget:
    """A limit for a row: for its ratio where it has one, else for its value."""

    limit: float
    is_floor: bool = False

    def allows(self, row: Row) -> bool:
        """Whether the row is within the budget."""
        judged = row.value if row.ratio is None else row.ratio
        return judged >= self.limit if self.is_floor else judged <= self.limit

    def __str__(self) -> str:
        return f"{'>=' if self.is_floor else '<='} {self.limit:g}"


def budgets_of(benchmark: str) -> dict[str, Budget]:
    """Read the budgets of a benchmark, by the names of their rows."""
    sections = tomllib.loads(BUDGETS.read_text())
    return {
        name: Budget(bound.get("at_least", bound.get("at_most")), "at_least" in bound)
        for name, bound in sections[benchmark].items()
    }


def conclude(benchmark: str, rows: Sequence[Row]) -> int:
    """Print all rows, write them down, and return the exit code: 1 when a budget is missed."""
    budgets = budgets_of(benchmark)
    if unmet := budgets.keys() - {row.name for row in rows}:
        raise ValueError(f"{BUDGETS.name}: nothing measures {', '.join(sorted(unmet))}")
    print(table(rows, budgets), flush=True)
    file = RESULTS / f"{benchmark}.json"
    RESULTS.mkdir(exist_ok=True)
    file.write_text(json.dumps([_as_json(row, budgets.get(row.name)) for row in rows], indent=2))
    missed = [row.name for row in rows if not _passes(row, budgets.get(row.name))]
    print(f"\n{file.relative_to(REPOSITORY)} written; missed: {', '.join(missed) or 'nothing'}")
    return 1 if missed else 0


def table(rows: Sequence[Row], budgets: dict[str, Budget]) -> str:
    """Return the rows as text in columns."""
    lines = [HEADINGS, *(_cells(row, budgets.get(row.name)) for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(HEADINGS))]
    return "\n".join(
        f"{line[0]:<{widths[0]}}"
        + "".join(f"  {cell:>{width}}" for cell, width in zip(line[1:], widths[1:], strict=True))
        for line in lines
    )


def _cells(row: Row, budget: Budget | None) -> tuple[str, ...]:
    verdict = "" if budget is None else "ok" if budget.allows(row) else "MISSED"
    return (
        row.name,
        f"{row.value:.3g} {row.unit}",
        "" if row.reference is None else f"{row.reference:.3g} {row.unit}",
        "" if row.ratio is None else f"{row.ratio:.3f}",
        "" if budget is None else str(budget),
        verdict,
    )


def _as_json(row: Row, budget: Budget | None) -> dict[str, object]:
    return {
        "name": row.name,
        "value": row.value,
        "unit": row.unit,
        "reference": row.reference,
        "ratio": row.ratio,
        "budget": None if budget is None else budget.limit,
        "passed": _passes(row, budget),
    }


def _passes(row: Row, budget: Budget | None) -> bool:
    """A row without a budget is there to be read: it always passes."""
    return budget is None or budget.allows(row)
