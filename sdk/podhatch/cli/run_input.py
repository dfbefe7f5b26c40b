"""The input that a command gives to runs: --input, and over it the -p of each field."""

from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.api.names import object_name
from podhatch.cli.objects import find_object
from podhatch.cli.values import parameters
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW


async def input_for(
    session: Session, workflow: str, given: JsonObject, fields: Sequence[str] | None
) -> JsonObject:
    """Return the input.

    Raises:
        Refused: There is no such workflow; the text names the nearest.
        WrongUsage: A field is not of the form KEY=VALUE.
    """
    name = object_name(workflow)
    stored = await find_object(session.cluster, WORKFLOW, session.namespace, name)
    return given | parameters(fields, stored["spec"].get("inputSchema"))
