"""The session of local runs: what a cluster's session does, over objects in memory.

Within `local_runs` it takes the place of a cluster's session (`podhatch.client.session_override`),
so that every run method of every workflow runs locally.
"""

import re
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from functools import partial

from podhatch.api.event import EventSource, WorkflowEvent, WorkflowEventSpec
from podhatch.api.labels import API_VERSION, TASK, WORKFLOW
from podhatch.api.model import JsonObject, ObjectMeta
from podhatch.api.names import MAX_LABEL_VALUE, TASK_NAME_PATTERN, object_name
from podhatch.client import session_override
from podhatch.client.background_loop import wait
from podhatch.client.explain import NO_ACCESS, only_reports
from podhatch.client.session import Session
from podhatch.client.twins import in_background
from podhatch.client.waiting import Followers
from podhatch.errors import ClusterUnreachable, InvalidRun, RequestRefused
from podhatch.local.clock import Clock
from podhatch.local.cluster import NAMESPACE, USER
from podhatch.local.engine import Engine
from podhatch.local.options import LocalEvent, LocalOptions
from podhatch.local.processes import in_processes
from podhatch.local.threads import in_threads
from podhatch.task.handle import is_known


class LocalSession(Session):
    """Everything that local runs share."""

    def __init__(self, engine: Engine) -> None:
        super().__init__(engine.cluster, NAMESPACE)
        self.engine = engine
        self.followers = LocalFollowers(engine)

    def _placed(self, manifest: JsonObject) -> JsonObject:
        """Return the object to create; refuse what a cluster would, and what nobody would run."""
        self._check_access(manifest)
        self._check_code(manifest)
        return super()._placed(manifest)

    def _check_access(self, manifest: JsonObject) -> None:
        """Refuse what the pod of the task that asks would not be allowed to do."""
        asked_by = self._task_that_asks(manifest["spec"])
        # Under an account of the user's, the cluster alone knows what the pod may do.
        if asked_by is None or asked_by.get("pod", {}).get("serviceAccountName"):
            return
        access = asked_by.get("clusterAccess", "report")
        if access == "none":
            raise ClusterUnreachable(NO_ACCESS)
        if access == "report":
            name = manifest["metadata"]["name"]
            raise RequestRefused(only_reports(f"{manifest['kind']} {name!r}"))

    def _task_that_asks(self, spec: JsonObject) -> JsonObject | None:
        """Return the task, as its workflow has it, that starts a run or pushes an event."""
        cluster = self.engine.cluster
        source: JsonObject = spec.get("parent") or spec.get("pushedBy") or {}
        job = cluster.find("Job", source.get("job", ""))
        names: dict[str, str] = job["metadata"]["labels"] if job else {}
        workflow = cluster.find("Workflow", names.get(WORKFLOW, ""))
        if workflow is None:
            return None
        return next((each for each in _tasks(workflow) if each["name"] == names[TASK]), None)

    def _check_code(self, manifest: JsonObject) -> None:
        """Refuse a run for whose workflow nobody would ever come."""
        if manifest["kind"] != "WorkflowRun":
            return
        workflow: str = manifest["spec"]["workflow"]
        cluster, mocks = self.engine.cluster, self.engine.mocks
        self._check_mocks(workflow)
        if cluster.find("Workflow", workflow) is not None:
            return
        stub = next((name for name in mocks if object_name(name) == workflow), None)
        if stub is None:
            raise InvalidRun(
                f"workflow {workflow!r} has no code in this process: a run without a cluster needs "
                f"the module that defines it; for a stub, pass mocks={{{workflow!r}: ...}}"
            )
        cluster.put(_mocked_workflow(stub))

    def _check_mocks(self, workflow: str) -> None:
        """Refuse what would stand in for nothing: a misspelt name would let the real code run."""
        stored = self.engine.cluster.stored("Workflow")
        tasks = {name: [task["name"] for task in _tasks(each)] for name, each in stored.items()}
        for name in self.engine.mocks:
            if not isinstance(name, str):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InvalidRun(f"mocks: expected the name of a task, got {name!r}")
            known = is_known(name) or any(name in each for each in tasks.values())
            if not known and object_name(name) != workflow:
                own = ", ".join(tasks.get(workflow, ())) or "none"
                raise InvalidRun(
                    f"mocks: there is no task or stub {name!r}, so the real code would run: "
                    f"the tasks of {workflow!r} are {own}; for code that is elsewhere, define "
                    f"hatchet.stubs.workflow(name={name!r})"
                )


def _tasks(workflow: JsonObject) -> list[JsonObject]:
    """Return a workflow's tasks, those at its end too."""
    spec = workflow["spec"]
    hooks = (spec.get("onFailureTask"), spec.get("onSuccessTask"))
    return [each for each in (*spec["tasks"], *hooks) if each]


def _mocked_workflow(stub: str) -> JsonObject:
    """Return what stands for a workflow whose code is elsewhere: one task, named as a stub's is."""
    name = stub.lower()
    task = name if re.fullmatch(TASK_NAME_PATTERN, name) else object_name(stub, MAX_LABEL_VALUE)
    return {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": {"name": object_name(stub)},
        "spec": {"name": stub, "tasks": [{"name": task, "container": {"image": "mock"}}]},
    }


class LocalFollowers(Followers):
    """Everything that is waited for: the engine is asked, since nothing is to be watched."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    async def end_of(self, run: JsonObject) -> JsonObject:
        """Return the run as it is at its end."""
        return await self._engine.ended(run)


@contextmanager
def local_runs(options: LocalOptions, *, everywhere: bool = False) -> Generator[LocalSession]:
    """Run locally what is run within: in this context, or everywhere in the process."""
    session = _session(options)
    used = session_override.set_everywhere if everywhere else session_override.set_here
    try:
        with used(session):
            session.engine.start()
            yield session
    finally:
        wait(session.engine.close())


@asynccontextmanager
async def blocking_local_runs(options: LocalOptions) -> AsyncGenerator[LocalSession]:
    """Do what `local_runs` does, in a `blocking` function."""
    session = _session(options)
    try:
        with session_override.set_here(session):
            session.engine.start()
            yield session
    finally:
        await in_background(session.engine.close())


def lasting_session() -> Session:
    """Return a session that lasts as long as the process."""
    session = _session(LocalOptions())
    session.engine.start()
    return session


def _session(options: LocalOptions) -> LocalSession:
    executor = (in_processes if options.processes else in_threads)(options.mocks)
    engine = Engine(options.clock or Clock(), executor, options.mocks)
    started_at = engine.clock.now()
    for number, event in enumerate(options.events, 1):
        push = partial(engine.cluster.put, event_manifest(f"local-event-{number}", event))
        engine.call_at(started_at + event.after, push)
    return LocalSession(engine)


def event_manifest(name: str, event: LocalEvent) -> JsonObject:
    """Return the object that an event is."""
    spec = WorkflowEventSpec(
        key=event.key,
        payload=dict(event.payload),
        scope=event.scope,
        pushed_by=EventSource(user=USER),
    )
    return WorkflowEvent(metadata=ObjectMeta(name=name), spec=spec).to_wire()
