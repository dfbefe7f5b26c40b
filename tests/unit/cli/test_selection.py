from datetime import timedelta
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cli.selection import Selection, find_runs
from podhatch.cluster import Cluster

from tests.fakes.cluster import FakeCluster
from tests.unit.cli.runs import START, run_of


def test_without_a_wish_every_run_is_shown():
    assert Selection().holds(run_of("Failed"))
    assert Selection().holds(run_of(None))
    assert Selection().field_selector == ""


@pytest.mark.parametrize(
    ("phases", "held"),
    [
        (("Failed",), False),
        (("Pending",), False),
        (("Running", "Failed"), True),
    ],
)
def test_phases_are_alternatives(phases: tuple[str, ...], held: bool):
    selection = Selection(phases=phases)  # type: ignore[arg-type]
    assert selection.holds(run_of("Running")) is held


def test_a_run_without_status_is_pending_and_not_asked_of_the_api_server():
    selection = Selection(workflow="w", phases=("Pending",))
    assert selection.holds(run_of(None))
    assert selection.field_selector == "spec.workflow=w"
    assert Selection(phases=("Failed",)).field_selector == "status.phase=Failed"


def test_age_and_metadata_narrow_it():
    assert Selection(since=START).holds(run_of("Running"))
    assert not Selection(since=START + timedelta(seconds=1)).holds(run_of("Running"))
    run = run_of("Running")
    run = run.model_copy(
        update={"spec": run.spec.model_copy(update={"additional_metadata": {"a": "1", "b": "2"}})}
    )
    assert Selection(metadata={"a": "1"}).holds(run)
    assert not Selection(metadata={"a": "1", "c": "3"}).holds(run)


async def test_the_newest_come_first_and_the_limit_leaves_out_the_oldest():
    cluster = FakeCluster()
    for second, name in ((2, "b"), (9, "c"), (5, "a")):
        manifest: JsonObject = {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "WorkflowRun",
            "metadata": {
                "name": name,
                "namespace": "default",
                "creationTimestamp": f"2026-11-24T12:00:0{second}Z",
            },
            "spec": {"workflow": "w"},
        }
        await cluster.create(manifest)
    found = await find_runs(cast("Cluster", cluster), "default", Selection(limit=2))
    assert [run.metadata.name for run, _ in found] == ["c", "a"]
    assert [raw["metadata"]["name"] for _, raw in found] == ["c", "a"]
