"""Runs to be shown, and how they look in a terminal of a given width."""

import io
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from rich.console import Console, RenderableType

START = datetime(2026, 11, 23, 12, 0, 0, 500_000, UTC)

DIAMOND: Mapping[str, Sequence[str]] = {
    "load": [],
    "revenue": ["load"],
    "fraud": ["load"],
    "report": ["revenue", "fraud"],
    "publish": ["report"],
}


def at(seconds: float) -> datetime:
    """Return the moment so many seconds after the run's start."""
    return START + timedelta(seconds=seconds)


def task(name: str, state: str, **more: object) -> JsonObject:
    return {"name": name, "state": state, **more}


def succeeded(name: str, begin: float, end: float, output: str = "null") -> JsonObject:
    return task(
        name,
        "Succeeded",
        attempt=1,
        node="node-1",
        startedAt=at(begin),
        finishedAt=at(end),
        output=output,
    )


def run_of(phase: str | None, *tasks: JsonObject, name: str = "orders-1", **status: object):
    """Return a run in a phase, with these tasks; without a phase it has no status yet."""
    raw: JsonObject = {
        "metadata": {"name": name, "namespace": "shop", "creationTimestamp": START},
        "spec": {"workflow": "orders"},
    }
    if phase is not None:
        ended = sum(entry["state"] not in ("Pending", "Queued", "Running") for entry in tasks)
        raw["status"] = {
            "phase": phase,
            "startedAt": START,
            "progress": f"{ended}/{len(tasks)}",
            "tasks": list(tasks),
            **status,
        }
    return WorkflowRun.model_validate(raw)


def text_of(picture: RenderableType, width: int = 100) -> str:
    """Return what a terminal without colours shows, without trailing space."""
    screen = Console(file=io.StringIO(), width=width, record=True, color_system=None, emoji=False)
    screen.print(picture)
    return "\n".join(line.rstrip() for line in screen.export_text().splitlines())
