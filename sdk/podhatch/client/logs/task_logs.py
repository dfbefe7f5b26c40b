"""What tasks have printed, without what they streamed.

The lines are those of the pods' logs: they are there as long as the pods are.
"""

from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime

from podhatch.api.stream import MARK, decode_chunk
from podhatch.client import objects
from podhatch.client.listing.task_ids import resolved
from podhatch.client.logs.pod_logs import AttemptPod, find_written_pods, log_of
from podhatch.client.session import Session
from podhatch.client.sessions import session_of
from podhatch.client.target import Target
from podhatch.cluster import WORKFLOW_RUN


@dataclass(frozen=True)
class V1LogLine:
    """One line that a task printed.

    Attributes:
        created_at: When, in UTC by the node's clock.
        message: The line, without its end.
        task_external_id: `<run>/<task>`.
        task_display_name: Name of the task.
        attempt: Number of the attempt, from 1.
    """

    created_at: datetime
    message: str
    task_external_id: str
    task_display_name: str
    attempt: int


@dataclass(frozen=True)
class V1LogLineList:
    """Lines, the oldest first."""

    rows: list[V1LogLine]


async def find(
    target: Target, task_run_id: str, limit: int, since: datetime | None, until: datetime | None
) -> V1LogLineList:
    """Return the first `limit` lines from `since` on, attempt after attempt."""
    if limit < 1:
        raise ValueError(f"limit: {limit} is less than 1")
    session = await session_of(target)
    tasks = await resolved(session, task_run_id)
    objects.check_name(WORKFLOW_RUN, tasks.run)
    pods = await find_written_pods(session, await session.get_run(tasks.run), tasks)
    rows: list[V1LogLine] = []
    for pod in pods:
        if len(rows) < limit:
            rows += await _lines(session, tasks.run, pod, limit - len(rows), since, until)
    return V1LogLineList(rows)


def without_chunk(text: str) -> str | None:
    """Return what a task printed in a line; None if it only streamed."""
    if decode_chunk(text) is None:
        return text
    return text[: text.rindex(MARK)] or None


async def _lines(
    session: Session,
    run: str,
    pod: AttemptPod,
    limit: int,
    since: datetime | None,
    until: datetime | None,
) -> list[V1LogLine]:
    found: list[V1LogLine] = []
    async with aclosing(log_of(session, pod.name, since=since)) as lines:
        async for line in lines:
            if len(found) == limit or (until is not None and line.time > until):
                break
            text = without_chunk(line.text)
            if text is not None and (since is None or line.time >= since):
                task = f"{run}/{pod.task}"
                found.append(V1LogLine(line.time, text, task, pod.task, pod.attempt))
    return found
