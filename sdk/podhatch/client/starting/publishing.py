"""Sees to it that the cluster holds the workflows of a program. Called before a run is created."""

import asyncio
import logging

from podhatch.client.session import Session, session_of
from podhatch.client.starting.manifest import Manifest, Publication
from podhatch.client.target import Target
from podhatch.errors import PodhatchError

_logger = logging.getLogger("podhatch")


async def publish(target: Target, publication: Publication) -> None:
    """Publish all, for something else than a run.

    Raises:
        PodhatchError: A needed one cannot be published.
    """
    await published(await session_of(target), publication)


async def published(session: Session, publication: Publication) -> dict[str, int]:
    """Publish all at the same time, and return the generations of the needed ones by name.

    Raises:
        PodhatchError: A needed one cannot be published. Of any other this is only a warning.
    """
    others = [each for each in publication.others if each.content_hash not in session.refused]
    generations = await asyncio.gather(
        *(session.publish(each) for each in publication.needed),
        *(_tried(session, each) for each in others),
    )
    names = [each.name for each in publication.needed]
    return dict(zip(names, generations[: len(names)], strict=True))


async def _tried(session: Session, manifest: Manifest) -> int:
    try:
        return await session.publish(manifest)
    except PodhatchError as error:
        session.refused.add(manifest.content_hash)
        _logger.warning("a workflow beside the one that runs was not published: %s", error)
        return 0
