"""Lists of objects, as tables or for programs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from rich.table import Table
from rich.text import Text

from podhatch.api.model import ApiObject
from podhatch.cli.errors import CommandError
from podhatch.cli.lookup import Found
from podhatch.cli.options import DEFAULT_LIMIT, Format
from podhatch.cli.rendering.console import is_wide, new_console, print_error, print_raw
from podhatch.cli.rendering.format import new_table
from podhatch.client.objects import model_kind
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import ApiError, Kind

NAMESPACE = Kind("", "v1", "Namespace", "namespaces")
Model = TypeVar("Model", bound=ApiObject)


@dataclass(frozen=True)
class Listing(Generic[Model]):
    """How the objects of a kind are listed.

    Attributes:
        model: The class of the kind.
        plural: The plural in messages.
        columns: Heading and text of each column after the name.
        wide: Headings of the columns that a narrow terminal does not show.
    """

    model: type[Model]
    plural: str
    columns: Sequence[tuple[str, Callable[[Model], str | Text]]]
    wide: Sequence[str] = ()

    def table(
        self, items: Iterable[Model], *, wide: bool = True, with_namespace: bool = False
    ) -> Table:
        """Return the table of these objects."""
        columns = [each for each in self.columns if wide or each[0] not in self.wide]
        columns.insert(0, ("NAME", lambda item: item.metadata.name))
        if with_namespace:
            columns.insert(0, ("NAMESPACE", lambda item: item.metadata.namespace))
        rows = ([text(item) for _, text in columns] for item in items)
        return new_table([heading for heading, _ in columns], rows)


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
    kind = model_kind(listing.model)
    found, _ = await session.cluster.list(kind, namespace, field_selector=field_selector)
    found.sort(key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)
    if keep is not None:
        found = [item for item in found if keep(listing.model.model_validate(item))]
    shown = found[:limit]
    newest = Found(shown, len(found) - len(shown))
    await print_list(session, listing, newest, output, all_namespaces=all_namespaces)


async def print_list(
    session: Session,
    listing: Listing[Model],
    found: Found,
    output: Format | None,
    *,
    all_namespaces: bool,
    which: str = "",
) -> None:
    """Print objects; where there are none, say so, with the adjective `which`."""
    if output is not None:
        print_raw(found.items, output)
    elif found.items:
        console = new_console()
        rows = map(listing.model.model_validate, found.items)
        wide = is_wide(console)
        console.print(listing.table(rows, wide=wide, with_namespace=all_namespaces))
        if found.older:
            total = found.older + len(found.items)
            print_error(f"{found.older} older not shown: `--limit {total}` shows all")
    else:
        if not all_namespaces:
            await _check_exists(session)
        where = "any namespace" if all_namespaces else f"namespace {session.namespace}"
        print_error(f"no {which}{listing.plural} in {where}")


async def _check_exists(session: Session) -> None:
    """Raise CommandError if the namespace does not exist."""
    try:
        await session.cluster.get(NAMESPACE, "", session.namespace)
    except ApiError as error:
        if error.status == 404:
            raise CommandError(f"there is no namespace {session.namespace}") from None


def limit_of(given: int | None, output: Format | None) -> int | None:
    """Return how many objects to print: for programs, all unless a limit is given."""
    return given if output is not None else given or DEFAULT_LIMIT
