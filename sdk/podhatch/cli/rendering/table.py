"""Tables of runs and of other objects."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.text import Text

from podhatch.api.model import ApiObject, JsonObject
from podhatch.api.run import WorkflowRun, WorkflowRunStatus
from podhatch.cli.errors import CommandError
from podhatch.cli.options import DEFAULT_LIMIT, Format
from podhatch.cli.rendering.console import new_console, print_error, print_raw
from podhatch.cli.rendering.format import (
    STYLES,
    UNICODE,
    WIDE,
    Symbols,
    duration,
    new_table,
    printable,
    shortened,
)
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import ApiError, Kind

MAX_MESSAGE_WIDTH = 120
NAMESPACE = Kind("", "v1", "Namespace", "namespaces")
Model = TypeVar("Model", bound=ApiObject)


@dataclass(frozen=True)
class RunTable:
    """A line for each run; a narrow terminal shows no workflows."""

    runs: Iterable[WorkflowRun]
    now: datetime
    symbols: Symbols = UNICODE
    with_namespace: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = options.max_width >= WIDE
        where = ("NAMESPACE",) if self.with_namespace else ()
        more = ("WORKFLOW",) if wide else ()
        headings = (*where, "NAME", *more, "PHASE", "PROGRESS", "AGE", "DURATION")
        table = new_table(*headings, last="MESSAGE", overflow=self.symbols.overflow)
        for run in self.runs:
            status = run.status or WorkflowRunStatus()
            phase = status.phase or "Pending"
            message = shortened(status.message or "", MAX_MESSAGE_WIDTH, self.symbols.ellipsis)
            table.add_row(
                *((run.metadata.namespace,) if self.with_namespace else ()),
                run.metadata.name,
                *((run.spec.workflow,) if wide else ()),
                Text(f"{self.symbols.icons[phase]} {phase}", STYLES[phase]),
                status.progress or "",
                duration(run.metadata.creation_timestamp, self.now),
                duration(status.started_at, status.finished_at or self.now),
                Text(message, no_wrap=True, overflow=self.symbols.overflow),
            )
        yield table


@dataclass(frozen=True)
class Listing(Generic[Model]):
    """How the objects of a kind are listed.

    Attributes:
        kind: The kind.
        model: Its class.
        plural: The plural in messages.
        columns: Heading and text of each column after the name.
    """

    kind: Kind
    model: type[Model]
    plural: str
    columns: Sequence[tuple[str, Callable[[Model], str]]]

    def table(self, items: Iterable[JsonObject], *, with_namespace: bool) -> RenderableType:
        """Return the table of these objects."""
        where = ("NAMESPACE",) if with_namespace else ()
        *headings, last = (*where, "NAME", *(heading for heading, _ in self.columns))
        table = new_table(*headings, last=last, overflow="fold")
        for item in map(self.model.model_validate, items):
            cells = (item.metadata.name, *(text(item) for _, text in self.columns))
            shown = (item.metadata.namespace, *cells) if with_namespace else cells
            table.add_row(*(Text(printable(cell)) for cell in shown))
        return table


async def show_list(
    target: Target,
    listing: Listing[Model],
    output: Format | None,
    *,
    all_namespaces: bool = False,
    field_selector: str = "",
    keep: Callable[[Model], bool] | None = None,
    limit: int | None = None,
) -> None:
    """Print the objects of a kind, newest first."""
    session = await session_of(target)
    namespace = None if all_namespaces else session.namespace
    found, _ = await session.cluster.list(listing.kind, namespace, field_selector=field_selector)
    found.sort(key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)
    if keep is not None:
        found = [item for item in found if keep(listing.model.model_validate(item))]
    if output is not None:
        print_raw(found[:limit], output)
    elif shown := found[:limit]:
        console = new_console()
        console.print(listing.table(shown, with_namespace=all_namespaces))
        print_older(len(found) - len(shown), len(shown))
    else:
        await print_none(session, f"no {listing.plural}", all_namespaces=all_namespaces)


def limit_of(given: int | None, output: Format | None) -> int | None:
    """Return how many objects to print: for programs, all unless a limit is given."""
    return given if output is not None else given or DEFAULT_LIMIT


def print_older(older: int, shown: int) -> None:
    """Print how many older objects are not shown, if any, and how to show them."""
    if older:
        print_error(f"{older} older not shown: `--limit {older + shown}` shows all")


async def print_none(session: Session, what: str, *, all_namespaces: bool) -> None:
    """Print that a list is empty."""
    where = "any namespace" if all_namespaces else f"namespace {session.namespace}"
    if not all_namespaces:
        try:
            await session.cluster.get(NAMESPACE, "", session.namespace)
        except ApiError as error:
            if error.status == 404:
                raise CommandError(f"there is no {where}") from None
    print_error(f"{what} in {where}")
