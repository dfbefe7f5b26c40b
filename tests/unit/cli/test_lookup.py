import re
from typing import Any, cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.cli.errors import CommandError
from podhatch.cli.lookup import find_parents, find_run
from podhatch.cluster import CONTROLLER_REVISION, WORKFLOW, ApiError, Cluster, Kind


class StoredCluster:
    """Objects in a dict, and errors where there is none; end-to-end tests use the real one."""

    def __init__(self, objects: dict[tuple[str, str], JsonObject], missing: int = 404) -> None:
        self.objects = objects
        self.missing = missing

    async def get(self, kind: Kind, _namespace: str, name: str) -> JsonObject:
        if (kind.kind, name) not in self.objects:
            raise ApiError(self.missing, "NotFound", f'"{name}" not found')
        return self.objects[kind.kind, name]

    async def rows(self, *_: object, **_options: object) -> list[JsonObject]:
        return [
            {
                "Name": item["metadata"]["name"],
                "Namespace": item["metadata"]["namespace"],
                "Created": item["metadata"]["creationTimestamp"],
            }
            for item in self.objects.values()
        ]


def runs(*created_and_started: tuple[str, str]) -> Cluster:
    objects: dict[tuple[str, str], Any] = {
        ("WorkflowRun", f"run-{index}"): {
            "metadata": {"name": f"run-{index}", "namespace": "n", "creationTimestamp": created},
            "spec": {"workflow": "w"},
            "status": {"startedAt": started} if started else {},
        }
        for index, (created, started) in enumerate(created_and_started)
    }
    return cast("Cluster", StoredCluster(objects))


def spec(**parents: list[str]) -> JsonObject:
    return {
        "tasks": [{"name": name, "python": "m:f", "parents": of} for name, of in parents.items()]
    }


RUN = WorkflowRun.model_validate(
    {
        "metadata": {"name": "r", "namespace": "n"},
        "spec": {"workflow": "w"},
        "status": {"revision": "w-1"},
    }
)


SECOND = "2026-01-01T00:00:02Z"


async def name_of(cluster: Cluster, asked: str, *, certain: bool = False) -> str:
    return str((await find_run(cluster, "n", asked, certain=certain))["metadata"]["name"])


async def test_a_run_is_found_by_its_name():
    for given in ("run-1", "wfr/run-1", "workflowrun.podhatch.dev/run-1"):
        assert await name_of(runs((SECOND, ""), (SECOND, "")), given) == "run-1"


@pytest.mark.parametrize("given", ["x?y", "a/b", "..", "É"])
async def test_a_name_that_no_object_has_is_not_asked_for(given: str):
    cluster = cast("Cluster", StoredCluster({}, missing=500))
    with pytest.raises(CommandError, match=f"there is no WorkflowRun {re.escape(given)} in "):
        await find_run(cluster, "n", given)


async def test_latest_is_the_run_created_last():
    cluster = runs((SECOND, SECOND), ("2026-01-01T00:00:09Z", SECOND))
    assert await name_of(cluster, "@latest") == "run-1"


def in_a_second(*statuses: JsonObject) -> Cluster:
    """Return a cluster with runs of these statuses, all created in the same second."""
    cluster = runs(*((SECOND, "") for _ in statuses))
    objects = cast("StoredCluster", cluster).objects.values()
    for run, status in zip(objects, statuses, strict=True):
        run["status"] = status
    return cluster


def moment(fraction: int) -> str:
    return f"2026-01-01T00:00:02.{fraction}Z"


@pytest.mark.parametrize(
    ("statuses", "latest"),
    [
        ([{"startedAt": moment(n)} for n in (1, 3, 2)], "run-1"),
        ([{"startedAt": moment(1)}, {}, {"startedAt": moment(3)}], "run-1"),
        (
            [
                {"startedAt": moment(1)},
                {"phase": "Cancelled", "finishedAt": moment(4)},
                {"startedAt": moment(3), "finishedAt": moment(9), "phase": "Succeeded"},
            ],
            "run-1",
        ),
    ],
    ids=["started last", "not started", "ended before it started"],
)
async def test_of_runs_created_in_one_second_the_one_that_began_last_is_latest(
    statuses: list[JsonObject], latest: str
):
    assert await name_of(in_a_second(*statuses), "@latest", certain=True) == latest


async def test_where_it_is_not_clear_which_run_is_the_latest_they_are_named():
    cluster = in_a_second({}, {"startedAt": moment(3)}, {"phase": "Pending"})
    assert await name_of(cluster, "@latest") in ("run-0", "run-2")
    with pytest.raises(CommandError, match=r"equally new, name one: run-0, run-2$"):
        await name_of(cluster, "@latest", certain=True)


async def test_a_schedule_that_waits_is_not_the_latest():
    cluster = runs((SECOND, SECOND), ("2026-01-01T00:00:09Z", ""))
    objects = cast("StoredCluster", cluster).objects
    waiting = objects["WorkflowRun", "run-1"]
    waiting["spec"]["startAt"] = "2027-01-01T00:00:00Z"
    assert await name_of(cluster, "@latest") == "run-0"
    waiting["status"] = {"phase": "Cancelled"}
    assert await name_of(cluster, "@latest") == "run-1"
    waiting["status"] = {}
    del objects["WorkflowRun", "run-0"]
    with pytest.raises(CommandError, match="WorkflowRun that has started in"):
        await name_of(cluster, "@latest")


async def test_the_latest_of_no_runs_is_an_error():
    with pytest.raises(CommandError, match="namespace n"):
        await find_run(runs(), "n", "@latest")


async def test_a_run_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(CommandError, match=r"no WorkflowRun rum-1 .* n; did you mean run-1\?"):
        await find_run(runs(("b", "b"), ("a", "a")), "n", "rum-1")
    with pytest.raises(CommandError, match=r"no WorkflowRun other in namespace n$"):
        await find_run(runs(("b", "b")), "n", "other")


async def test_parents_are_those_pinned_for_the_run():
    objects = {
        (CONTROLLER_REVISION.kind, "w-1"): {"data": {"spec": spec(a=[], b=["a"])}},
        (WORKFLOW.kind, "w"): {"spec": spec(b=[], a=["b"])},
    }
    assert await find_parents(cast("Cluster", StoredCluster(objects)), RUN) == {"a": [], "b": ["a"]}


async def test_failure_and_success_tasks_stand_below_all_others():
    hooks = {
        "onFailureTask": {"name": "undo", "python": "m:f"},
        "onSuccessTask": {"name": "tell", "python": "m:f"},
    }
    whole = {**spec(a=[], b=["a"], c=["a"]), **hooks}
    objects = {(CONTROLLER_REVISION.kind, "w-1"): {"data": {"spec": whole}}}
    parents = await find_parents(cast("Cluster", StoredCluster(objects)), RUN)
    assert (parents["undo"], parents["tell"]) == (["b", "c"], ["b", "c"])


@pytest.mark.parametrize("missing", [403, 404])
async def test_without_the_pinned_workflow_it_is_taken_as_it_is_now(missing: int):
    objects = {(WORKFLOW.kind, "w"): {"spec": spec(b=[], a=["b"])}}
    cluster = cast("Cluster", StoredCluster(objects, missing))
    assert await find_parents(cluster, RUN) == {"b": [], "a": ["b"]}
    assert await find_parents(cast("Cluster", StoredCluster({}, missing)), RUN) == {}


async def test_any_other_refusal_is_told():
    with pytest.raises(ApiError):
        await find_parents(cast("Cluster", StoredCluster({}, 500)), RUN)
