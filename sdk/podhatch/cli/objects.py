"""Objects of one kind: listed, found by name, printed. Called by the commands on them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.cli.console import complain, list_object, new_console, print_raw, print_table
from podhatch.cli.errors import Refused, did_you_mean
from podhatch.cli.names import given_name, is_object_name
from podhatch.cli.options import DEFAULT_LIMIT, Format
from podhatch.cli.place import Place
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.cluster import WORKFLOW, ApiError, Cluster, Kind

NAMESPACE = Kind("", "v1", "Namespace", "namespaces")

Column = tuple[str, Callable[[JsonObject], str]]


@dataclass(frozen=True)
class Listing:
    """How the objects of a kind are listed.

    Attributes:
        kind: The kind.
        plural: What users call several of them.
        columns: Heading and text of each column.
    """

    kind: Kind
    plural: str
    columns: Sequence[Column]


async def show_list(
    place: Place,
    listing: Listing,
    output: Format | None,
    *,
    all_namespaces: bool = False,
    field_selector: str = "",
    keep: Callable[[JsonObject], bool] = lambda _: True,
    limit: int | None = None,
) -> None:
    """Print the objects of a kind, newest first."""
    session = await session_of(place.target)
    namespace = None if all_namespaces else session.namespace
    found, _ = await session.cluster.list(listing.kind, namespace, field_selector=field_selector)
    found.sort(key=lambda item: str(item["metadata"]["creationTimestamp"]), reverse=True)
    kept = [item for item in found if keep(item)]
    items = kept[:limit]
    if output is not None:
        print_raw(list_object(items), output)
    elif items:
        columns = list(listing.columns)
        if all_namespaces:
            columns = [("NAMESPACE", _namespace), *columns]
        rows = [[text(item) for _, text in columns] for item in items]
        console = new_console(no_color=place.no_color)
        print_table(console, [heading for heading, _ in columns], rows)
        say_more(len(kept) - len(items), len(items))
    else:
        await say_none(session, f"no {listing.plural}", all_namespaces=all_namespaces)


def limit_of(given: int | None, output: Format | None) -> int | None:
    """Return how many objects to show: people get the newest, programs all."""
    return given if output is not None else given or DEFAULT_LIMIT


def say_more(older: int, shown: int) -> None:
    """Say how many are not shown, if any, and how to see them."""
    if older:
        complain(f"{older} more, older than these: `--limit {older + shown}` shows all")


async def say_none(session: Session, what: str, *, all_namespaces: bool) -> None:
    """Say that a list is empty.

    Raises:
        Refused: The namespace is not there, as far as we may know.
    """
    where = "any namespace" if all_namespaces else f"namespace {session.namespace}"
    if not all_namespaces:
        try:
            await session.cluster.get(NAMESPACE, "", session.namespace)
        except ApiError as error:
            if error.status == 404:
                raise Refused(f"there is no {where}") from None
    complain(f"{what} in {where}")


def _namespace(item: JsonObject) -> str:
    return str(item["metadata"]["namespace"])


async def find_object(cluster: Cluster, kind: Kind, namespace: str, given: str) -> JsonObject:
    """Return the object of this name, or the only one whose author gave it this name.

    Raises:
        Refused: There is none; the text names the nearest.
        WrongUsage: The name is empty.
    """
    name = given_name(kind, given)
    stored_as = object_name(name) if kind == WORKFLOW else name
    if is_object_name(stored_as):
        try:
            return await cluster.get(kind, namespace, stored_as)
        except ApiError as error:
            if error.status != 404 or '"' not in error.message:
                raise
    items, _ = await cluster.list(kind, namespace)
    named = [item for item in items if item["spec"].get("name") == name]
    if len(named) == 1:
        return named[0]
    if named:
        names = ", ".join(str(item["metadata"]["name"]) for item in named)
        raise Refused(f"several {kind.plural} in namespace {namespace} are called {name}: {names}")
    names = [str(item["metadata"]["name"]) for item in items]
    names += [str(item["spec"]["name"]) for item in items if "name" in item["spec"]]
    question = did_you_mean(name, names)
    raise Refused(f"there is no {kind.kind} {name} in namespace {namespace}{question}")
