"""What is added to the queue: whatever may change a plan, and not what the core never sees."""

import asyncio
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, POD, TASK_RESULT, WORKFLOW_RUN, Kind
from podhatch.core.common.observed import Observed
from podhatch_operator.cache.cache import Cache
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.controllers.run import RunController
from podhatch_operator.metrics import Hops, Metrics
from podhatch_operator.queue.work_queue import Queue
from podhatch_operator.watch.intake import Intake

from tests.unit.operator.objects import NAMESPACE, child, replayed, run
from tests.unit.operator.operator import RUN
from tests.unit.operator.timers import FakeTimers

KINDS = {"job": JOB, "pod": POD, "result": TASK_RESULT}
Step = tuple[str, int]
steps = st.lists(
    st.tuples(
        st.sampled_from(
            ["Running", "Succeeded", "Cancelled", "replay"]
            + [f"{what} {kind}" for what in ("change", "end", "delete", "repeat") for kind in KINDS]
        ),
        st.integers(1, 2),
    ),
    max_size=30,
)


class Feed:
    """An intake, and the queue's keys since it was asked last."""

    def __init__(self) -> None:
        metrics = Metrics()
        self.cache = Cache(WATCH_LIST.indexes, lambda: 0.0)
        self.queue = Queue(FakeTimers(), metrics)
        self.intake = Intake(WATCH_LIST, self.cache, self.queue, Hops(metrics.hop))
        self.version = 0

    def take(self, step: Step) -> None:
        kind, number = step
        self.version += 1
        match kind.split():
            case ["replay"]:
                self.intake.changed(WORKFLOW_RUN, replayed(self.version))
            case [phase]:
                self.intake.changed(WORKFLOW_RUN, run(self.version, phase=phase))
            case [what, name]:
                self._take_child(what, KINDS[name], f"job-{number}")
            case _:
                raise ValueError(kind)

    def _take_child(self, what: str, kind: Kind, name: str) -> None:
        raw = child(kind.kind, name, self.version)
        raw["status"] = {"conditions": raw["status"]["conditions"]} if what == "end" else {}
        if what == "delete":
            self.intake.deleted(kind, raw)
        elif what == "repeat":
            raw["metadata"]["resourceVersion"] = "1"
            self.intake.changed(kind, raw)
        else:
            self.intake.changed(kind, raw)

    async def keys(self) -> list[object]:
        taken: list[object] = []
        while len(self.queue):
            key = await self.queue.get()
            assert key is not None
            self.queue.done(key)
            taken.append(key)
        return taken


def seen(cache: Cache) -> Observed | None:
    """Return what the core is shown, but for the counters of Jobs and all versions."""
    observed = RunController.observe(cache, NAMESPACE, "run")
    if observed is None:
        return None
    facts = {name: job.get("status", {}).get("conditions") for name, job in observed.jobs.items()}
    jobs = {name: {"status": each} for name, each in facts.items()}
    pods = {name: [*map(_without_version, each)] for name, each in observed.pods.items()}
    return replace(observed, jobs=jobs, pods=pods)


def _without_version(raw: JsonObject) -> JsonObject:
    return {**raw, "metadata": {**raw["metadata"], "resourceVersion": ""}}


@given(steps)
def test_nothing_that_the_core_sees_changes_without_a_plan(script: list[Step]) -> None:
    asyncio.run(_live(script))


async def _live(script: list[Step]) -> None:
    feed = Feed()
    for step in script:
        before = seen(feed.cache)
        feed.take(step)
        queued = RUN in await feed.keys()
        assert queued or seen(feed.cache) == before, step


async def test_a_pod_that_only_loses_its_finalizer_is_not_planned() -> None:
    feed = Feed()
    feed.take(("Running", 1))
    pod = child("Pod", "job-1", 2)
    pod["metadata"]["finalizers"] = ["batch.kubernetes.io/job-tracking"]
    feed.intake.changed(POD, pod)
    assert await feed.keys() == [RUN]
    feed.intake.changed(POD, child("Pod", "job-1", 3))
    assert await feed.keys() == []
    feed.intake.changed(POD, {**child("Pod", "job-1", 4), "status": {"phase": "Failed"}})
    assert await feed.keys() == [RUN]


async def test_what_comes_after_the_end_of_a_run_is_not_planned() -> None:
    feed = Feed()
    for step in ("Running", "change job", "change pod", "change result", "Succeeded"):
        feed.take((step, 1))
    assert RUN in await feed.keys()
    for step in ("change pod", "end pod", "delete pod", "change result", "delete result"):
        feed.take((step, 1))
    assert await feed.keys() == []
    feed.take(("end job", 1))
    assert await feed.keys() == [RUN]
    feed.take(("end job", 1))
    assert await feed.keys() == []
    feed.take(("delete job", 1))
    assert await feed.keys() == [RUN]
