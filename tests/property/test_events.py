"""Events in random worlds: exactly one run for each filter that lets them in.

What the operator sees comes late and in any order, and it may die between any two of its writes.
Who has answered may change: that is for later events.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT_FILTER, WORKFLOW, WORKFLOW_EVENT, WORKFLOW_RUN

from tests.property.test_runs import thorough
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import Operator
from tests.unit.operator.test_events import PAID, Killed, MortalCluster, manifest

SCOPES = ("eu", "us")
EXPRESSIONS = {"true": True, "false": False, "input.n == 1": True, "input.missing": False}
PATTERNS = {"paid": True, "p*d": True, "*": True, "order:*": False}
Start = tuple[str, int | None]
"""A run: of which workflow, and by the payload of which filter."""


@dataclass(frozen=True)
class Filter:
    number: int
    expression: str
    scope: str
    declared: bool
    """In the Workflow, or as an object of its own."""

    @property
    def rule(self) -> JsonObject:
        payload = {"number": self.number}
        return {"expression": self.expression, "scope": self.scope, "payload": payload}


@dataclass(frozen=True)
class Flow:
    name: str
    patterns: list[str]
    filters: list[Filter]

    def manifests(self) -> list[JsonObject]:
        default = [each.rule for each in self.filters if each.declared]
        tasks = [{"name": "a", "python": "m:a"}]
        spec: JsonObject = {"tasks": tasks, "onEvents": self.patterns, "defaultFilters": default}
        objects = [
            manifest("EventFilter", f"{self.name}-{each.number}", workflow=self.name, **each.rule)
            for each in self.filters
            if not each.declared
        ]
        return [manifest("Workflow", self.name, **spec), *objects]

    def starts(self, scope: str | None) -> list[Start]:
        """The rules, once more and simply."""
        if not any(PATTERNS[pattern] for pattern in self.patterns):
            return []
        if not self.filters:
            return [(self.name, None)]
        return [
            (self.name, each.number)
            for each in self.filters
            if each.scope == scope and EXPRESSIONS[each.expression]
        ]


@st.composite
def flows(draw: st.DrawFn) -> list[Flow]:
    def filters() -> list[Filter]:
        kinds = st.tuples(
            st.sampled_from(sorted(EXPRESSIONS)), st.sampled_from(SCOPES), st.booleans()
        )
        return [Filter(n, *each) for n, each in enumerate(draw(st.lists(kinds, max_size=3)))]

    patterns = st.lists(st.sampled_from(sorted(PATTERNS)), max_size=2, unique=True)
    return [Flow(name, draw(patterns), filters()) for name in ("one", "two", "three")]


@dataclass
class World:
    """The API server with all objects in it, and an operator that sees some of them."""

    cluster: MortalCluster = field(default_factory=lambda: MortalCluster(0, after=False))
    unseen: list[JsonObject] = field(default_factory=list[JsonObject])

    def __post_init__(self) -> None:
        self.operator = Operator(self.cluster)

    async def create(self, raw: JsonObject) -> None:
        self.unseen.append(await self.cluster.create_as_user(raw))

    def see(self, number: int) -> None:
        if self.unseen:
            self.operator.see(self.unseen.pop(number % len(self.unseen)))

    def restart(self) -> None:
        """The successor lists everything; its first look at the event comes later."""
        successor = Operator(self.cluster, self.operator.timers)
        successor.clock_begins(self.operator)
        self.operator, self.unseen = successor, []
        for kind in ("Workflow", "EventFilter", "WorkflowEvent", "WorkflowRun"):
            for raw in self.cluster.objects(kind):
                self.operator.see(raw)

    async def change(self, number: int) -> None:
        """Change the default filters of a workflow that has answered, or delete such a filter."""
        (event,) = self.cluster.objects(WORKFLOW_EVENT.kind)
        notes = event.get("status", {}).get("answered", [])
        if not notes:
            return
        note = notes[number % len(notes)]
        names: list[str] = note.get("filters", [])
        if names and number % 3:
            await self._delete_filter(names[number % len(names)])
            return
        rules = [Filter(99, "true", scope, declared=True).rule for scope in SCOPES]
        body = {"spec": {"defaultFilters": rules if number % 2 else []}}
        flow = await self.cluster.merge_patch(WORKFLOW, NAMESPACE, note["workflow"], body)
        self.unseen.append(flow)

    async def _delete_filter(self, name: str) -> None:
        known = {raw["metadata"]["name"] for raw in self.cluster.objects(EVENT_FILTER.kind)}
        if name in known:
            await self.cluster.delete(EVENT_FILTER, NAMESPACE, name)
            self.operator.intake.gone(EVENT_FILTER, (NAMESPACE, name), 10_000)

    async def reconcile(self, dies_at: int = 0, after: bool = False) -> None:
        self.cluster.writes_left, self.cluster.after = dies_at, after
        try:
            await self._reconcile()
        except Killed:
            self.restart()
        self.cluster.writes_left = 0

    async def _reconcile(self) -> None:
        """Reconcile the event, and again once what it asked for has been evaluated."""
        evaluated, requests = self.operator.evaluated, -1
        while evaluated.requests > requests:
            requests = evaluated.requests
            await self.operator.reconciler.reconcile(PAID)

    def started(self) -> Counter[Start]:
        return Counter(_start(run) for run in self.cluster.objects(WORKFLOW_RUN.kind))


def _start(run: JsonObject) -> Start:
    payload = run["spec"]["trigger"]["event"].get("filterPayload", {})
    return run["spec"]["workflow"], payload.get("number")


Step = tuple[str, int]
STEPS = ["see", "see", "see", "reconcile", "die before", "die after", "restart", "change"]
steps = st.lists(
    st.tuples(
        st.sampled_from(STEPS),
        st.integers(1, 20),
    ),
    min_size=8,
    max_size=25,
)


@thorough
@given(flows(), st.sampled_from([None, *SCOPES]), steps)
def test_an_event_starts_exactly_the_runs_it_should(
    workflows: list[Flow], scope: str | None, script: list[Step]
) -> None:
    asyncio.run(_live(workflows, scope, script))


async def _live(workflows: list[Flow], scope: str | None, script: list[Step]) -> None:
    world = World()
    for flow in workflows:
        for raw in flow.manifests():
            await world.create(raw)
    event: JsonObject = {"key": "paid", "payload": {"n": 1}} | ({"scope": scope} if scope else {})
    await world.create(manifest("WorkflowEvent", "paid-1", **event))
    expected = Counter(start for flow in workflows for start in flow.starts(scope))
    for kind, number in script:
        match kind:
            case "see":
                world.see(number)
            case "restart":
                world.restart()
            case "change":
                await world.change(number)
            case "reconcile":
                await world.reconcile()
            case _:
                await world.reconcile(number % 5 + 1, after=kind == "die after")
        assert world.started() <= expected
    while world.unseen:
        world.see(0)
    await world.reconcile()
    assert world.started() == expected
    world.operator.timers.pass_time(5)
    await world.reconcile()
    assert world.started() == expected
    (stored,) = world.cluster.objects(WORKFLOW_EVENT.kind)
    assert len(stored["status"].get("triggeredRuns", [])) == expected.total()
    assert stored["status"]["handledAt"]
