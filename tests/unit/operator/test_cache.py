"""The cache shows the newest that is known, never brings back the dead, and keeps its indexes."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from podhatch.api.model import JsonObject
from podhatch.cluster import (
    CONTROLLER_REVISION,
    JOB,
    POD,
    TASK_RESULT,
    WORKFLOW,
    WORKFLOW_EVENT,
    WORKFLOW_RUN,
    Kind,
)
from podhatch.core.common.observed import UNDECIDED, Observed
from podhatch_operator.cache.cache import Cache
from podhatch_operator.cache.store import REMEMBERED_SECONDS
from podhatch_operator.cache.trimming import ended_job
from podhatch_operator.controllers.reconciler import WATCH_LIST, all_keys
from podhatch_operator.controllers.run import RunController
from podhatch_operator.keys import Key, run_key

from tests.unit.operator.objects import NAMESPACE, child, event, replayed, revision, run, workflow
from tests.unit.operator.timers import FakeTimers

PLACE = (NAMESPACE, "run")


def new_cache() -> Cache:
    return Cache(WATCH_LIST.indexes, lambda: 0.0)


def observe(cache: Cache, name: str = "run") -> Observed:
    observed = RunController.observe(cache, NAMESPACE, name)
    assert observed is not None
    return observed


@pytest.mark.parametrize(
    ("known", "offered", "news"), [(None, 5, True), (5, 5, False), (5, 4, False), (9, 10, True)]
)
def test_only_newer_objects_are_news(known: int | None, offered: int, news: bool) -> None:
    cache = new_cache()
    if known is not None:
        cache.apply(WORKFLOW_RUN, run(known))
    assert cache.apply(WORKFLOW_RUN, run(offered)) is news
    assert cache.version(WORKFLOW_RUN, PLACE) == max(known or 0, offered)


def test_managed_fields_are_not_kept_and_the_original_is_not_touched() -> None:
    cache, raw = new_cache(), run()
    cache.apply(WORKFLOW_RUN, raw)
    held = cache.get(WORKFLOW_RUN, PLACE)
    assert held is not None
    assert "managedFields" not in held["metadata"]
    assert "managedFields" in raw["metadata"]


def test_a_late_answer_does_not_bring_back_a_deleted_object() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(5))
    assert cache.remove(WORKFLOW_RUN, PLACE, 8)
    assert not cache.apply(WORKFLOW_RUN, run(7))
    assert cache.get(WORKFLOW_RUN, PLACE) is None
    assert cache.version(WORKFLOW_RUN, PLACE) == 8


def test_an_object_made_anew_lives_and_survives_the_late_end_of_the_old_one() -> None:
    cache = new_cache()
    cache.remove(WORKFLOW_RUN, PLACE, 8)
    assert cache.apply(WORKFLOW_RUN, run(9))
    assert not cache.remove(WORKFLOW_RUN, PLACE, 8)
    assert cache.get(WORKFLOW_RUN, PLACE) is not None


def test_tombstones_are_forgotten_in_time() -> None:
    timers = FakeTimers()
    cache = Cache(WATCH_LIST.indexes, timers.time)
    cache.remove(WORKFLOW_RUN, PLACE, 8)
    timers.pass_time(REMEMBERED_SECONDS + 1)
    cache.remove(WORKFLOW_RUN, (NAMESPACE, "other"), 9)
    assert cache.version(WORKFLOW_RUN, PLACE) == 0
    assert cache.version(WORKFLOW_RUN, (NAMESPACE, "other")) == 9


def test_a_run_is_observed_with_all_that_belongs_to_it() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW, workflow())
    cache.apply(WORKFLOW_RUN, run())
    cache.apply(CONTROLLER_REVISION, revision("flow-1"))
    cache.apply(CONTROLLER_REVISION, revision("other-1", flow="other"))
    for name in ("job-1", "job-2"):
        cache.apply(JOB, child("Job", name))
        cache.apply(POD, child("Pod", f"{name}.a"))
    cache.apply(POD, child("Pod", "job-1.b"))
    cache.apply(TASK_RESULT, child("TaskResult", "job-1"))
    cache.apply(JOB, child("Job", "other", of="other"))
    observed = observe(cache)
    assert observed.workflow is not None
    assert set(observed.revisions) == {"flow-1"}
    assert set(observed.jobs) == {"job-1", "job-2"}
    pods = {job: {pod["metadata"]["name"] for pod in pods} for job, pods in observed.pods.items()}
    assert pods == {"job-1": {"job-1.a", "job-1.b"}, "job-2": {"job-2.a"}}
    assert set(observed.results) == {"job-1"}


def test_jobs_of_an_earlier_run_of_that_name_are_not_shown() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run())
    stranger = child("Job", "job-1")
    stranger["metadata"]["ownerReferences"][0]["uid"] = "uid-of-the-earlier-run"
    cache.apply(JOB, stranger)
    assert observe(cache).jobs == {}


def test_what_is_deleted_is_not_observed() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run())
    cache.apply(JOB, child("Job", "job-1", 2))
    cache.remove(JOB, (NAMESPACE, "job-1"), 3)
    assert observe(cache).jobs == {}
    cache.remove(WORKFLOW_RUN, PLACE, 4)
    assert RunController.observe(cache, NAMESPACE, "run") is None


@pytest.mark.parametrize("run_first", [True, False])
def test_of_children_of_a_finished_run_only_the_version_is_held(run_first: bool) -> None:
    cache, finished = new_cache(), run(2, phase="Succeeded")
    cache.apply(WORKFLOW_RUN, finished if run_first else run(1))
    for kind in (JOB, POD, TASK_RESULT):
        cache.apply(kind, child(kind.kind, "job-1", 7))
    cache.apply(WORKFLOW_RUN, finished)
    observed = observe(cache)
    assert (observed.pods, observed.results) == ({}, {})
    assert observed.jobs == {"job-1": ended_job("job-1")}
    for kind in (JOB, POD, TASK_RESULT):
        assert cache.version(kind, (NAMESPACE, "job-1")) == 7
        assert cache.count(kind) == 1
        assert not cache.apply(kind, child(kind.kind, "job-1", 7))
        assert cache.remove(kind, (NAMESPACE, "job-1"), 8)
        assert cache.count(kind) == 0
    assert observe(cache).jobs == {}


def test_a_job_of_a_finished_run_is_held_while_it_may_have_to_be_ended() -> None:
    cache, active = new_cache(), child("Job", "job-1", 3)
    del active["status"]
    cache.apply(WORKFLOW_RUN, run(2, phase="Cancelled"))
    cache.apply(JOB, active)
    assert set(observe(cache).jobs) == {"job-1"}
    cache.apply(JOB, child("Job", "job-1", 4))
    assert observe(cache).jobs == {"job-1": ended_job("job-1")}


def pod_with(containers: int, version: int, phase: str) -> JsonObject:
    spec: JsonObject = {"containers": [{"name": str(number)} for number in range(containers)]}
    made = child("Pod", f"with-{containers}", version)
    return {**made, "spec": spec, "status": {"phase": phase}}


def test_a_pod_of_a_finished_run_is_held_while_a_container_may_keep_it() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(2, phase="Succeeded"))
    for containers in (1, 2):
        cache.apply(POD, pod_with(containers, 3, "Running"))
    assert set(observe(cache).pods) == {"with-2"}
    cache.apply(POD, pod_with(2, 4, "Failed"))
    assert observe(cache).pods == {}


@pytest.mark.parametrize(
    ("kind", "raw", "expected"),
    [
        (WORKFLOW_RUN, run(), {run_key(NAMESPACE, "run")}),
        (JOB, child("Job", "job-1"), {run_key(NAMESPACE, "run")}),
        (POD, child("Pod", "job-1.a"), {run_key(NAMESPACE, "run")}),
        (TASK_RESULT, child("TaskResult", "job-1"), {run_key(NAMESPACE, "run")}),
        (CONTROLLER_REVISION, revision("flow-1"), {run_key(NAMESPACE, "waits")}),
        (WORKFLOW, workflow(), {Key("Workflow", NAMESPACE, "flow"), run_key(NAMESPACE, "waits")}),
        (WORKFLOW_EVENT, event("paid"), {Key("WorkflowEvent", NAMESPACE, "paid")}),
        (JOB, {"metadata": {"name": "x", "namespace": "y"}}, set[object]()),
    ],
)
def test_a_change_wakes_the_keys_it_affects(
    kind: Kind, raw: JsonObject, expected: set[object]
) -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(name="waits"))
    cache.apply(WORKFLOW_RUN, run(name="over", phase="Failed"))
    cache.apply(WORKFLOW_RUN, run(name="elsewhere", flow="other"))
    assert set(WATCH_LIST.keys(cache, kind, raw)) == expected


def test_all_keys_come_with_finished_runs_last() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW, workflow())
    cache.apply(WORKFLOW_RUN, run(name="over", phase="Failed"))
    cache.apply(WORKFLOW_RUN, run(name="active", phase="Running"))
    assert [key.name for key in all_keys(cache)] == ["flow", "active", "over"]


def test_an_event_is_shown_to_the_runs_that_wait_for_it_and_wakes_them() -> None:
    cache, patient = new_cache(), workflow()
    patient["spec"]["tasks"][0]["waitFor"] = [{"or": [{"event": {"key": "paid"}}]}]
    cache.apply(WORKFLOW, patient)
    cache.apply(WORKFLOW, workflow(name="other"))
    cache.apply(WORKFLOW_RUN, run())
    cache.apply(WORKFLOW_RUN, run(name="over", phase="Failed"))
    cache.apply(WORKFLOW_RUN, run(name="elsewhere", flow="other"))
    paid = event("paid")
    assert WATCH_LIST.keys(cache, WORKFLOW_EVENT, paid) == [
        run_key(NAMESPACE, "run"),
        Key("WorkflowEvent", NAMESPACE, "paid"),
    ]
    cache.apply(WORKFLOW_EVENT, paid)
    cache.apply(WORKFLOW_EVENT, event("refused"))
    assert [each["metadata"]["name"] for each in observe(cache).events] == ["paid"]
    for name in ("over", "elsewhere"):
        assert list(observe(cache, name).events) == []
    assert Key("WorkflowEvent", NAMESPACE, "paid") in all_keys(cache)
    assert WATCH_LIST.keys(cache, WORKFLOW_EVENT, paid, is_gone=True) == [
        Key("WorkflowEvent", NAMESPACE, "paid")
    ]


def test_a_pinned_revision_says_what_its_run_waits_for() -> None:
    cache, pinned = new_cache(), revision("flow-1")
    leaf = {"event": {"key": "paid"}}
    pinned["data"] = {"spec": {"tasks": [{"name": "a", "cancelIf": [leaf]}]}}
    cache.apply(CONTROLLER_REVISION, pinned)
    cache.apply(WORKFLOW, workflow())
    cache.apply(WORKFLOW_EVENT, event("paid"))
    started = run(phase="Running")
    started["status"]["revision"] = "flow-1"
    cache.apply(WORKFLOW_RUN, started)
    assert len(observe(cache).events) == 1


def test_a_run_that_starts_over_lacks_its_children_until_they_are_listed() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(2, phase="Failed"))
    job = child("Job", "job-1", 3)
    cache.apply(JOB, job)
    assert not cache.lacks_children(PLACE)
    cache.apply(WORKFLOW_RUN, replayed(4))
    assert cache.lacks_children(PLACE)
    cache.restore(PLACE, JOB, [job, child("Job", "job-2", 2)])
    cache.restored(PLACE)
    assert observe(cache).jobs["job-1"]["spec"] == job["spec"]
    assert not cache.lacks_children(PLACE)
    cache.apply(WORKFLOW_RUN, run(5, phase="Failed") | {"status": {"phase": "Failed"}})
    assert observe(cache).jobs == {name: ended_job(name) for name in ("job-1", "job-2")}


def test_a_late_list_restores_nothing_older_and_nothing_that_is_over_again() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(2, phase="Failed"))
    cache.apply(JOB, child("Job", "job-1", 3))
    cache.apply(WORKFLOW_RUN, replayed(4))
    cache.apply(JOB, child("Job", "job-1", 6))
    cache.restore(PLACE, JOB, [child("Job", "job-1", 5)])
    assert cache.version(JOB, (NAMESPACE, "job-1")) == 6
    cache.apply(WORKFLOW_RUN, run(7, phase="Cancelled"))
    cache.restore(PLACE, JOB, [child("Job", "job-1", 6)])
    assert observe(cache).jobs == {"job-1": ended_job("job-1")}


def test_a_cancelled_run_is_over_whatever_replay_it_once_was_asked_for() -> None:
    cache = new_cache()
    cancelled = replayed(4, phase="Cancelled")
    cancelled["spec"]["desiredState"] = "Cancelled"
    cache.apply(WORKFLOW_RUN, cancelled)
    assert WATCH_LIST.keys(cache, WORKFLOW, workflow()) == [Key("Workflow", NAMESPACE, "flow")]


def held(cache: Cache, later: float = 0) -> frozenset[str]:
    now = datetime(2026, 11, 23, 12, tzinfo=UTC) + timedelta(seconds=later)
    return cache.pins.held(NAMESPACE, "flow", now)


def test_a_scheduled_run_holds_a_revision_from_shortly_before_its_time_on() -> None:
    cache, scheduled = new_cache(), run(1)
    scheduled["spec"]["startAt"] = "2026-11-24T12:00:00Z"
    cache.apply(WORKFLOW_RUN, scheduled)
    assert held(cache) == set()
    assert held(cache, later=86_400) == {UNDECIDED}
    started = {**scheduled, "status": {"phase": "Running", "revision": "flow-1"}}
    cache.apply(WORKFLOW_RUN, {**started, "metadata": run(2)["metadata"]})
    assert held(cache) == {"flow-1"}


@pytest.mark.parametrize(
    "start",
    [
        "0001-01-01T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "2027-01-01t12:00:00z",
        "2027-01-01T12:00:60Z",
    ],
)
def test_a_time_that_cannot_be_read_holds_from_now_on(start: str) -> None:
    cache, scheduled = new_cache(), run(1)
    scheduled["spec"]["startAt"] = start
    cache.apply(WORKFLOW_RUN, scheduled)
    assert held(cache) == {UNDECIDED}


def test_pins_follow_the_runs() -> None:
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run(1))
    cache.apply(WORKFLOW_RUN, run(1, name="rejected", phase="Failed"))
    cache.apply(WORKFLOW_RUN, run(1, name="elsewhere", flow="other"))
    assert held(cache) == {UNDECIDED}
    for name in ("run", "second"):
        pinned = run(2, name=name, phase="Running")
        pinned["status"]["revision"] = "flow-1"
        cache.apply(WORKFLOW_RUN, pinned)
        assert held(cache) == {"flow-1"}
    cache.remove(WORKFLOW_RUN, PLACE, 3)
    assert held(cache) == {"flow-1"}
    cache.remove(WORKFLOW_RUN, (NAMESPACE, "second"), 4)
    assert held(cache) == set()


def test_revisions_of_workflows_that_are_gone_are_looked_at() -> None:
    cache = new_cache()
    cache.apply(CONTROLLER_REVISION, revision("flow-1"))
    assert all_keys(cache) == [Key("Workflow", NAMESPACE, "flow")]


@given(st.permutations(range(1, 7)), st.integers(1, 6), st.data())
def test_the_order_of_events_does_not_matter(
    order: list[int], deleted_at: int, data: st.DataObject
) -> None:
    """Versions 1 to 6 of one Job, one of them its end, arrive in any order, some twice."""
    cache = new_cache()
    cache.apply(WORKFLOW_RUN, run())
    again = data.draw(st.lists(st.sampled_from(order)))
    for version in [*order, *again]:
        if version == deleted_at:
            cache.remove(JOB, (NAMESPACE, "job-1"), version)
        else:
            cache.apply(JOB, child("Job", "job-1", version))
    jobs = observe(cache).jobs
    if deleted_at == 6:
        assert jobs == {}
    else:
        assert jobs["job-1"]["metadata"]["resourceVersion"] == "6"
    assert cache.version(JOB, (NAMESPACE, "job-1")) == 6


def test_runs_that_wait_for_their_workflow_are_counted() -> None:
    cache = new_cache()
    paused = {"conditions": [{"type": "Accepted", "status": "False", "reason": "WorkflowPaused"}]}
    cache.apply(WORKFLOW_RUN, {**run(1), "status": paused})
    assert cache.paused_runs == {PLACE}
    cache.apply(WORKFLOW_RUN, {**run(2), "status": {"phase": "Running"}})
    assert cache.paused_runs == set()
    cache.apply(WORKFLOW_RUN, {**run(3), "status": paused})
    cache.remove(WORKFLOW_RUN, PLACE, 4)
    assert cache.paused_runs == set()
