"""The names of workflows as their authors wrote them, which other objects do not hold.

Used for the rows of lists. A name is looked up once for each connection.
"""

from collections.abc import Iterable
from weakref import WeakKeyDictionary

from podhatch.api.workflow import Workflow
from podhatch.client.bounded import gathered
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW, ApiError

_known: "WeakKeyDictionary[Session, dict[str, str]]" = WeakKeyDictionary()


async def true_names(session: Session, workflows: Iterable[str]) -> dict[str, str]:
    """Return the name of each workflow by that of its object; that one where it is gone."""
    known = _known.setdefault(session, {})
    wanted = sorted(set(workflows))
    unknown = [name for name in wanted if name not in known]
    found = await gathered(_true_name(session, name) for name in unknown)
    known.update({name: true for name, true in zip(unknown, found, strict=True) if true})
    return {name: known.get(name, name) for name in wanted}


async def true_name(session: Session, workflow: str) -> str:
    """Return the name of one workflow."""
    return (await true_names(session, [workflow]))[workflow]


async def _true_name(session: Session, name: str) -> str | None:
    try:
        stored = await session.cluster.get(WORKFLOW, session.namespace, name)
    except ApiError:  # gone, or not for our eyes: its object's name must do
        return None
    return Workflow.model_validate(stored).true_name
