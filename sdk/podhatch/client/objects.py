"""One object by its name: created, read, changed, deleted; and many at a bounded rate."""

import asyncio
import re
import secrets
from collections.abc import Awaitable, Generator, Iterable
from contextlib import contextmanager
from typing import TypeVar, cast

from pydantic import ValidationError

from podhatch.api.labels import API_VERSION
from podhatch.api.model import ApiObject, JsonObject
from podhatch.api.names import new_run_name, short_hash
from podhatch.client.explain import explained
from podhatch.client.session import Session
from podhatch.cluster import KINDS, Kind
from podhatch.errors import RequestRefused
from podhatch.values.codec import describe

Model = TypeVar("Model", bound=ApiObject)
T = TypeVar("T")

AT_ONCE = 10

_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")


def unique_name(base: str) -> str:
    """Return a new name for an object: the base and a random suffix."""
    return new_run_name(base, short_hash(secrets.token_hex(16), 8))


def model_kind(model: type[ApiObject]) -> Kind:
    """Return the kind that a model is of: its name is that of the class."""
    return KINDS[API_VERSION, model.__name__]


@contextmanager
def validating(subject: str) -> Generator[None]:
    """Raise ValueError for an invalid field of an object to create; the text names both."""
    try:
        yield
    except ValidationError as error:
        raise ValueError(f"{subject}: {describe(error)}") from None


async def create(session: Session, wanted: Model) -> Model:
    """Create the object, and return it as the cluster holds it."""
    return type(wanted).model_validate(await session.create(wanted.to_wire()))


async def create_or_read(session: Session, wanted: Model) -> Model:
    """Create the object, or return the existing one of its name; the caller compares them."""
    created = await session.create_once(wanted.to_wire())
    if created is None:
        return await read(session, type(wanted), wanted.metadata.name)
    return type(wanted).model_validate(created)


async def read(session: Session, model: type[Model], name: str) -> Model:
    """Return the object."""
    kind = model_kind(model)
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        return model.model_validate(await session.cluster.get(kind, session.namespace, name))


async def patch(session: Session, model: type[Model], name: str, body: JsonObject) -> Model:
    """Merge `body` into the object, and return it."""
    kind = model_kind(model)
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        stored = await session.cluster.merge_patch(kind, session.namespace, name, body)
        return model.model_validate(stored)


async def delete(session: Session, kind: Kind, name: str) -> None:
    """Delete the object."""
    check_name(kind, name)
    with explained(kind.kind, session.namespace, name):
        await session.cluster.delete(kind, session.namespace, name)


def patch_to(old: JsonObject, new: JsonObject) -> JsonObject:
    """Return the merge patch that turns one object into another; None removes a field."""
    changed: JsonObject = dict.fromkeys(old.keys() - new.keys())
    for name, value in new.items():
        before = old.get(name)
        if isinstance(value, dict) and isinstance(before, dict):
            changed[name] = patch_to(cast("JsonObject", before), cast("JsonObject", value))
        else:
            changed[name] = value
    return changed


def is_name(text: str) -> bool:
    """Return whether an object can have this name; any other could change the request's path."""
    return _NAME.fullmatch(text) is not None


def check_name(kind: Kind, name: str) -> None:
    """Refuse a text that cannot be an object's name, since its URL would name something else."""
    if not is_name(name):
        raise RequestRefused(
            f"{kind.kind} {name!r}: the name is invalid: pass the metadata.id that create or "
            "list returned"
        )


async def gathered(requests: Iterable[Awaitable[T]]) -> list[T]:
    """Return the results in the order of the requests, of which ten are under way at a time.

    The first error is raised once all requests have ended.
    """
    semaphore = asyncio.Semaphore(AT_ONCE)

    async def bounded(request: Awaitable[T]) -> T:
        async with semaphore:
            return await request

    results = await asyncio.gather(*map(bounded, requests), return_exceptions=True)
    done: list[T] = []
    for result in results:
        if isinstance(result, BaseException):
            raise result
        done.append(result)
    return done
