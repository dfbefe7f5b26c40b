"""Creators of runs with one key, in any interleaving: at most one run holds the key."""

import asyncio
from collections.abc import AsyncGenerator, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.idempotency import Idempotency
from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject
from podhatch.client.runs import claim as creation
from podhatch.client.session import Session
from podhatch.cluster import WORKFLOW_RUN, ApiError, Kind
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.core.common.idempotency import KeyedRuns, KeyGrants, RunKey, claim, holds_key
from podhatch.errors import IdempotencyCollisionError

from tests.property.test_runs import worlds

KEY = RunKey("flow", "k")
SECONDS = 10
RULES = (
    Idempotency(key_expression="'k'", ttl_seconds=SECONDS),
    Idempotency(key_expression="'k'", fallback_ttl_seconds=SECONDS),
)
Step = tuple[str, int]


class GatedCluster(InMemoryCluster):
    """The API server: each request waits until it is let through."""

    def __init__(self) -> None:
        super().__init__()
        self.time = datetime(2030, 1, 1, tzinfo=UTC)
        self.gates: dict[asyncio.Task[Any], asyncio.Event] = {}
        self.moved = asyncio.Event()

    def timestamp(self) -> str:
        return f"{self.time:%Y-%m-%dT%H:%M:%SZ}"

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        await self._pass()
        return await super().create(manifest, dry_run=dry_run)

    async def get(
        self, kind: Kind, namespace: str, name: str, *, bounded: bool = False
    ) -> JsonObject:
        await self._pass()
        return await super().get(kind, namespace, name, bounded=bounded)

    async def pages(
        self, kind: Kind, namespace: str | None = None, **asked: Any
    ) -> AsyncGenerator[tuple[list[JsonObject], str], None]:
        await self._pass()
        async for page in super().pages(kind, namespace, **asked):
            yield page

    async def _pass(self) -> None:
        task = asyncio.current_task()
        assert task is not None
        gate = self.gates[task] = asyncio.Event()
        self.moved.set()
        await gate.wait()

    def runs(self) -> list[JsonObject]:
        return [*self.stored("WorkflowRun").values()]

    def holders(self) -> set[str]:
        """Return the names of the runs that hold the key."""
        return {run["metadata"]["name"] for run in self.runs() if holds_key(run, self.time)}


class Creator:
    """One who asks for a run, with what has held the key since."""

    def __init__(self, cluster: GatedCluster, create: Coroutine[Any, Any, str | None]) -> None:
        self.seen = cluster.holders()
        self.task = asyncio.ensure_future(create)


class Race:
    def __init__(self) -> None:
        self.cluster = GatedCluster()
        self.session = Session(self.cluster, "default")
        self.creators: list[Creator] = []
        self.count = 0
        self.refused = 0

    async def take(self, kind: str, number: int) -> None:
        cluster = self.cluster
        holding = sorted(cluster.holders())
        if kind in ("sdk", "operator"):
            self.count += 1
            of = RULES[number % 2]
            create = self.by_sdk(of) if kind == "sdk" else self.by_operator(of, self.count)
            await self.reach(Creator(cluster, create))
        elif kind == "step" and self.creators:
            creator = self.creators.pop(number % len(self.creators))
            cluster.gates.pop(creator.task).set()
            await self.reach(creator)
        elif kind == "end" and holding:
            cluster.change("WorkflowRun", holding[0], status=DONE)
        elif kind == "delete" and holding:
            cluster.remove("WorkflowRun", holding[0])
        elif kind == "clean up" and not self.creators:
            for name in {*cluster.stored("WorkflowRun")} - cluster.holders():
                cluster.remove("WorkflowRun", name)
        elif kind == "pass time":
            cluster.time += timedelta(seconds=number)
        self.check()

    async def reach(self, creator: Creator) -> None:
        """Let a creator go on until its next request, or its end."""
        while not creator.task.done() and creator.task not in self.cluster.gates:
            self.cluster.moved.clear()
            moved = asyncio.ensure_future(self.cluster.moved.wait())
            await asyncio.wait({creator.task, moved}, return_when=asyncio.FIRST_COMPLETED)
            moved.cancel()
        if not creator.task.done():
            self.creators.append(creator)
            return
        name = creator.task.result()
        if name is not None:
            self.refused += 1
            assert name in creator.seen, "the run that is named did not hold the key meanwhile"

    def check(self) -> None:
        holders = self.cluster.holders()
        assert len(holders) <= 1, "two runs hold the key"
        for creator in self.creators:
            creator.seen |= holders

    async def by_sdk(self, rule: Idempotency) -> str | None:
        """Create a run as the SDK does, or return the name of the run that holds the key."""
        try:
            await creation.create(self.session, manifest("any", {}), rule, None)
        except IdempotencyCollisionError as error:
            return error.existing_run_external_id
        return None

    async def by_operator(self, rule: Idempotency, number: int) -> str | None:
        """Create the run of an event as the operator does."""
        wanted = manifest("any", {"event": {"id": f"event-{number}", "key": "go"}})
        while True:
            runs, _ = await self.cluster.list(WORKFLOW_RUN, "default", field_selector=KEY.selector)
            known = {KEY: KeyedRuns(runs, self.cluster.now())}
            keyed = KeyGrants(known).grant(wanted, claim(rule, KEY.key))
            if keyed.manifest is None:
                return keyed.run
            try:
                await self.cluster.create(keyed.manifest)
            except ApiError as error:
                if error.status != 409:
                    raise
                continue
            return None


DONE: JsonObject = {"phase": "Succeeded"}


def manifest(name: str, trigger: JsonObject) -> JsonObject:
    spec: JsonObject = {"workflow": "flow", **({"trigger": trigger} if trigger else {})}
    metadata = {"name": name}
    return {"apiVersion": API_VERSION, "kind": "WorkflowRun", "metadata": metadata, "spec": spec}


def fixed_key(spec: JsonObject, rule: Idempotency) -> str:
    """Evaluate nothing, which would start a process."""
    return KEY.key


kinds = st.sampled_from(
    ("sdk", "operator", "step", "step", "step", "step", "end", "delete", "clean up", "pass time")
)


@worlds
@given(st.lists(st.tuples(kinds, st.integers(0, SECONDS + 2)), max_size=60))
def test_at_most_one_run_holds_a_key_and_nobody_is_refused_without_one(
    script: list[Step],
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(creation, "_key_text", fixed_key)
        asyncio.run(_race(script))


async def _race(script: list[Step]) -> None:
    race = Race()
    for kind, number in script:
        await race.take(kind, number)
    while race.creators:
        await race.take("step", 0)


def test_twenty_creators_in_step_make_one_run() -> None:
    async def make() -> None:
        race = Race()
        for number in range(20):
            await race.take(("sdk", "operator")[number % 2], number)
        while race.creators:
            await race.take("step", 0)
        assert len(race.cluster.runs()) == 1
        assert race.refused == 19

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(creation, "_key_text", fixed_key)
        asyncio.run(make())
