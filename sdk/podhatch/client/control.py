"""What a user does with runs that exist, and with events: a request or two each, for the portal.

Called by the feature clients of `Hatchet`.
"""

from podhatch.api.event import WorkflowEvent
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.client.explain import explained
from podhatch.client.session import Session, session_of
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW_RUN, ApiError

CONFLICTS = 10
"""How often a replay is tried while somebody else changes the run."""


async def get(target: Target, name: str) -> WorkflowRun:
    """Return the run as it stands."""
    session = await session_of(target)
    return WorkflowRun.model_validate(await session.get_run(name))


async def cancel(target: Target, name: str) -> None:
    """Ask for the run to be cancelled."""
    session = await session_of(target)
    with explained("WorkflowRun", session.namespace, name):
        await _change(session, name, {"spec": {"desiredState": "Cancelled"}})


async def replay(target: Target, name: str, *, failed_only: bool) -> JsonObject:
    """Ask for the run to start over, and return it: its status is still that of before."""
    session = await session_of(target)
    tries = 0
    while True:
        tries += 1
        run = await session.get_run(name)
        count = run["spec"].get("replay", {}).get("count", 0) + 1
        spec = {"desiredState": "Running", "replay": {"count": count, "failedOnly": failed_only}}
        version = {"resourceVersion": run["metadata"]["resourceVersion"]}
        with explained("WorkflowRun", session.namespace, name):
            try:
                return await _change(session, name, {"metadata": version, "spec": spec})
            except ApiError as error:
                if error.reason != "Conflict" or tries == CONFLICTS:
                    raise


async def push(target: Target, manifest: JsonObject) -> WorkflowEvent:
    """Create the event, and return it as the cluster holds it."""
    session = await session_of(target)
    return WorkflowEvent.model_validate(await session.create(manifest))


async def _change(session: Session, name: str, body: JsonObject) -> JsonObject:
    session.changed.add(name)
    return await session.cluster.merge_patch(WORKFLOW_RUN, session.namespace, name, body)
