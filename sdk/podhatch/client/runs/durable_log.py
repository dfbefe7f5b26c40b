"""The log of a durable task: its pages, and how a task is reset to one of its calls."""

from podhatch.api import labels
from podhatch.api.durable_log import DurableCall, DurableLog, DurableValue
from podhatch.api.model import JsonObject
from podhatch.api.names import durable_log_name, job_name
from podhatch.api.run import WorkflowRun
from podhatch.api.task_status import TaskStatus
from podhatch.client import objects
from podhatch.client.explain import explained
from podhatch.client.runs import control
from podhatch.client.runs.lookup import run_and_task
from podhatch.client.session import Session
from podhatch.cluster import DURABLE_LOG, ClusterApi
from podhatch.errors import RequestRefused


async def page_names(cluster: ClusterApi, run: WorkflowRun) -> dict[str, list[str]]:
    """Return the names of the pages of each durable task of the run that has a log, in order."""
    found, _ = await cluster.list(
        DURABLE_LOG,
        run.metadata.namespace,
        label_selector=f"{labels.RUN}={run.metadata.name}",
        metadata_only=True,
    )
    names = {str(each["metadata"]["name"]) for each in found}
    tasks = [task.name for task in run.status.tasks] if run.status else []
    logs = {task: log_name(run, task) for task in tasks}
    pages = {task: _numbered(name, names) for task, name in logs.items()}
    return {task: found for task, found in pages.items() if found}


def log_name(run: WorkflowRun, task: str) -> str:
    """Return the name of a task's log, without the number of a page."""
    return durable_log_name(job_name(run.metadata.name, run.metadata.uid, task, 1))


def _numbered(log: str, names: set[str]) -> list[str]:
    """Return the pages of a log: those that follow on each other from page 0."""
    pages: list[str] = []
    while f"{log}-{len(pages)}" in names:
        pages.append(f"{log}-{len(pages)}")
    return pages


async def last_pages(
    cluster: ClusterApi, run: WorkflowRun, calls: int
) -> dict[str, list[DurableLog]]:
    """Return, by task, the last pages of its log: as many as hold so many calls, if there are."""
    found: dict[str, list[DurableLog]] = {}
    for task, names in (await page_names(cluster, run)).items():
        pages: list[DurableLog] = []
        for name in reversed(names):
            stored = await cluster.get(DURABLE_LOG, run.metadata.namespace, name)
            pages.insert(0, DurableLog.model_validate(stored))
            if sum(len(page.spec.calls) for page in pages) >= calls:
                break
        found[task] = pages
    return found


async def reset(session: Session, task_id: str, node: int, branch: int | None = None) -> JsonObject:
    """Remove the calls of a durable task from `node` on, let it start over, and return its run."""
    run, task = await run_and_task(session, task_id)
    await remove_calls(session, run, task, node, branch)
    return await control.replay(session, run.metadata.name, task=task.name)


async def remove_calls(
    session: Session, run: WorkflowRun, task: TaskStatus, node: int, branch: int | None
) -> None:
    """Remove the calls of a task from `node` on; a pod that still runs can write none any more."""
    names, invocation = await _fence(session, run, task.name, task.attempt)
    pages = await _pages_from(session, names, node)
    removed = [call for page in pages for call in page.spec.calls if call.node >= node]
    log = f"the log of task {task.name} of run {run.metadata.name}"
    if not removed or removed[0].node != node:
        raise RequestRefused(f"{log} has no call {node}")
    if branch not in (None, removed[0].branch):
        raise RequestRefused(f"{log}: call {node} is of branch {removed[0].branch}, not {branch}")
    await _cut(session, pages, node, invocation)


async def _fence(
    session: Session, run: WorkflowRun, task: str, attempt: int
) -> tuple[list[str], int]:
    """Take the log away from a pod that may write it; return its pages and the next invocation."""
    names = await _names(session, run, task)
    while True:
        last = await objects.read(session, DurableLog, names[-1])
        invocation = max(attempt, last.spec.invocation) + 1
        body: JsonObject = {"spec": {"invocation": invocation}}
        await objects.patch(session, DurableLog, names[-1], body)
        before, names = names, await _names(session, run, task)
        if names == before:
            return names, invocation


async def _names(session: Session, run: WorkflowRun, task: str) -> list[str]:
    with explained(DURABLE_LOG.kind, session.namespace):
        names = (await page_names(session.cluster, run)).get(task)
    if not names:
        raise RequestRefused(
            f"task {task} of run {run.metadata.name} has no log: it is not durable, or has made "
            "no call"
        )
    return names


async def _pages_from(session: Session, names: list[str], node: int) -> list[DurableLog]:
    """Return the page that holds the call, and those after it."""
    pages: list[DurableLog] = []
    for name in reversed(names):
        page = await objects.read(session, DurableLog, name)
        pages.insert(0, page)
        if page.spec.calls and page.spec.calls[0].node <= node:
            break
    return pages


async def _cut(session: Session, pages: list[DurableLog], node: int, invocation: int) -> None:
    """Remove the calls from `node` on; the last page goes first, so that no page is missing."""
    calls: list[DurableCall] = [call for call in pages[0].spec.calls if call.node < node]
    values: list[DurableValue] = [
        value for page in pages for value in page.spec.values if value.node < node
    ]
    for page in reversed(pages[1:]):
        await objects.delete(session, DURABLE_LOG, page.metadata.name)
    spec: JsonObject = {
        "invocation": invocation,
        "branch": pages[-1].spec.branch + 1,
        "closed": False,
        "cancelled": [each for each in pages[-1].spec.cancelled if each < node],
        "calls": [call.to_wire() for call in calls],
        "values": [value.to_wire() for value in values],
    }
    await objects.patch(session, DurableLog, pages[0].metadata.name, {"spec": spec})
