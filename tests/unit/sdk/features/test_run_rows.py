"""Runs under the names of the Hatchet SDK: rows, details, events of tasks."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from podhatch import Hatchet, RequestRefused
from podhatch.api.model import JsonObject, format_time
from podhatch.client import background_loop
from podhatch.client.runs.selection import BulkCancelReplayOpts, RunFilter, RunStatus

from tests.unit.sdk.conftest import Stage

Put = Callable[..., None]
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


def after(seconds: float) -> str:
    return format_time(START + timedelta(seconds=seconds))


def task(name: str, state: str, **fields: object) -> JsonObject:
    return {"name": name, "state": state, **fields}


@pytest.fixture
def put(stage: Stage) -> Put:
    """Return a function that puts a run into the cluster."""

    async def aio_put(name: str, status: JsonObject, spec: JsonObject) -> None:
        metadata = {"name": name, "namespace": "default"}
        spec = {"workflow": "flow", "input": {"id": 7}, **spec}
        manifest = {"apiVersion": "podhatch.dev/v1alpha1", "kind": "WorkflowRun"}
        run = await stage.cluster.create({**manifest, "metadata": metadata, "spec": spec})
        await stage.cluster.replace_status({**run, "status": status})

    def put(name: str, phase: str, *tasks: JsonObject, **spec: object) -> None:
        status: JsonObject = {"phase": phase, "tasks": list(tasks), "startedAt": after(0)}
        if (revision := spec.pop("revision", None)) is not None:
            status["revision"] = revision
        background_loop.wait(aio_put(name, status, spec))

    return put


RETRIED = task(
    "charge",
    "Failed",
    attempt=3,
    node="node-1",
    queuedAt=after(4),
    startedAt=after(5),
    finishedAt=after(6.5),
    message="ValueError: no",
    error={"type": "ValueError", "message": "no", "traceback": "Traceback ...\n"},
    attempts=[
        {"attempt": 1, "reason": "TaskFailed", "message": "no", "startedAt": after(1)},
        {"attempt": 2, "reason": "NodeLost", "message": "node-0 is gone"},
    ],
)


def test_a_run_of_one_task_is_that_task(hatchet: Hatchet, put: Put) -> None:
    put("one", "Failed", RETRIED, additionalMetadata={"by": "Ada"})
    details = hatchet.runs.get("one")
    [row] = details.tasks
    assert row == details.run
    assert row.metadata.id == row.task_external_id == row.workflow_run_external_id == "one"
    assert (row.type, row.status, row.step_id, row.worker_id) == (
        "TASK",
        RunStatus.FAILED,
        "charge",
        "node-1",
    )
    assert (row.attempt, row.retry_count, row.duration) == (3, 2, 1500)
    assert row.error_message == "ValueError: no\nTraceback ..."
    assert (row.input, row.additional_metadata) == ({"id": 7}, {"by": "Ada"})
    assert hatchet.runs.get_task_run("one") == hatchet.runs.get_task_run("one/charge") == row
    assert details.object.spec.workflow == "flow"


def test_events_of_tasks_are_listed_with_the_run(hatchet: Hatchet, put: Put) -> None:
    put("one", "Failed", RETRIED)
    events = hatchet.runs.get("one").task_events
    assert [(each.event_type.value, each.attempt) for each in events] == [
        ("STARTED", 1),
        ("FAILED", 1),
        ("RETRYING", 1),
        ("REASSIGNED", 2),
        ("QUEUED", 3),
        ("STARTED", 3),
        ("FAILED", 3),
    ]
    assert events[-1].timestamp == START + timedelta(seconds=6.5)
    assert events[-1].error_message == "ValueError: no\nTraceback ..."


EVICTED = task(
    "approve",
    "Waiting",
    reason="Evicted",
    message="sleeps until tomorrow",
    attempt=5,
    resumes=2,
    evictedAt=after(8),
    attempts=[
        {"attempt": 1, "reason": "TaskFailed", "message": "no", "startedAt": after(1)},
        {"attempt": 3, "reason": "NodeLost", "message": "node-0 is gone"},
    ],
)


def test_a_task_that_waits_without_a_pod_runs_and_is_evicted(hatchet: Hatchet, put: Put) -> None:
    put("one", "Running", EVICTED)
    row = hatchet.runs.get("one").run
    assert (row.status, row.is_evicted, row.worker_id) == (RunStatus.RUNNING, True, None)
    detail = hatchet.runs.get_details("one").task_runs["approve"]
    assert (detail.status, detail.is_evicted) == (RunStatus.RUNNING, True)
    assert [each.is_evicted for each in hatchet.runs.list(only_tasks=True).rows] == [True]
    put("two", "Running", task("approve", "Running", attempt=1))
    assert not hatchet.runs.get("two").run.is_evicted
    assert not hatchet.runs.get_details("two").task_runs["approve"].is_evicted


def test_a_resume_is_not_an_attempt(hatchet: Hatchet, put: Put) -> None:
    put("one", "Running", EVICTED)
    details = hatchet.runs.get("one")
    assert (details.run.attempt, details.run.retry_count) == (3, 2)
    assert [(each.event_type.value, each.attempt) for each in details.task_events] == [
        ("STARTED", 1),
        ("FAILED", 1),
        ("RETRYING", 1),
        ("REASSIGNED", 2),
        ("DURABLE_EVICTED", 3),
    ]
    assert details.task_events[-1].timestamp == START + timedelta(seconds=8)


def test_a_resume_comes_after_the_eviction(hatchet: Hatchet, put: Put) -> None:
    times = {"evictedAt": after(8), "queuedAt": after(20), "startedAt": after(21)}
    put("one", "Running", task("approve", "Running", attempt=2, resumes=1, **times))
    assert [
        (each.event_type.value, each.timestamp and (each.timestamp - START).total_seconds())
        for each in hatchet.runs.get("one").task_events
    ] == [
        ("DURABLE_EVICTED", 8),
        ("DURABLE_RESTORING", 20),
        ("QUEUED", 20),
        ("STARTED", 21),
    ]


def test_between_two_attempts_the_last_record_is_the_last_attempt(
    hatchet: Hatchet, put: Put
) -> None:
    failed = {"attempt": 3, "reason": "TaskFailed", "message": "no", "startedAt": after(1)}
    put("one", "Running", task("a", "Queued", attempt=3, resumes=2, attempts=[failed]))
    assert [each.attempt for each in hatchet.runs.get("one").task_events] == [1, 1, 1]


def test_the_revision_says_which_tasks_are_durable(
    stage: Stage, hatchet: Hatchet, put: Put
) -> None:
    plain = {"name": "a", "python": "m:f"}
    durable: JsonObject = {"name": "b", "python": "m:f", "clusterAccess": "spawn", "durable": {}}
    revision: JsonObject = {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": {"name": "flow-1", "namespace": "default"},
        "data": {"spec": {"tasks": [plain, durable]}},
    }
    background_loop.wait(stage.cluster.create(revision))
    for name in ("first", "second"):
        put(name, "Running", task("a", "Running"), task("b", "Waiting"), revision="flow-1")
    put("third", "Running", task("b", "Running"), revision="gone")
    reads = "get ControllerRevision"
    before = stage.cluster.requests[reads]
    first, second, third = sorted(
        hatchet.runs.list().rows, key=lambda row: row.workflow_run_external_id
    )
    for row in (first, second):
        assert [each.is_durable for each in row.children] == [False, True]
    assert not third.is_durable
    assert stage.cluster.requests[reads] == before + 2, "each revision is read once"
    assert [each.is_durable for each in hatchet.runs.get("first").tasks] == [False, True]
    assert hatchet.runs.get_task_run("first/b").is_durable


def test_a_run_of_many_has_them_as_children(hatchet: Hatchet, put: Put) -> None:
    put(
        "many",
        "Running",
        task("a", "Succeeded", output='{"x":1}'),
        task("b", "Skipped"),
        task("c", "Running", startedAt=after(1)),
        task("d", "Pending"),
    )
    [row] = hatchet.runs.list().rows
    assert (row.type, row.status, row.display_name) == ("DAG", RunStatus.RUNNING, "many")
    assert row.output is None, "a run that has not succeeded has returned nothing"
    assert [(each.metadata.id, each.display_name, each.output) for each in row.children] == [
        ("many/a", "a", {"x": 1}),
        ("many/b", "b", {"skipped": True}),
        ("many/c", "c", None),
        ("many/d", "d", None),
    ]
    statuses = [each.status for each in row.children]
    assert statuses == [RunStatus.COMPLETED, RunStatus.COMPLETED, "RUNNING", "QUEUED"]
    details = hatchet.runs.get_details("many")
    assert list(details.task_runs) == ["a", "b", "c"]
    assert (details.done, details.task_runs["a"].output) == (False, {"x": 1})
    assert hatchet.runs.get_result("many") is None
    with pytest.raises(RequestRefused, match="not the id of one task: its run has many/a,"):
        hatchet.runs.get_task_run("many")


@pytest.mark.parametrize(
    ("phase", "output"), [("Succeeded", {"a": 1}), ("Failed", None), ("Cancelled", None)]
)
def test_only_a_run_that_succeeded_has_an_output(
    hatchet: Hatchet, put: Put, phase: str, output: JsonObject | None
) -> None:
    put("many", phase, task("a", "Succeeded", output="1"), task("b", "Skipped"))
    found = hatchet.runs.get("many")
    assert found.run.output == output
    assert found.tasks[0].output == 1


def test_a_cancelled_task_has_a_reason_and_no_error(hatchet: Hatchet, put: Put) -> None:
    stopped = task("b", "Cancelled", reason="Cancelled", message="the task cancelled itself")
    put("many", "Cancelled", task("a", "Succeeded"), stopped)
    assert hatchet.runs.get_details("many").task_runs["b"].error is None
    assert hatchet.runs.get_task_run("many/b").error_message == "the task cancelled itself"


def test_a_list_of_tasks_can_be_filtered(hatchet: Hatchet, put: Put) -> None:
    put("one", "Failed", task("a", "Failed", node="n1"), task("b", "Succeeded", node="n2"))
    put("two", "Running", task("a", "Succeeded", node="n2"), task("b", "Running", node="n2"))

    def ids(**options: object) -> set[str]:
        rows = hatchet.runs.list(only_tasks=True, **options).rows  # pyright: ignore[reportArgumentType]
        return {row.metadata.id for row in rows}

    assert ids() == {"one/a", "one/b", "two/a", "two/b"}
    assert ids(statuses=[RunStatus.COMPLETED]) == {"one/b", "two/a"}
    assert ids(worker_id="n1") == {"one/a"}
    assert len(ids(limit=3)) == 3
    assert len(ids(limit=3, offset=3)) == 1
    assert ids(statuses=["RUNNING"]) == {"two/b"}
    with pytest.raises(ValueError, match="expected one of QUEUED, RUNNING,"):
        ids(statuses=["DONE"])
    rows = hatchet.runs.list(statuses=[RunStatus.FAILED], include_payloads=False).rows
    assert [(row.metadata.id, row.input, row.output) for row in rows] == [("one", None, None)]
    assert len(hatchet.runs.list_with_pagination(only_tasks=True)) == 4


def test_a_page_asks_for_no_more_than_it_shows(hatchet: Hatchet, stage: Stage, put: Put) -> None:
    for number in range(9):
        put(f"run-{number}", "Succeeded", task("a", "Succeeded"))
    hatchet.cron.list(limit=3)
    assert stage.cluster.requests["list CronWorkflow"] == 1
    hatchet.runs.list(limit=2)
    assert stage.cluster.requests["list WorkflowRun"] == 1
    with pytest.raises(ValueError, match="limit: expected at least 1, got 0"):
        hatchet.runs.list(limit=0)


def test_long_outputs_are_read_where_they_are(hatchet: Hatchet, stage: Stage, put: Put) -> None:
    result: JsonObject = {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "TaskResult",
        "metadata": {"name": "long", "namespace": "default"},
        "spec": {"run": "one", "task": "a", "attempt": 1, "outcome": "Succeeded", "output": '"x"'},
    }
    background_loop.wait(stage.cluster.create(result))
    put("one", "Succeeded", task("a", "Succeeded", outputRef="long"))
    assert hatchet.runs.get_result("one") == "x"
    assert hatchet.runs.list(include_payloads=False).rows[0].output is None
    assert stage.cluster.requests["get TaskResult"] == 1


class TestMany:
    def test_many_runs_are_cancelled_by_their_ids(
        self, hatchet: Hatchet, stage: Stage, put: Put
    ) -> None:
        put("one", "Running")
        put("two", "Running")
        assert hatchet.runs.bulk_cancel(BulkCancelReplayOpts(ids=["two"])) == ["two"]
        desired = [run["spec"].get("desiredState") for run in stage.cluster.objects("WorkflowRun")]
        assert desired == [None, "Cancelled"]

    def test_a_filter_cancels_runs_that_have_not_ended(self, hatchet: Hatchet, put: Put) -> None:
        put("one", "Running")
        put("two", "Succeeded")
        put("three", "Running", workflow="other")
        meant = RunFilter(datetime.now(UTC) - timedelta(hours=1), workflow_ids=["flow"])
        assert hatchet.runs.bulk_cancel(BulkCancelReplayOpts(filters=meant)) == ["one"]
        ended = RunFilter(meant.since, statuses=[RunStatus.COMPLETED])
        assert hatchet.runs.bulk_cancel(BulkCancelReplayOpts(filters=ended)) == []

    def test_many_runs_are_replayed_in_chunks(
        self, hatchet: Hatchet, put: Put, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pauses: list[float] = []

        async def sleep(seconds: float) -> None:
            pauses.append(seconds)

        monkeypatch.setattr("podhatch.client.runs.control.asyncio.sleep", sleep)
        for name in "abcde":
            put(name, "Failed")
        replayed = hatchet.runs.bulk_replay_by_filters_with_pagination(
            sleep_time=7, chunk_size=2, statuses=[RunStatus.FAILED]
        )
        assert replayed == list("abcde")
        assert pauses == [7, 7]

    @pytest.mark.parametrize("ids", [["a"], None])
    def test_a_bulk_call_takes_ids_or_filters(self, ids: list[str] | None) -> None:
        filters = RunFilter(datetime.now(UTC)) if ids else None
        with pytest.raises(ValueError, match="either ids or filters"):
            BulkCancelReplayOpts(ids=ids, filters=filters)


class TestMetrics:
    @pytest.fixture(autouse=True)
    def runs(self, put: Put) -> None:
        put(
            "one",
            "Running",
            task("a", "Running", startedAt=after(5)),
            task("b", "Queued", queuedAt=after(2)),
        )
        put("two", "Running", task("b", "Queued", queuedAt=after(1)), task("c", "Pending"))
        put("three", "Failed", task("a", "Failed"), task("b", "Skipped"), workflow="other")

    def test_tasks_are_counted_by_where_they_stand(self, hatchet: Hatchet) -> None:
        counted = hatchet.metrics.get_task_metrics()
        assert (counted.queued, counted.running, counted.completed) == (3, 1, 1)
        assert (counted.failed, counted.cancelled) == (1, 0)
        assert hatchet.metrics.get_task_metrics(workflow_ids=["other"]).queued == 0

    def test_tasks_under_way_are_counted_by_name(self, hatchet: Hatchet) -> None:
        stats = hatchet.metrics.get_task_stats()
        assert set(stats) == {"flow:a", "flow:b"}
        assert stats["flow:b"].queued.total == 2
        assert stats["flow:b"].queued.oldest == START + timedelta(seconds=1)
        assert stats["flow:a"].running.total == 1
        assert hatchet.metrics.get_queue_metrics() == {"flow:b": 2}
