"""Child runs: which parents are accepted, and how deep runs may be nested."""

from datetime import timedelta

import pytest
from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.core.common.observed import Observed
from podhatch.core.run.acceptance import ancestors_of
from podhatch.core.run.plan import plan_run

from tests.fakes.objects import DEFAULTS, NOW, run, task, workflow
from tests.unit.core.planning import plan, stored, variable

PARENT: JsonObject = {"run": "parent-1", "task": "spawn", "job": "parent-1-spawn-x-1"}


def parent_job(of_run: str, of_task: str) -> JsonObject:
    return {"metadata": {"labels": {labels.RUN: of_run, labels.TASK: of_task}}}


@pytest.mark.parametrize(
    ("job", "refused"),
    [
        (None, False),
        (parent_job("parent-1", "spawn"), False),
        (parent_job("other", "spawn"), True),
        (parent_job("parent-1", "other"), True),
        ({"metadata": {}}, True),
    ],
)
def test_a_child_with_a_job_of_another_run_is_refused(
    job: JsonObject | None, refused: bool
) -> None:
    flow = workflow(task("a"))
    raw = run(parent={**PARENT, "index": 0}, startAt="2030-01-01T00:00:00Z")
    made = plan_run(Observed(raw, flow, parent_job=job), DEFAULTS, NOW)
    reason = stored(made)["conditions"][0]["reason"]
    assert (reason, stored(made)["phase"]) == (
        ("ParentInvalid", "Failed") if refused else ("Scheduled", "Pending")
    )


def parents(*depths: int | None) -> list[JsonObject]:
    """Return runs that are each the child of the next, the last of nobody; None: no depth yet."""
    chain = [run({"depth": depth} if depth else None, parent=PARENT) for depth in depths]
    chain[-1]["spec"].pop("parent")
    return chain


@pytest.mark.parametrize(
    ("ancestors", "depth"),
    [
        ([], 1),
        (parents(None), 1),
        (parents(None, None, None), 3),
        ([run({"depth": 15}, parent=PARENT)], 16),
        ([run({"depth": 16}, parent=PARENT)], 17),
        ([run(parent=PARENT), run({"depth": 16}, parent=PARENT)], 18),
        ([run(parent=PARENT)] * 16, 17),
    ],
)
def test_a_child_run_is_one_deeper_than_its_parent(ancestors: list[JsonObject], depth: int) -> None:
    raw = run(parent={**PARENT, "index": 0})
    made = plan_run(Observed(raw, workflow(task("a")), ancestors=ancestors), DEFAULTS, NOW)
    assert stored(made)["depth"] == depth
    assert bool(made.create) == (depth <= DEFAULTS.max_depth)
    if depth > DEFAULTS.max_depth:
        assert stored(made)["phase"] == "Failed"
        assert stored(made)["conditions"][0]["reason"] == "TooDeep"
        assert "at most 16 are allowed (chart value maxRunDepth)" in stored(made)["message"]


def test_a_run_keeps_the_depth_that_its_status_holds() -> None:
    raw = run({"depth": 3}, parent={**PARENT, "index": 0})
    made = plan_run(Observed(raw, workflow(task("a"))), DEFAULTS, NOW)
    assert stored(made)["depth"] == 3


def test_a_run_without_a_parent_has_no_depth() -> None:
    assert "depth" not in stored(plan(workflow(task("a"))))


def test_runs_that_name_each_other_as_parents_are_too_deep() -> None:
    mine = run(parent={**PARENT, "index": 0})
    ancestors = [*ancestors_of(mine, lambda _: mine)]
    made = plan_run(Observed(mine, workflow(task("a")), ancestors=ancestors), DEFAULTS, NOW)
    assert stored(made)["conditions"][0]["reason"] == "TooDeep"


def test_ancestors_are_read_up_to_the_first_with_a_known_depth() -> None:
    top, parent = run({"depth": 4}, parent=PARENT), run(parent={**PARENT, "run": "top"})
    runs = {"parent-1": parent, "top": top}
    assert [*ancestors_of(run(parent=PARENT), runs.get)] == [parent, top]
    assert [*ancestors_of(run(parent=PARENT), lambda _: None)] == []


@pytest.mark.parametrize(("uid", "phase"), [("parent-uid", "Running"), ("other-uid", "Failed")])
def test_a_child_run_needs_its_parent_as_owner(uid: str, phase: str) -> None:
    job = parent_job("parent-1", "spawn")
    job["metadata"]["ownerReferences"] = [{"uid": "parent-uid", "controller": True}]
    raw = run(parent={**PARENT, "index": 0})
    owner = {"apiVersion": labels.API_VERSION, "kind": "WorkflowRun", "name": "parent-1"}
    raw["metadata"]["ownerReferences"] = [{**owner, "uid": uid}]
    made = plan_run(Observed(raw, workflow(task("a")), parent_job=job), DEFAULTS, NOW)
    assert made.status is not None
    assert made.status["phase"] == phase
    if phase == "Failed":
        assert "the owner is not the run 'parent-1' of spec.parent" in made.status["message"]


def test_the_parent_of_a_child_run_that_runs_is_not_checked_again() -> None:
    flow = workflow(task("a"))
    begun = plan(flow, spec={"parent": {**PARENT, "index": 0}})
    raw = run(begun.status, parent={**PARENT, "index": 0})
    observed = Observed(raw, flow, parent_job=parent_job("other", "other"))
    later = plan_run(observed, DEFAULTS, NOW + timedelta(seconds=1))
    assert variable(begun, "PODHATCH_TRIGGER")
    assert later.status is None or later.status["phase"] == "Running"
