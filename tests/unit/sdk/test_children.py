"""Runs that a task starts: linked to it, made once, and the same in every attempt."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from podhatch import (
    Context,
    EmptyModel,
    FailedTaskRunExceptionGroup,
    Hatchet,
    NonDeterminismError,
    RequestRefused,
    RunCancelled,
    Standalone,
    Workflow,
)
from podhatch.api.model import JsonObject
from podhatch.cluster import WORKFLOW_RUN
from podhatch.task import entered

from tests.unit.sdk.conftest import Stage


def attempt(number: int = 1, run_uid: str = "uid-1", task_name: str = "charge") -> Context:
    """Return the context of the parent task's attempt, which has started no child yet."""
    return Context(
        workflow_run_id="orders-1",
        run_uid=run_uid,
        task_run_id=f"orders-1-charge-abc-{number}",
        workflow_name="orders",
        task_name=task_name,
        attempt_number=number,
        additional_metadata={"tenant": "acme", "by": "parent"},
    )


@pytest.fixture
def child(hatchet: Hatchet) -> Standalone[EmptyModel, int]:
    @hatchet.task("child")
    def child(input: EmptyModel, ctx: Context) -> int:
        return 1

    return child


@pytest.fixture
def other(hatchet: Hatchet) -> Workflow[EmptyModel]:
    other = hatchet.workflow("other")

    @other.task()
    def work(input: EmptyModel, ctx: Context) -> None: ...

    return other


def test_a_child_is_linked_to_its_parent(stage: Stage, child: Standalone[EmptyModel, int]) -> None:
    with entered(attempt()):
        child.run_no_wait(additional_metadata={"by": "child"})
    run = stage.run
    assert run["spec"]["parent"] == {
        "run": "orders-1",
        "task": "charge",
        "job": "orders-1-charge-abc-1",
        "index": 0,
    }
    assert run["metadata"]["ownerReferences"] == [
        {
            "apiVersion": "podhatch.dev/v1alpha1",
            "kind": "WorkflowRun",
            "name": "orders-1",
            "uid": "uid-1",
        }
    ]
    assert run["metadata"]["name"].startswith("orders-1-")
    assert run["spec"]["additionalMetadata"] == {"tenant": "acme", "by": "child"}


def test_a_schedule_outlives_the_run_that_has_made_it(
    stage: Stage, child: Standalone[EmptyModel, int]
) -> None:
    with entered(attempt()):
        child.schedule(datetime.now(UTC) + timedelta(days=30))
    assert stage.run["spec"]["parent"]["run"] == "orders-1"
    assert "ownerReferences" not in stage.run["metadata"]


def test_a_pod_publishes_no_workflow(stage: Stage, child: Standalone[EmptyModel, int]) -> None:
    with entered(attempt()):
        child.run_no_wait()
    assert stage.cluster.requests == {"create WorkflowRun": 1}


def test_a_run_started_outside_of_a_task_is_an_ordinary_one(
    stage: Stage, child: Standalone[EmptyModel, int]
) -> None:
    child.run_no_wait()
    assert "parent" not in stage.run["spec"]
    assert "ownerReferences" not in stage.run["metadata"]


def test_a_task_that_belongs_to_no_run_has_no_children(
    stage: Stage, child: Standalone[EmptyModel, int]
) -> None:
    with entered(attempt(run_uid="")):
        child.run_no_wait()
    assert "parent" not in stage.run["spec"]
    assert len(stage.cluster.objects("Workflow")) == 1


def names(stage: Stage) -> list[str]:
    return [run["metadata"]["name"] for run in stage.cluster.objects("WorkflowRun")]


def test_each_child_is_another_run(stage: Stage, child: Standalone[EmptyModel, int]) -> None:
    with entered(attempt()):
        for _ in range(3):
            child.run_no_wait()
    indexes = [run["spec"]["parent"]["index"] for run in stage.cluster.objects("WorkflowRun")]
    assert indexes == [0, 1, 2]
    assert len(set(names(stage))) == 3


STARTS: dict[str, Callable[[Standalone[EmptyModel, int]], object]] = {
    "key": lambda child: child.run_no_wait(child_key="a"),
    "index": lambda child: child.run_no_wait(),
    "many": lambda child: child.run_many_no_wait([child.create_bulk_run_item(key="a")]),
    "async": lambda child: asyncio.run(child.aio_run_no_wait()),
}


@pytest.mark.parametrize("start", STARTS.values(), ids=STARTS)
def test_a_later_attempt_finds_the_same_run(
    stage: Stage,
    child: Standalone[EmptyModel, int],
    start: Callable[[Standalone[EmptyModel, int]], object],
) -> None:
    for number in (1, 2):
        with entered(attempt(number)):
            start(child)
    assert len(names(stage)) == 1
    assert stage.run["spec"]["parent"]["job"] == "orders-1-charge-abc-1"


