"""One object by its name: read, changed, deleted. Used by every feature client."""

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

from podhatch.api.model import ApiObject, JsonObject
from podhatch.client.explain import explained
from podhatch.client.session import Session
from podhatch.cluster import ApiError, Kind
from podhatch.errors import RequestRefused

Model = TypeVar("Model", bound=ApiObject)
T = TypeVar("T")

CONFLICTS = 10
"""How often a change is tried while somebody else changes the object."""

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


async def read(session: Session, kind: Kind, model: type[Model], name: str) -> Model:
    """Return the object as it stands."""
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        return model.model_validate(await session.cluster.get(kind, session.namespace, name))


async def patch(
    session: Session, kind: Kind, model: type[Model], name: str, body: JsonObject
) -> Model:
    """Lay `body` over the object, and return it."""
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        stored = await session.cluster.merge_patch(kind, session.namespace, name, body)
        return model.model_validate(stored)


async def delete(session: Session, kind: Kind, name: str) -> None:
    """Delete the object."""
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        await session.cluster.delete(kind, session.namespace, name)


async def insist(session: Session, kind: Kind, name: str, change: Callable[[], Awaitable[T]]) -> T:
    """Return what `change` returns; while somebody else is faster it is called again.

    It reads the object, decides, and writes with the resourceVersion it has read.
    """
    tries = 0
    while True:
        tries += 1
        with explained(kind.kind, session.namespace, name):
            try:
                return await change()
            except ApiError as error:
                if error.reason != "Conflict" or tries == CONFLICTS:
                    raise


def patch_to(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the merge patch that turns one object into another; it takes away what is None."""
    changed: JsonObject = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            changed[name] = patch_to(cast("JsonObject", before), cast("JsonObject", value))
        else:
            changed[name] = value
    return changed


def check_name(kind: Kind, name: str) -> None:
    """Refuse what can be no object's name, and so would ask for something else.

    Raises:
        RequestRefused: It cannot.
    """
    if not _NAME.fullmatch(name):
        raise RequestRefused(
            f"{kind.kind} {name!r}: there is none of such a name; an id is what create or list "
            "returned as metadata.id"
        )
