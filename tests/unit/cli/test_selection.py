from datetime import datetime
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import Phase
from podhatch.cli.lookup import PHASES, Found, Selection, find_runs
from podhatch.cluster import Cluster

from tests.fakes.cluster import FakeCluster
from tests.unit.cli.runs import at


def manifest(name: str, second: int, **more: JsonObject) -> JsonObject:
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowRun",
        "metadata": {
            "name": name,
            "namespace": "default",
            "creationTimestamp": f"2026-11-24T12:00:{second:02}Z",
        },
        "spec": {"workflow": "w", **more.get("spec", {})},
        "status": more.get("status", {}),
    }


async def found_in(
    runs: list[JsonObject], selection: Selection | None = None, limit: int | None = 50
) -> tuple[list[str], int]:
    """Return the names that are shown, and how many more there are."""
    cluster = FakeCluster()
    for run in runs:
        created = await cluster.create(run)
        await cluster.replace_status({**created, "status": run["status"]})
    found: Found = await find_runs(
        cast("Cluster", cluster), "default", selection or Selection(), limit
    )
    return [run["metadata"]["name"] for run in found.items], found.older


@pytest.mark.parametrize("limit", [None, 50])
@pytest.mark.parametrize(
    ("phases", "expected"),
    [
        ((), {"running", "failed", "pending", "none"}),
        (("Failed",), {"failed"}),
        (("Pending",), {"pending", "none"}),
        (("Running", "Failed"), {"running", "failed"}),
        (("Pending", "Failed"), {"pending", "none", "failed"}),
    ],
)
async def test_phases_are_alternatives_and_a_run_without_one_is_pending(
    phases: tuple[Phase, ...], expected: set[str], limit: int | None
):
    runs = [
        manifest(phase.lower(), 1, status={"phase": phase})
        for phase in ("Running", "Failed", "Pending")
    ]
    names, _ = await found_in([*runs, manifest("none", 1)], Selection(phases=phases), limit)
    assert set(names) == expected


def test_the_api_server_selects_workflows_and_phases():
    assert Selection().field_selector == ""
    assert Selection(workflow="w").field_selector == "spec.workflow=w"
    excluded = set(Selection(phases=("Failed",)).field_selector.split(","))
    wanted = {f"status.phase!={phase}" for phase in PHASES if phase != "Failed"}
    assert excluded == wanted | {"status.phase!="}


@pytest.mark.parametrize("limit", [None, 50])
async def test_the_age_narrows_the_selection(limit: int | None):
    since = Selection(since=datetime.fromisoformat("2026-11-24T12:00:05Z"))
    runs = [manifest("old", 4), manifest("young", 5)]
    assert await found_in(runs, since, limit) == (["young"], 0)


@pytest.mark.parametrize("limit", [None, 50])
async def test_the_metadata_narrows_the_selection(limit: int | None):
    run = manifest("both", 1, spec={"additionalMetadata": {"a": "1", "b": "2"}})
    runs = [run, manifest("neither", 2)]
    assert await found_in(runs, Selection(metadata={"a": "1"}), limit) == (["both"], 0)
    assert await found_in(runs, Selection(metadata={"a": "1", "c": "3"}), limit) == ([], 0)


async def test_the_newest_come_first_and_those_beyond_the_limit_are_counted():
    runs = [manifest("b", 2), manifest("c", 9), manifest("a", 5)]
    assert await found_in(runs, limit=2) == (["c", "a"], 1)
    assert await found_in(runs, limit=3) == (["c", "a", "b"], 0)
    assert await found_in(runs, limit=None) == (["c", "a", "b"], 0)


async def test_of_runs_of_one_second_those_that_began_last_are_the_newest():
    runs = [
        manifest(f"run-{n}", 7, status={"startedAt": f"{at(n):%Y-%m-%dT%H:%M:%S.%fZ}"})
        for n in (1, 4, 2, 3)
    ]
    assert await found_in(runs, limit=2) == (["run-4", "run-3"], 2)


async def test_only_the_runs_that_are_shown_are_read():
    cluster = FakeCluster()
    for second in range(20):
        await cluster.create(manifest(f"run-{second}", second))
    cluster.requests.clear()
    found = await find_runs(cast("Cluster", cluster), "default", Selection(), 3)
    assert [run["metadata"]["name"] for run in found.items] == ["run-19", "run-18", "run-17"]
    assert cluster.requests["get WorkflowRun"] == 3
