"""Generated programs of durable tasks, and a world that runs them: pods, operator and clock.

The clock moves only while the code waits, so a program has one result, however often its pod dies.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from typing import Literal, TypeAlias, TypeVar, cast

from podhatch import SleepCondition, UserEventCondition, or_
from podhatch.api.labels import API_VERSION
from podhatch.api.limits import RUN
from podhatch.api.model import JsonObject, format_time
from podhatch.api.names import durable_log_name, job_name
from podhatch.cluster import ApiError, ClusterApi, Kind, WatchEvent
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.durable.plan import plan_durable_log
from podhatch.core.durable.progress import awaited_events, waits_over
from podhatch.durable.journal import LogJournal
from podhatch.durable.store import LogIdentity, LogStore, TakenOver
from podhatch.task.durable_context import DurableContext
from podhatch.task.journal import call_key

T = TypeVar("T")
Fault = Literal["before", "after", "freeze"]
"""What befalls a pod at a write: it dies before or after, or stands still and goes on later."""

NAMESPACE = "shop"
RUN_NAME, RUN_UID, TASK = "orders-1", "uid-run", "approve"
LOG = durable_log_name(job_name(RUN_NAME, RUN_UID, TASK, 1))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
EVENT_KEYS = ("paid", "sent")
MAX_STEPS = 2000
STEP_SECONDS = 20.0
"""In which a pod comes to rest, on a busy machine too."""


@dataclass(frozen=True)
class Sleep:
    seconds: int


@dataclass(frozen=True)
class Event:
    key: str


@dataclass(frozen=True)
class Either:
    """An event, or a time-out."""

    key: str
    seconds: int


@dataclass(frozen=True)
class Memo:
    value: int


@dataclass(frozen=True)
class Child:
    seconds: int
    """How long the child run takes."""


@dataclass(frozen=True)
class InTurn:
    steps: "tuple[Step, ...]"


@dataclass(frozen=True)
class AtOnce:
    steps: "tuple[Step, ...]"


@dataclass(frozen=True)
class Race:
    """What ends first counts; the others are cancelled."""

    steps: "tuple[Step, ...]"


@dataclass(frozen=True)
class Beside:
    """A step that is cancelled once another one has ended."""

    step: "Step"
    other: "Step"


Step: TypeAlias = Sleep | Event | Either | Memo | Child | InTurn | AtOnce | Race | Beside


async def perform(step: Step, ctx: DurableContext, pod: "Pod") -> object:
    """Run a program, and return what it saw."""
    if isinstance(step, (Race, Beside)):
        return await _with_cancels(step, ctx, pod)
    if isinstance(step, InTurn):
        return [await perform(each, ctx, pod) for each in step.steps]
    if isinstance(step, AtOnce):
        return [*await asyncio.gather(*(perform(each, ctx, pod) for each in step.steps))]
    found = await _call(step, ctx, pod)
    pod.results += 1
    return found


async def _with_cancels(step: Race | Beside, ctx: DurableContext, pod: "Pod") -> object:
    """Run steps of which some are cancelled, and return which ended, and how."""
    steps = step.steps if isinstance(step, Race) else (step.step,)
    tasks = [asyncio.create_task(perform(each, ctx, pod)) for each in steps]
    try:
        if isinstance(step, Race):
            other: object = None
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        else:
            other = await perform(step.other, ctx, pod)
        return [other, *((each.done() and each.result()) for each in tasks)]
    finally:
        for each in tasks:
            each.cancel()


async def _call(
    step: Sleep | Event | Either | Memo | Child, ctx: DurableContext, pod: "Pod"
) -> object:
    if isinstance(step, Sleep):
        slept = await ctx.aio_sleep_for(timedelta(seconds=step.seconds))
        return slept.duration.total_seconds()
    if isinstance(step, Event):
        return await ctx.aio_wait_for_event(step.key)
    if isinstance(step, Either):
        time_out = SleepCondition(timedelta(seconds=step.seconds), readable_data_key="late")
        met = await ctx.aio_wait_for("either", or_(UserEventCondition(step.key), time_out))
        return sorted(met["CREATE"])
    if isinstance(step, Memo):
        return await ctx.aio_memo(_tenfold, int, step.value)
    return await pod.run_child(ctx, step.seconds)


async def _tenfold(value: int) -> int:
    await asyncio.sleep(0)
    return value * 10


class Cluster(InMemoryCluster):
    """A cluster whose clock the world moves."""

    def __init__(self) -> None:
        super().__init__(NAMESPACE)
        self.time = BEGIN

    def timestamp(self) -> str:
        return f"{self.time:%Y-%m-%dT%H:%M:%SZ}"


class World:
    """All that is outside of the pods."""

    def __init__(
        self, faults: Mapping[int, Fault] | None = None, evictions: Sequence[bool] = (False,)
    ) -> None:
        self.cluster = Cluster()
        self.writes = 0
        self.stale_writes: list[str] = []
        """What pods have written to the log that have a successor."""
        self.pods: list[Pod] = []
        self.changed = asyncio.Event()
        self._faults = faults or {}
        self._evictions = evictions
        self._rests = count()
        self._events: list[JsonObject] = []
        self._run = self.cluster.put(
            {
                "apiVersion": API_VERSION,
                "kind": "WorkflowRun",
                "metadata": {"name": RUN_NAME, "uid": RUN_UID},
                "spec": {"workflow": "orders"},
                "status": {"phase": "Running", "tasks": [{"name": TASK, "state": "Running"}]},
            }
        )

    @property
    def now(self) -> datetime:
        return self.cluster.time

    @property
    def pages(self) -> list[JsonObject]:
        found = self.cluster.objects("DurableLog")
        return sorted(found, key=lambda page: int(page["spec"]["page"]))

    @property
    def children(self) -> dict[str, JsonObject]:
        stored = self.cluster.stored("WorkflowRun")
        return {name: run for name, run in stored.items() if name != RUN_NAME}

    async def run(self, program: Step) -> object:
        """Return the result of the program, in as many pods as it takes."""
        pod = self._start(program)
        try:
            for _ in range(MAX_STEPS):
                await self._at_rest(pod)
                if not (pod.is_dead or pod.is_frozen):
                    assert pod.results >= pod.wanted, "the task was resumed for nothing"
                if pod.task.done():
                    await self._thaw()
                    return pod.task.result()
                if pod.is_dead or pod.is_frozen:
                    pod = self._start(program)
                elif not self._operate():
                    if self._evictions[next(self._rests) % len(self._evictions)]:
                        pod = self._evict(pod, program)
                    else:
                        self._advance()
            raise AssertionError("the program does not end")
        finally:
            for each in self.pods:
                each.stop()

    def fault(self) -> Fault | None:
        """Count a write of a pod, and say what befalls it."""
        self.writes += 1
        return self._faults.get(self.writes)

    def _start(self, program: Step) -> "Pod":
        if self.pods and not self.pods[-1].is_frozen:
            self.pods[-1].stop()
        self.pods.append(Pod(self, program, len(self.pods) + 1))
        return self.pods[-1]

    async def _at_rest(self, pod: "Pod") -> None:
        async with asyncio.timeout(STEP_SECONDS):
            while not (pod.task.done() or pod.is_dead or pod.is_frozen):
                if pod.parked is not None and pod.parked == waits_over(self.pages):
                    return
                self.changed.clear()
                await self.changed.wait()

    async def _thaw(self) -> None:
        """Let those go on that stood still: they must find that they have a successor."""
        frozen = [each for each in self.pods if each.is_frozen]
        for each in frozen:
            each.thaw.set()
        async with asyncio.timeout(STEP_SECONDS):
            while not all(each.is_lost or each.task.done() for each in frozen):
                self.changed.clear()
                await self.changed.wait()

    def _evict(self, pod: "Pod", program: Step) -> "Pod":
        """Give up a pod that waits, and start another one once it has something to do."""
        seen = pod.parked
        assert seen is not None
        pod.stop()
        while waits_over(self.pages) <= seen:
            if not self._operate():
                self._advance()
        successor = self._start(program)
        successor.wanted = pod.results + 1
        return successor

    def _operate(self) -> bool:
        """Do what the operator does now; return whether there was anything."""
        is_news = False
        for name, run in self.children.items():
            if "status" not in run and self._end_of(run) <= self.now:
                status = {"phase": "Succeeded", "finishedAt": format_time(self.now)}
                self.cluster.change("WorkflowRun", name, status=status)
                is_news = True
        for page in self.pages:
            if (status := self._plan(page).status) is not None:
                self.cluster.change("DurableLog", page["metadata"]["name"], status=status)
                is_news = True
        return is_news

    def _plan(self, page: JsonObject):
        observed = ObservedDurableLog(
            log=page, run=self._run, events=self._events, children=self.children
        )
        return plan_durable_log(observed, self.now)

    def _advance(self) -> None:
        """Move the clock to the next moment at which something happens."""
        half = self.now.replace(microsecond=500_000)
        next_push = half if half > self.now else half + timedelta(seconds=1)
        moments = [self._end_of(run) for run in self.children.values() if "status" not in run]
        plans = [self._plan(page).requeue_at for page in self.pages]
        moments += [each for each in plans if each is not None]
        if any(map(awaited_events, self.pages)):
            moments.append(next_push)
        self.cluster.time = min(each for each in moments if each > self.now)
        if self.now == next_push:
            self._events += [self._event(key) for key in EVENT_KEYS]

    def _event(self, key: str) -> JsonObject:
        at = format_time(self.now)
        return {
            "apiVersion": API_VERSION,
            "kind": "WorkflowEvent",
            "metadata": {
                "name": f"{key}-{len(self._events)}",
                "namespace": NAMESPACE,
                "creationTimestamp": self.cluster.timestamp(),
            },
            "spec": {"key": key, "payload": {"key": key, "at": at}, "seenAt": at},
        }

    @staticmethod
    def _end_of(run: JsonObject) -> datetime:
        began = datetime.fromisoformat(run["spec"]["input"]["began"])
        return began + timedelta(seconds=run["spec"]["input"]["seconds"])


class Pod:
    """One invocation of the task, from its first line."""

    def __init__(self, world: World, program: Step, invocation: int) -> None:
        self.is_dead = self.is_frozen = self.is_lost = False
        self.results = 0
        """How many calls have returned to the code."""
        self.wanted = 0
        """How many of them there must be when it rests: more than its predecessor had."""
        self.thaw = asyncio.Event()
        self.journal: LogJournal | None = None
        self._world = world
        self.view = View(world, self)
        self._program = program
        self.invocation = invocation
        self.task = asyncio.create_task(self._run())
        self.task.add_done_callback(lambda _: world.changed.set())

    @property
    def parked(self) -> int | None:
        return self.journal.parked if self.journal else None

    def stop(self) -> None:
        """End it at once."""
        if self.journal is not None:
            self.journal.close()
        self.task.cancel()

    async def run_child(self, ctx: DurableContext, seconds: int) -> object:
        """Start a child run as the SDK does, and return its output."""
        index = ctx.next_child_index()
        name = f"child-{index}"

        async def start() -> None:
            asked = {"seconds": seconds, "began": self._world.now.isoformat()}
            run = {
                "apiVersion": API_VERSION,
                "kind": "WorkflowRun",
                "metadata": {"name": name, "namespace": NAMESPACE},
                "spec": {"workflow": "part", "input": asked},
            }
            try:
                await self.view.create(run)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise

        async def read() -> object:
            run = self._world.children[name]
            assert run["status"]["phase"] == "Succeeded"
            return run["spec"]["input"]["seconds"]

        return await ctx.journal.child(call_key(RUN, [seconds]), name, start, read, None)

    async def _run(self) -> object:
        identity = LogIdentity(NAMESPACE, LOG, RUN_NAME, RUN_UID, TASK, self.invocation)
        store = LogStore(cast("ClusterApi", self.view), identity)
        try:
            pages = await store.open()
        except TakenOver:
            self._lose()
            return None
        self.journal = LogJournal(
            store,
            pages,
            task_run_id=f"job-{self.invocation}",
            ttl=None,
            evict=lambda _: None,
            lose=self._lose,
            in_background=asyncio.ensure_future,
            now=lambda: self._world.now,
            on_parked=self._world.changed.set,
        )
        ctx = DurableContext(
            workflow_run_id=RUN_NAME,
            task_run_id=f"job-{self.invocation}",
            workflow_name="orders",
            task_name=TASK,
        )
        ctx.journal = self.journal
        return await perform(self._program, ctx, self)

    def _lose(self) -> None:
        self.is_lost = True
        self._world.changed.set()


class View:
    """The verbs of the cluster that a pod needs, until something befalls the pod."""

    def __init__(self, world: World, pod: Pod) -> None:
        self._world = world
        self._pod = pod

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        await asyncio.sleep(0)
        return await self._world.cluster.get(kind, namespace, name, bounded=bounded)

    async def list(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        label_selector: str = "",
        field_selector: str = "",
        metadata_only: bool = False,
    ) -> tuple[list[JsonObject], str]:
        await asyncio.sleep(0)
        return await self._world.cluster.list(kind, namespace, label_selector=label_selector)

    async def watch(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        name: str | None = None,
        label_selector: str = "",
        resource_version: str = "",
    ) -> AsyncGenerator[WatchEvent, None]:
        stream = self._world.cluster.watch(
            kind, namespace, label_selector=label_selector, resource_version=resource_version
        )
        async for event in stream:
            if self._pod.is_frozen and not self._pod.thaw.is_set():
                await self._pod.thaw.wait()
            yield event

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        request = partial(self._world.cluster.create, manifest, dry_run=dry_run)
        return await self._write(manifest["kind"], request)

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        request = partial(self._world.cluster.merge_patch, kind, namespace, name, body)
        return await self._write(kind.kind, request)

    async def _write(self, kind: str, request: Callable[[], Awaitable[T]]) -> T:
        await asyncio.sleep(0)
        fault = self._world.fault()
        if fault == "before":
            await self._die()
        if fault == "freeze" and not self._pod.is_frozen:
            self._pod.is_frozen = True
            self._world.changed.set()
            await self._pod.thaw.wait()
        answer = await request()
        if kind == "DurableLog" and self._pod is not self._world.pods[-1]:
            self._world.stale_writes.append(str(request))
        if fault == "after":
            await self._die()
        return answer

    async def _die(self) -> None:
        self._pod.is_dead = True
        self._world.changed.set()
        await asyncio.Event().wait()


@dataclass
class Outcome:
    """How a program ended."""

    result: object
    children: set[str] = field(default_factory=set[str])
    calls: int = 0
    pods: int = 0


async def outcome(
    program: Step,
    faults: Mapping[int, Fault] | None = None,
    evictions: Sequence[bool] = (False,),
) -> Outcome:
    """Run a program in a world of its own."""
    world = World(faults, evictions)
    result = await world.run(program)
    assert world.stale_writes == []
    calls = [call for page in world.pages for call in page["spec"].get("calls", [])]
    assert [call["node"] for call in calls] == [*range(1, len(calls) + 1)]
    return Outcome(result, {*world.children}, len(calls), len(world.pods))
