"""The resync finds what a watch missed, makes it good, and tells when a watch is dead."""

from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import JOB, WORKFLOW_RUN, ApiError, Cluster, kind_of
from podhatch_operator.controllers.reconciler import WATCH_LIST
from podhatch_operator.controllers.run import RunController
from podhatch_operator.ops.leader import Leadership
from podhatch_operator.ops.server import Health
from podhatch_operator.watch.resync import PATIENCE_SECONDS, Resync
from podhatch_operator.watch.watched import Watches

from tests.unit.operator.listing import check_pages
from tests.unit.operator.manifests import run, workflow
from tests.unit.operator.objects import NAMESPACE
from tests.unit.operator.operator import RUN, Operator
from tests.unit.operator.operator_cluster import OperatorCluster

LEADS = Leadership(leads=True)


class Scene:
    """A cluster and an operator whose watches may be deaf."""

    def __init__(self) -> None:
        self.operator = Operator()
        self.slept: list[float] = []
        self.while_patient: list[JsonObject] = []
        self.resync = Resync(
            cast("Cluster", self.operator.cluster),
            WATCH_LIST.selectors,
            self.operator.cache,
            self.operator.intake,
            self.operator.metrics,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        for raw in self.while_patient:
            self.operator.intake.changed(kind_of(raw), raw)
        self.while_patient = []

    async def unheard(self, manifest: JsonObject) -> JsonObject:
        """Create an object without telling the operator."""
        return await self.operator.cluster.create_as_user(manifest)

    def waiting(self) -> int:
        return len(self.operator.queue)

    def missed(self, kind: str = "WorkflowRun") -> float:
        labels = {"kind": kind}
        registry = self.operator.metrics.registry
        return registry.get_sample_value("podhatch_watch_missed_total", labels) or 0


@pytest.fixture
async def scene() -> Scene:
    scene = Scene()
    await scene.unheard(workflow())
    await scene.resync.list_all()
    return scene


async def test_the_first_listing_fills_the_cache() -> None:
    scene = Scene()
    assert not scene.resync.listed
    await scene.unheard(workflow())
    await scene.unheard(run())
    await scene.unheard({"kind": "Job", "apiVersion": "batch/v1", "metadata": _foreign("job")})
    await scene.resync.list_all()
    assert scene.resync.listed
    assert RunController.observe(scene.operator.cache, NAMESPACE, "run") is not None
    assert scene.operator.cache.count(JOB) == 0


async def test_the_first_listing_is_tried_until_every_kind_is_there() -> None:
    scene = Scene()
    refusals = scene.operator.cluster.refusals
    refusals["list WorkflowRun"] = ApiError(404, "NotFound", "no such kind")

    async def sleep(seconds: float) -> None:
        scene.slept.append(seconds)
        assert not scene.resync.listed
        if len(scene.slept) == 3:
            refusals.clear()

    resync = Resync(
        cast("Cluster", scene.operator.cluster),
        WATCH_LIST.selectors,
        scene.operator.cache,
        scene.operator.intake,
        scene.operator.metrics,
        sleep=sleep,
    )
    await resync.list_all()
    assert resync.listed
    assert len(scene.slept) == 3


async def test_the_fake_lists_as_the_api_server_does() -> None:
    await check_pages(OperatorCluster())


async def test_an_object_that_cannot_be_taken_in_keeps_nobody_from_the_others(
    scene: Scene, caplog: pytest.LogCaptureFixture
) -> None:
    await scene.unheard({**run(), "metadata": _foreign("broken"), "spec": {}})
    await scene.unheard(run())
    await scene.resync.compare()
    assert scene.operator.cache.get(WORKFLOW_RUN, (NAMESPACE, "run"))
    assert "WorkflowRun default/broken could not be taken in" in caplog.text


async def test_a_first_listing_leaves_out_what_cannot_be_taken_in() -> None:
    scene = Scene()
    await scene.unheard({**run(), "metadata": _foreign("broken"), "spec": {}})
    await scene.unheard(run())
    await scene.resync.list_all()
    assert list(scene.operator.cache.places(WORKFLOW_RUN)) == [(NAMESPACE, "run")]


async def test_a_complete_cache_needs_no_repair(scene: Scene) -> None:
    await scene.resync.compare()
    assert scene.slept == []
    assert scene.waiting() == 0


async def test_what_the_watch_missed_is_made_good(scene: Scene) -> None:
    await scene.unheard(run())
    await scene.resync.compare()
    assert scene.slept == [PATIENCE_SECONDS]
    assert await scene.operator.queue.get() == RUN
    assert scene.missed() == 1
    assert scene.resync.dead_watches() == []


async def test_a_watch_may_lag_a_moment(scene: Scene) -> None:
    scene.while_patient = [await scene.unheard(run())]
    await scene.resync.compare()
    assert scene.missed() == 0


async def test_a_watch_that_misses_twice_in_a_row_is_dead(scene: Scene) -> None:
    health = Health(scene.operator.queue, scene.resync, Watches(WATCH_LIST.selectors), LEADS)
    created = await scene.unheard(run())
    await scene.resync.compare()
    assert health.why_restart() == ""
    await scene.operator.cluster.replace_status({**created, "status": {"phase": "Running"}})
    await scene.resync.compare()
    assert scene.resync.dead_watches() == ["WorkflowRun"]
    assert "WorkflowRun" in health.why_restart()


async def test_a_watch_that_hears_again_is_not_dead(scene: Scene) -> None:
    created = await scene.unheard(run())
    await scene.resync.compare()
    await scene.resync.compare()
    await scene.operator.cluster.replace_status({**created, "status": {"phase": "Running"}})
    await scene.resync.compare()
    assert scene.resync.dead_watches() == []


async def test_a_deletion_nobody_told_of_is_made_good(scene: Scene) -> None:
    await scene.operator.user_creates(run())
    await scene.operator.queue.get()
    await scene.operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")
    await scene.resync.compare()
    assert RunController.observe(scene.operator.cache, NAMESPACE, "run") is None
    assert scene.missed() == 0


async def test_what_ends_while_we_look_is_no_miss(scene: Scene) -> None:
    await scene.unheard(run())

    async def sleep(_: float) -> None:
        await scene.operator.cluster.delete(WORKFLOW_RUN, NAMESPACE, "run")

    resync = Resync(
        cast("Cluster", scene.operator.cluster),
        WATCH_LIST.selectors,
        scene.operator.cache,
        scene.operator.intake,
        scene.operator.metrics,
        sleep=sleep,
    )
    await resync.compare()
    assert RunController.observe(scene.operator.cache, NAMESPACE, "run") is None
    assert scene.missed() == 0


async def test_ready_when_all_is_listed_and_watched() -> None:
    scene = Scene()
    watches = Watches(WATCH_LIST.selectors, ["one", "two"])
    health = Health(scene.operator.queue, scene.resync, watches, LEADS)
    assert "listed" in health.why_not_ready()
    await scene.resync.list_all()
    assert "not watched yet" in health.why_not_ready()
    for kind in WATCH_LIST.selectors:
        for namespace in ("one", "two"):
            assert health.why_not_ready()
            watches.opened(kind.path(namespace))
    assert health.why_not_ready() == ""


async def test_a_standby_is_ready_unless_it_cannot_tell_who_leads() -> None:
    scene, leadership = Scene(), Leadership()
    health = Health(scene.operator.queue, scene.resync, Watches(WATCH_LIST.selectors), leadership)
    assert (health.why_not_ready(), health.state()) == ("", "standby")
    leadership.problem = "leases is forbidden"
    assert "leases is forbidden" in health.why_not_ready()


async def test_a_reconcile_that_never_ends_asks_for_a_restart() -> None:
    scene = Scene()
    health = Health(scene.operator.queue, scene.resync, Watches(WATCH_LIST.selectors), LEADS)
    scene.operator.queue.add(RUN)
    await scene.operator.queue.get()
    assert health.why_restart() == ""
    scene.operator.timers.pass_time(301)
    assert "reconcile" in health.why_restart()


def _foreign(name: str) -> JsonObject:
    return {"name": name, "namespace": NAMESPACE}
