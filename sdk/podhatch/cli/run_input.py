"""What a command starts: a workflow that is there, and --input, over it the -p of each field."""

from collections.abc import Sequence

from podhatch.api.model import JsonObject
from podhatch.cli.objects import find_object
from podhatch.cli.values import parameters
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW


async def workflow_and_input(
    session: Session, workflow: str, given: JsonObject, fields: Sequence[str] | None
) -> tuple[str, JsonObject]:
    """Return the name of the workflow's object, and the input of its run.

    Raises:
        Refused: There is no such workflow; the text names the nearest.
        WrongUsage: A field is not of the form KEY=VALUE.
    """
    stored = await find_object(session.cluster, WORKFLOW, session.namespace, workflow)
    values = given | parameters(fields, stored["spec"].get("inputSchema"))
    return str(stored["metadata"]["name"]), values