def test_a_later_attempt_gets_the_result_that_is_there(
    stage: Stage, child: Standalone[EmptyModel, int]
) -> None:
    stage.outputs(child="7")
    for number in (1, 2):
        with entered(attempt(number)):
            assert child.run() == 7
    assert len(names(stage)) == 1


def test_a_key_is_not_an_index(stage: Stage, child: Standalone[EmptyModel, int]) -> None:
    with entered(attempt()):
        child.run_no_wait()
        child.run_no_wait(child_key="0")
        child.run_no_wait(child_key="1")
        child.run_no_wait()
    assert len(set(names(stage))) == 4


def test_another_workflow_in_the_place_of_a_child_is_an_error(
    stage: Stage, child: Standalone[EmptyModel, int], other: Workflow[EmptyModel]
) -> None:
    with entered(attempt()):
        child.run_no_wait()
    with entered(attempt(2)), pytest.raises(NonDeterminismError) as error:
        other.run_no_wait()
    assert "non-determinism in task charge of run orders-1" in str(error.value)
    assert "(index 0) is of workflow 'child'" in str(error.value)
    assert error.value.task_external_id == "orders-1-charge-abc-2"


def test_another_input_in_the_place_of_a_child_is_an_error(stage: Stage, hatchet: Hatchet) -> None:
    @hatchet.task("double", input_validator=dict[str, int])
    def double(input: dict[str, int], ctx: Context) -> int:
        return 2 * input["n"]

    with entered(attempt()):
        double.run_no_wait({"n": 1})
    with entered(attempt(2)), pytest.raises(NonDeterminismError) as error:
        double.run_no_wait({"n": 2})
    assert "(index 0) has another input since it was first asked for than now" in str(error.value)


FORGERIES: dict[str, Callable[[JsonObject], object]] = {
    "no parent": lambda run: run["spec"].pop("parent"),
    "another run's": lambda run: run["spec"]["parent"].update(run="orders-2"),
    "another task's": lambda run: run["spec"]["parent"].update(task="ship"),
    "another place": lambda run: run["spec"]["parent"].update(index=1),
    "by an event": lambda run: run["spec"].update(trigger={"event": {"id": "e", "key": "k"}}),
    "no owner": lambda run: run["metadata"].pop("ownerReferences"),
    "another owner": lambda run: run["metadata"]["ownerReferences"][0].update(uid="uid-2"),
}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_run_that_has_taken_its_name_is_not_adopted(
    stage: Stage, child: Standalone[EmptyModel, int], forge: Callable[[JsonObject], object]
) -> None:
    with entered(attempt()):
        child.run_no_wait()
    [mine] = stage.cluster.objects("WorkflowRun")
    name = mine["metadata"]["name"]
    asyncio.run(stage.cluster.delete(WORKFLOW_RUN, "default", name))
    metadata = {part: mine["metadata"][part] for part in ("name", "namespace", "ownerReferences")}
    forged = {**mine, "metadata": metadata}
    forge(forged)
    asyncio.run(stage.cluster.create(forged))
    with entered(attempt()), pytest.raises(RequestRefused) as error:
        child.run()
    assert f"WorkflowRun {name!r} exists and is not the child run that task" in str(error.value)


def test_the_same_place_in_another_run_is_another_child(
    stage: Stage, child: Standalone[EmptyModel, int]
) -> None:
    with entered(attempt()):
        child.run_no_wait()
    with entered(attempt(run_uid="uid-2")):
        child.run_no_wait()
    with entered(attempt(task_name="ship")):
        child.run_no_wait()
    assert len(set(names(stage))) == 3


@pytest.mark.parametrize(
    ("phase", "error"), [("Failed", FailedTaskRunExceptionGroup), ("Cancelled", RunCancelled)]
)
def test_the_end_of_a_child_raises_as_anywhere(
    stage: Stage, child: Standalone[EmptyModel, int], phase: str, error: type[Exception]
) -> None:
    failed: JsonObject = {"name": "child", "state": phase, "message": "no"}
    stage.statuses = lambda _: [{"phase": phase, "tasks": [failed]}]
    with entered(attempt()), pytest.raises(error):
        child.run()


def test_the_children_of_all_attempts_have_one_label(
    stage: Stage, child: Standalone[EmptyModel, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    from podhatch.client import background_loop

    monkeypatch.setenv("PODHATCH_RUN_UID", "uid-1")
    monkeypatch.setenv("PODHATCH_TASK", "charge")
    for number in (1, 2):
        with entered(attempt(number)):
            child.run_no_wait(child_key=str(number))
        background_loop.shut_down()
    labels = [run["metadata"]["labels"] for run in stage.cluster.objects("WorkflowRun")]
    assert labels[0] == labels[1]


def test_a_pod_starts_children_where_it_runs(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PODHATCH_RUN_UID", "uid-1")

    @Hatchet("shop", kubeconfig="/k", context="test").task()
    def child(input: EmptyModel, ctx: Context) -> None: ...

    with entered(attempt()):
        child.run_no_wait()
    assert stage.connects == [{"kubeconfig": None, "context": None}]
    assert stage.run["metadata"]["namespace"] == "default"
