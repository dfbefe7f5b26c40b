"""Filters of lists: one that came out empty means nothing, and one of another type is refused."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import BulkCancelReplayOpts, Hatchet, RunFilter, RunStatus
from podhatch.client import background_loop

from tests.fakes.features import NAME, orders
from tests.unit.sdk.conftest import Stage

LATER = datetime.now(UTC) + timedelta(hours=1)
AN_HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
Found = Callable[[Hatchet, dict[str, Any]], object]


@pytest.fixture(autouse=True)
def _one_of_each(stage: Stage, hatchet: Hatchet) -> None:
    workflow = orders()
    workflow["metadata"]["namespace"] = "default"
    background_loop.wait(stage.cluster.create(workflow))
    hatchet.runs.create(NAME, {})
    hatchet.scheduled.create(NAME, LATER, {})
    hatchet.cron.create(NAME, "nightly", "@daily", {})
    hatchet.filters.create(NAME, "true", "eu")
    hatchet.event.push("paid", {}, scope="eu")


def runs(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.runs.list(**options).rows


def tasks(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.runs.list(only_tasks=True, **options).rows


def runs_of_a_workflow(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.workflow(NAME).list_runs(**options)


def cancelled(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.runs.bulk_cancel(BulkCancelReplayOpts(filters=RunFilter(AN_HOUR_AGO, **options)))


def replayed(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.runs.bulk_replay_by_filters_with_pagination(**options)


def counted(hatchet: Hatchet, options: dict[str, Any]) -> object:
    counts = hatchet.metrics.get_task_metrics(**options)
    return counts.queued + counts.running


def schedules(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.scheduled.list(**options).rows


def deleted(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.scheduled.bulk_delete(**options).deleted_ids


def crons(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.cron.list(**options).rows


def events(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.event.list(**options).rows


def filters(hatchet: Hatchet, options: dict[str, Any]) -> object:
    return hatchet.filters.list(**options).rows


NOTHING: list[tuple[Found, dict[str, Any]]] = [
    (runs, {"statuses": []}),
    (runs, {"workflow_ids": ()}),
    (runs, {"additional_metadata": {}}),
    (runs, {"triggering_event_external_id": ""}),
    (tasks, {"statuses": []}),
    (runs_of_a_workflow, {"statuses": []}),
    (runs_of_a_workflow, {"additional_metadata": {}}),
    (cancelled, {"statuses": []}),
    (cancelled, {"workflow_ids": []}),
    (cancelled, {"workflow_ids": iter(())}),
    (cancelled, {"additional_metadata": {}}),
    (replayed, {"statuses": []}),
    (replayed, {"workflow_ids": []}),
    (replayed, {"additional_metadata": {}}),
    (counted, {"workflow_ids": []}),
    (schedules, {"statuses": []}),
    (schedules, {"parent_workflow_run_id": ""}),
    (deleted, {"statuses": []}),
    (deleted, {"workflow_id": ""}),
    (deleted, {"workflow_id": NAME, "parent_workflow_run_id": ""}),
    (deleted, {"workflow_id": NAME, "additional_metadata": {}}),
    (deleted, {"scheduled_ids": []}),
    (crons, {"workflow_name": ""}),
    (crons, {"additional_metadata": {}}),
    (events, {"keys": []}),
    (events, {"scopes": []}),
    (events, {"workflow_ids": []}),
    (events, {"event_ids": []}),
    (events, {"additional_metadata": {}}),
    (filters, {"workflow_id_scope_pairs": []}),
]


@pytest.mark.parametrize(("find", "options"), NOTHING)
def test_what_is_empty_lets_nothing_pass(
    hatchet: Hatchet, find: Found, options: dict[str, Any]
) -> None:
    assert not find(hatchet, options)


@pytest.mark.parametrize(("find", "options"), NOTHING)
def test_none_asks_for_nothing(hatchet: Hatchet, find: Found, options: dict[str, Any]) -> None:
    unset: dict[str, Any] = dict.fromkeys(options)
    if find is deleted:
        unset["workflow_id"] = NAME
    if find not in (tasks, counted):  # no operator has given the runs a status
        assert find(hatchet, unset)


def test_no_ids_are_no_runs(hatchet: Hatchet) -> None:
    assert hatchet.runs.bulk_cancel(BulkCancelReplayOpts(ids=[])) == []
    with pytest.raises(ValueError, match="either ids or filters"):
        BulkCancelReplayOpts(ids=[], filters=RunFilter(AN_HOUR_AGO))


def test_a_list_option_may_be_a_generator(hatchet: Hatchet) -> None:
    def given(*values: str) -> Any:
        return (value for value in values)

    names = [row.metadata.id for row in hatchet.runs.list().rows]
    assert len(hatchet.event.list(keys=given("paid"), scopes=given("eu", "us")).rows) == 1
    assert len(hatchet.runs.list(workflow_ids=given(NAME), statuses=given("QUEUED")).rows) == 2
    assert hatchet.runs.bulk_cancel(BulkCancelReplayOpts(ids=given(*names))) == names


def test_a_run_without_a_phase_is_queued_and_nothing_else(hatchet: Hatchet) -> None:
    counts = {status: len(hatchet.runs.list(statuses=[status]).rows) for status in RunStatus}
    assert counts == {status: 2 if status is RunStatus.QUEUED else 0 for status in RunStatus}


@pytest.mark.parametrize(
    ("find", "options", "words"),
    [
        (runs, {"since": "yesterday"}, "since: expected a datetime, got 'yesterday'"),
        (runs, {"until": 7}, "until: expected a datetime, got 7"),
        (runs, {"statuses": "FAILED"}, "statuses: expected a list, got 'FAILED'"),
        (runs, {"workflow_ids": NAME}, f"workflow_ids: expected a list, got {NAME!r}"),
        (
            runs,
            {"additional_metadata": "abc"},
            "additional_metadata: expected a mapping from names to values, got 'abc'",
        ),
        (runs_of_a_workflow, {"since": ""}, "since: expected a datetime, got ''"),
        (runs_of_a_workflow, {"until": 100}, "until: expected a datetime, got 100"),
        (schedules, {"statuses": "QUEUED"}, "statuses: expected a list, got 'QUEUED'"),
        (
            schedules,
            {"additional_metadata": 7},
            "additional_metadata: expected a mapping from names to values, got 7",
        ),
        (deleted, {"scheduled_ids": "a"}, "scheduled_ids: expected a list, got 'a'"),
        (
            crons,
            {"additional_metadata": 7},
            "additional_metadata: expected a mapping from names to values, got 7",
        ),
        (events, {"since": "yesterday"}, "since: expected a datetime, got 'yesterday'"),
        (events, {"keys": "paid"}, "keys: expected a list, got 'paid'"),
        (
            events,
            {"additional_metadata": 7},
            "additional_metadata: expected a mapping from names to values, got 7",
        ),
    ],
)
def test_what_is_of_another_type_is_refused(
    hatchet: Hatchet, find: Found, options: dict[str, Any], words: str
) -> None:
    with pytest.raises((TypeError, ValueError)) as refusal:
        find(hatchet, options)
    assert words in str(refusal.value)


def test_list_runs_takes_a_span(hatchet: Hatchet) -> None:
    workflow = hatchet.workflow(NAME)
    now = datetime.now(UTC)
    assert len(workflow.list_runs(AN_HOUR_AGO, now + timedelta(minutes=1))) == 2
    assert workflow.list_runs(AN_HOUR_AGO, now - timedelta(minutes=30)) == []
    assert len(workflow.list_runs(AN_HOUR_AGO, None, 1)) == 1
