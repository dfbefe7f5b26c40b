"""What users rely on in the feature clients. Held to against the fake cluster and the real one.

Subclass it with a fixture `hatchet`, whose namespace is empty, and a fixture `create` that puts an
object there.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Hatchet, RateLimitDuration, RequestRefused
from podhatch.api.model import JsonObject
from podhatch.api.workflow import PausePolicy
from podhatch.client.crons import CronWorkflowsMethod
from podhatch.client.event_options import BulkPushEventWithMetadata
from podhatch.client.filters import FilterUpdate
from podhatch.client.schedules import ScheduledRunStatus

Create = Callable[[JsonObject], None]
NAME = "All Orders"
OBJECT = "all-orders-wzg8zltn"
"""The workflow of that name."""
LATER = datetime.now(UTC).replace(microsecond=0) + timedelta(days=1)


def manifest(kind: str, name: str, /, **spec: object) -> JsonObject:
    """Return an object of podhatch."""
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    }


def orders(**spec: object) -> JsonObject:
    """Return a workflow with a name that is not its object's."""
    task = {"name": "charge", "python": "orders:charge"}
    return manifest("Workflow", OBJECT, name=NAME, tasks=[task], **spec)


class FeatureContract:
    def test_crons(self, hatchet: Hatchet, create: Create) -> None:
        create(orders())
        cron = hatchet.cron.create(
            NAME, "nightly", "0  3 * * MON", {"id": 7}, {"by": "Ada"}, 2, time_zone="Europe/Paris"
        )
        assert (cron.name, cron.cron, cron.time_zone) == ("nightly", "0 3 * * MON", "Europe/Paris")
        assert (cron.workflow_id, cron.workflow_name) == (OBJECT, NAME)
        assert (cron.input, cron.additional_metadata, cron.priority) == (
            {"id": 7},
            {"by": "Ada"},
            2,
        )
        assert (cron.enabled, cron.method) == (True, CronWorkflowsMethod.API)
        assert abs(cron.metadata.created_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert hatchet.cron.get(cron.metadata.id).metadata == cron.metadata
        assert not hatchet.cron.suspend(cron.metadata.id).enabled
        assert hatchet.cron.resume(cron.metadata.id).enabled
        hatchet.cron.delete(cron.metadata.id)
        with pytest.raises(RequestRefused, match="there is no CronWorkflow"):
            hatchet.cron.get(cron.metadata.id)

    def test_a_cron_asked_for_twice_is_one(self, hatchet: Hatchet) -> None:
        first = hatchet.cron.create("flow", "daily", "@daily", {})
        hatchet.cron.suspend(first.metadata.id)
        again = hatchet.cron.create("flow", "daily", "@daily", {})
        assert (again.metadata.id, again.enabled) == (first.metadata.id, False)
        with pytest.raises(RequestRefused, match="'daily' of workflow 'flow' exists already"):
            hatchet.cron.create("flow", "daily", "@hourly", {})

    def test_lists_of_crons(self, hatchet: Hatchet) -> None:
        for workflow, name in (("a", "one"), ("a", "two"), ("b", "one")):
            hatchet.cron.create(workflow, name, "@daily", {}, {"of": workflow})

        def found(**filters: object) -> set[tuple[str, str]]:
            rows = hatchet.cron.list(**filters).rows  # pyright: ignore[reportArgumentType]
            return {(row.workflow_name, row.name) for row in rows}

        assert found(workflow_name="a") == {("a", "one"), ("a", "two")}
        assert found(cron_name="one") == {("a", "one"), ("b", "one")}
        assert found(additional_metadata={"of": "b"}) == {("b", "one")}
        first, second = hatchet.cron.list(limit=2), hatchet.cron.list(limit=2, offset=2)
        assert (len(first.rows), first.pagination.next_page) == (2, 2)
        assert (len(second.rows), second.pagination.next_page) == (1, None)

    def test_filters(self, hatchet: Hatchet) -> None:
        made = hatchet.filters.create("flow", "input.id > 7", "eu", {"a": {"b": 1, "c": 2}, "d": 3})
        assert (made.workflow_id, made.scope, made.expression) == ("flow", "eu", "input.id > 7")
        hatchet.filters.create("flow", "true", "us")
        assert len(hatchet.filters.list().rows) == 2
        [only] = hatchet.filters.list(workflow_id_scope_pairs=[("flow", "eu")]).rows
        assert only == made == hatchet.filters.get(made.metadata.id)
        changed = hatchet.filters.update(
            made.metadata.id, FilterUpdate(expression="false", payload={"a": {"b": 2}})
        )
        assert (changed.expression, changed.payload) == ("false", {"a": {"b": 2}})
        assert changed.scope == "eu"
        assert hatchet.filters.delete(made.metadata.id) == changed
        assert [each.scope for each in hatchet.filters.list().rows] == ["us"]

    def test_rate_limits(self, hatchet: Hatchet) -> None:
        hatchet.rate_limits.put("mail", 100, RateLimitDuration.MINUTE)
        hatchet.rate_limits.put("Größe/7", 5)
        hatchet.rate_limits.put("mail", 50, RateLimitDuration.HOUR)
        found = {row.key: row for row in hatchet.rate_limits.list().rows}
        assert {key: (row.limit_value, row.window) for key, row in found.items()} == {
            "mail": (50, "HOUR"),
            "Größe/7": (5, "SECOND"),
        }
        assert (found["mail"].value, found["mail"].next_refill) == (50, None)
        assert [row.key for row in hatchet.rate_limits.list(search="mai").rows] == ["mail"]
        with pytest.raises(ValueError, match="rate limit 'mail': limit"):
            hatchet.rate_limits.put("mail", -1)
        with pytest.raises(ValueError, match="duration: expected one of SECOND"):
            hatchet.rate_limits.put("mail", 1, "FORTNIGHT")  # pyright: ignore[reportArgumentType]

    def test_events(self, hatchet: Hatchet) -> None:
        many = [
            BulkPushEventWithMetadata(
                key=f"order:{'paid' if number % 2 else 'late, =very'}",
                payload={"number": number},
                additional_metadata={"number": str(number)},
                scope="eu" if number > 2 else None,
            )
            for number in range(5)
        ]
        pushed = hatchet.event.bulk_push(many)
        assert [each.payload for each in pushed] == [f'{{"number": {n}}}' for n in range(5)]

        def numbers(**filters: object) -> set[int]:
            rows = hatchet.event.list(**filters).rows  # pyright: ignore[reportArgumentType]
            return {row.payload["number"] for row in rows}

        assert numbers(keys=["order:paid"]) == {1, 3}
        assert numbers(keys=["order:late, =very", "order:paid"], scopes=["eu"]) == {3, 4}
        assert numbers(scopes=["eu"], additional_metadata={"number": "4"}) == {4}
        assert numbers(since=pushed[0].seen_at, until=pushed[0].seen_at) == {0}
        assert numbers(event_ids=[pushed[2].event_id]) == {2}
        assert len(hatchet.event.list(limit=2, offset=4).rows) == 1
        row = hatchet.event.get(pushed[3].event_id)
        assert (row.key, row.scope, row.seen_at) == ("order:paid", "eu", pushed[3].seen_at)

    def test_schedules(self, hatchet: Hatchet, create: Create) -> None:
        create(orders(defaultAdditionalMetadata={"by": "nobody", "team": "blue"}))
        made = hatchet.scheduled.create(NAME, LATER, {"id": 7}, {"by": "Ada"}, 3)
        assert (made.workflow_name, made.trigger_at, made.priority) == (NAME, LATER, 3)
        assert made.additional_metadata == {"by": "Ada", "team": "blue"}
        assert (made.workflow_run_id, made.workflow_run_status) == (None, "SCHEDULED")
        moved = hatchet.scheduled.update(made.metadata.id, LATER + timedelta(hours=1))
        assert moved.trigger_at == LATER + timedelta(hours=1)
        assert hatchet.scheduled.get(made.metadata.id).trigger_at == moved.trigger_at
        hatchet.scheduled.create(NAME, LATER, {"id": 8})
        listed = hatchet.scheduled.list(statuses=[ScheduledRunStatus.SCHEDULED])
        assert {row.input["id"] for row in listed.rows} == {7, 8}
        assert hatchet.scheduled.list(statuses=[ScheduledRunStatus.FAILED]).rows == []
        hatchet.scheduled.delete(made.metadata.id)
        deleted = hatchet.scheduled.bulk_delete(workflow_id=NAME)
        assert (len(deleted.deleted_ids), deleted.errors) == (1, [])
        assert hatchet.scheduled.list().rows == []

    def test_schedules_that_are_none(self, hatchet: Hatchet, create: Create) -> None:
        create(manifest("WorkflowRun", "now", workflow="no-such"))
        moved = hatchet.scheduled.bulk_update([("now", LATER), ("gone", LATER)])
        assert moved.updated_ids == []
        assert "is not a schedule" in moved.errors[0].error
        assert "there is no WorkflowRun" in moved.errors[1].error
        assert hatchet.scheduled.list().rows == []
        with pytest.raises(RequestRefused, match="Workflow 'no-such'"):
            hatchet.scheduled.create("no-such", LATER, {})

    def test_runs(self, hatchet: Hatchet, create: Create) -> None:
        parent = {"run": "above", "task": "fan-out", "job": "above-fan-out-1", "index": 0}
        event = {"event": {"id": "paid-1", "key": "paid"}}
        for name, spec in (
            ("a-1", {"workflow": "a", "additionalMetadata": {"x": "1", "y": "1"}}),
            ("a-2", {"workflow": "a", "additionalMetadata": {"x": "2"}, "trigger": event}),
            ("b-1", {"workflow": "b", "input": {"id": 7}, "parent": parent}),
        ):
            create(manifest("WorkflowRun", name, **spec))
        create(manifest("WorkflowRun", "above", workflow="c"))

        def found(**options: object) -> set[str]:
            rows = hatchet.runs.list(**options).rows  # pyright: ignore[reportArgumentType]
            return {row.workflow_run_external_id for row in rows}

        assert found() == {"a-1", "a-2", "b-1", "above"}
        assert found(workflow_ids=["a", "c"]) == {"a-1", "a-2", "above"}
        assert found(additional_metadata={"x": "2", "y": "1"}) == {"a-1", "a-2"}
        assert found(parent_task_external_id="above/fan-out") == {"b-1"}
        assert found(parent_task_external_id="above") == {"b-1"}
        assert found(parent_task_external_id="above/other") == set()
        assert found(triggering_event_external_id="paid-1") == {"a-2"}
        assert found(since=datetime.now(UTC) + timedelta(minutes=1)) == set()
        assert found(until=datetime.now(UTC) - timedelta(minutes=10)) == set()
        [row] = hatchet.runs.list(workflow_ids=["b"]).rows
        assert (row.input, row.status, row.parent_task_external_id) == (
            {"id": 7},
            "QUEUED",
            "above/fan-out",
        )
        page = hatchet.runs.list(limit=3)
        assert (len(page.rows), page.pagination.next_page) == (3, 2)
        assert found(offset=3, limit=3).isdisjoint(row.metadata.id for row in page.rows)

    def test_runs_are_made_of_stored_workflows(self, hatchet: Hatchet, create: Create) -> None:
        create(orders(defaultAdditionalMetadata={"by": "nobody", "team": "blue"}))
        made = hatchet.runs.create(NAME, {"id": 7}, {"by": "Ada"}, 3)
        spec = made.object.spec
        assert (spec.workflow, spec.input, spec.priority) == (OBJECT, {"id": 7}, 3)
        assert spec.additional_metadata == {"by": "Ada", "team": "blue"}
        assert made.run.workflow_name == NAME
        with pytest.raises(RequestRefused, match="Workflow 'no-such'"):
            hatchet.runs.create("no-such", {})

    def test_workflows(self, hatchet: Hatchet, create: Create) -> None:
        create(orders(description="What is bought", version="7"))
        create(manifest("Workflow", "other", tasks=[{"name": "t", "python": "m:f"}]))
        hatchet.cron.create(NAME, "nightly", "@daily", {})
        hatchet.filters.create(NAME, "true", "eu")
        hatchet.runs.create(NAME, {})
        assert {row.name for row in hatchet.workflows.list().rows} == {NAME, "other"}
        [row] = hatchet.workflows.list(workflow_name=NAME).rows
        assert (row.metadata.id, row.description, row.version) == (OBJECT, "What is bought", "7")
        assert hatchet.workflows.get(row.metadata.id).tasks == ["charge"]
        hatchet.workflows.delete(NAME)
        assert [row.name for row in hatchet.workflows.list().rows] == ["other"]
        assert hatchet.cron.list().rows == []
        assert hatchet.filters.list().rows == []
        assert hatchet.runs.list().rows == []

    def test_a_workflow_is_paused_and_unpaused(self, hatchet: Hatchet, create: Create) -> None:
        create(orders())
        assert not hatchet.workflows.get(NAME).paused
        paused = hatchet.workflows.pause(
            NAME, timedelta(hours=2), paused_workflow_scheduled_run_queue_behavior="DROP"
        )
        assert paused.paused
        policy = PausePolicy(queue_ttl_seconds=7200, scheduled_runs="Drop")
        assert hatchet.workflows.get(OBJECT).object.spec.pause_policy == policy
        hatchet.workflows.pause(OBJECT, "30m", "DROP")
        policy = PausePolicy(queue_ttl_seconds=1800, cron_runs="Drop")
        assert hatchet.workflows.get(OBJECT).object.spec.pause_policy == policy
        assert not hatchet.workflows.unpause(NAME).paused
        for act in (hatchet.workflows.pause, hatchet.workflows.unpause):
            with pytest.raises(RequestRefused, match="there is no Workflow 'no-such'"):
                act("no-such")

    def test_a_pause_with_a_wrong_option_changes_nothing(
        self, hatchet: Hatchet, create: Create
    ) -> None:
        create(orders())
        queued: Any = "queue"
        with pytest.raises(ValueError, match="cron_run_queue_behavior: expected 'QUEUE' or 'DROP'"):
            hatchet.workflows.pause(NAME, timedelta(hours=2), queued)
        with pytest.raises(ValueError, match="queue_ttl: expected a timedelta or a duration"):
            hatchet.workflows.pause(NAME, "soon")
        assert not hatchet.workflows.get(NAME).paused

    @pytest.mark.parametrize("name", ["no-such", "a/status", "../workflows/x", ""])
    def test_what_is_not_there(self, hatchet: Hatchet, name: str) -> None:
        for act in (
            hatchet.cron.get,
            hatchet.cron.delete,
            hatchet.filters.get,
            hatchet.event.get,
            hatchet.scheduled.delete,
            hatchet.runs.get_status,
            hatchet.runs.cancel,
            hatchet.runs.get_task_run,
        ):
            with pytest.raises(RequestRefused):
                act(name)
