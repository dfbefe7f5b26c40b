"""A workflow's plan: its status, its pods' dry run, and the revisions that no run needs."""

from podhatch.api.model import JsonObject
from podhatch.core.common.observed import UNDECIDED, Defaults, ObservedWorkflow
from podhatch.core.common.plan import Delete, Plan
from podhatch.core.workflow.plan import CLEAN_UP_AGAIN, plan_workflow
from podhatch.core.workflow.revision import current_revision

from tests.fakes.objects import NOW, task, workflow

DEFAULTS = Defaults("runner:1")
PLAIN = workflow(task("a"))
SHIPPED = workflow(task("b"), source={"configMap": "source-of-b"})
OTHER = workflow(task("c"), source={"configMap": "source-of-c"})


def stored(*workflows: JsonObject) -> dict[str, JsonObject]:
    labels = {"podhatch.dev/workflow": "flow"}
    names = [current_revision(each).name for each in workflows]
    return {
        name: {"metadata": {"name": name, "labels": labels}, "data": {"spec": each["spec"]}}
        for name, each in zip(names, workflows, strict=True)
    }


def test_a_workflow_gets_a_status_and_a_dry_run_of_its_pods() -> None:
    plan = plan_workflow(ObservedWorkflow(workflow=PLAIN), DEFAULTS, NOW)
    assert plan.status is not None
    assert len(plan.dry_run) == 1
    assert plan.writes == ()


def test_the_pods_are_not_tried_again_once_the_api_server_has_answered() -> None:
    observed = ObservedWorkflow(workflow=PLAIN, refused_pods={})
    plan = plan_workflow(observed, DEFAULTS, NOW)
    assert plan.dry_run == {}
    assert plan.status is not None
    assert [each["status"] for each in plan.status["conditions"]] == ["True"]


def test_a_workflow_with_a_schema_waits_for_its_evaluation() -> None:
    observed = ObservedWorkflow(workflow=workflow(task("a"), inputSchema={"type": "object"}))
    plan = plan_workflow(observed, DEFAULTS, NOW)
    assert plan == Plan(evaluate=plan.evaluate)
    assert plan.evaluate


def test_sources_that_no_other_workflow_ships_go_before_their_revisions() -> None:
    revisions = stored(SHIPPED, OTHER)
    observed = ObservedWorkflow(revisions=revisions, other_sources=lambda: ["source-of-c"])
    plan = plan_workflow(observed, DEFAULTS, NOW)
    assert plan.writes[0] == Delete("ConfigMap", "source-of-b")
    assert set(plan.writes[1:]) == {Delete("ControllerRevision", name) for name in revisions}


def test_revisions_stay_while_a_run_has_not_said_which_one_it_pins() -> None:
    observed = ObservedWorkflow(revisions=stored(SHIPPED), pinned={UNDECIDED})
    assert plan_workflow(observed, DEFAULTS, NOW) == Plan(requeue_at=NOW + CLEAN_UP_AGAIN)


def test_a_workflow_that_is_gone_and_left_nothing_needs_nothing() -> None:
    assert plan_workflow(ObservedWorkflow(), DEFAULTS, NOW) == Plan()
