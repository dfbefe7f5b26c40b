"""The crons of a workflow's onCrons: they come and go with the expressions."""

from podhatch.api.model import JsonObject
from podhatch.api.workflow import Workflow, WorkflowSpec
from podhatch.core.common.plan import Plan
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.cron.declared import cron_problems, declared_cron_writes, refused_crons
from podhatch.core.workflow.validate import check_workflow

from tests.fakes.objects import NOW, ago, task, workflow


def declared(*expressions: str, **spec: object) -> JsonObject:
    return workflow(task("a"), onCrons=list(expressions), **spec)


def plan_declared_crons(raw: JsonObject, existing: dict[str, JsonObject]) -> Plan:
    return Plan(tuple(declared_cron_writes(Workflow.model_validate(raw), existing)))


def existing(raw: JsonObject) -> dict[str, JsonObject]:
    applied = plan_declared_crons(raw, {}).apply
    return {manifest["metadata"]["name"]: manifest for manifest in applied}


def test_each_expression_becomes_a_cron_that_the_workflow_owns() -> None:
    plan = plan_declared_crons(declared("0 9 * * 1-5", "@daily", cronInput={"n": 1}), {})
    assert [manifest["spec"] for manifest in plan.apply] == [
        {"workflow": "flow", "schedule": "0 9 * * 1-5", "input": {"n": 1}},
        {"workflow": "flow", "schedule": "@daily", "input": {"n": 1}},
    ]
    names = {manifest["metadata"]["name"] for manifest in plan.apply}
    assert len(names) == 2
    assert all(name.startswith("flow-") for name in names)
    assert all(m["metadata"]["ownerReferences"][0]["uid"] == "wf-uid" for m in plan.apply)


def test_what_is_there_stays_as_it_is_and_what_is_no_longer_declared_goes() -> None:
    there = existing(declared("0 9 * * *", "@daily"))
    assert plan_declared_crons(declared("0  9 * * *", "@daily"), there).apply == ()
    plan = plan_declared_crons(declared("0 9 * * *", "@hourly"), there)
    assert [manifest["spec"]["schedule"] for manifest in plan.apply] == ["@hourly"]
    assert [there[each.name]["spec"]["schedule"] for each in plan.delete] == ["@daily"]


def test_a_user_may_suspend_a_declared_cron_and_no_more() -> None:
    raw = declared("@daily", cronInput={"n": 1})
    ((name, cron),) = existing(raw).items()
    suspended = {**cron, "spec": {**cron["spec"], "suspend": True, "timeZone": "Etc/UTC"}}
    assert plan_declared_crons(raw, {name: suspended}).apply == ()
    other_input = {**cron, "spec": {**cron["spec"], "input": {"n": 2}}}
    assert plan_declared_crons(raw, {name: other_input}).apply == (cron,)
    none_any_more = plan_declared_crons(declared("@daily"), {name: cron})
    assert "input" not in none_any_more.apply[0]["spec"]


def test_crons_of_two_workflows_whose_names_are_cut_are_two() -> None:
    one, other = declared("@daily"), declared("@daily")
    one["metadata"]["name"], other["metadata"]["name"] = "x" * 50 + "a", "x" * 50 + "b"
    assert existing(one).keys().isdisjoint(existing(other))
    assert all(len(name) <= 52 for name in existing(one))


def test_a_workflow_on_its_way_out_declares_nothing() -> None:
    raw = declared("@daily")
    raw["metadata"]["deletionTimestamp"] = ago(0)
    assert plan_declared_crons(raw, existing(declared("@daily"))).delete == ()


def test_what_is_no_expression_is_told_by_the_workflow() -> None:
    raw = declared("* * * * * *", "@daily")
    (problem,) = cron_problems(WorkflowSpec.model_validate(raw["spec"]))
    assert problem.startswith("spec.onCrons: '* * * * * *' is not a cron expression")
    assert "got six" in problem
    status = check_workflow(raw, NOW).status
    assert status is not None
    assert problem in status["conditions"][0]["message"]
    assert [cron["spec"]["schedule"] for cron in existing(raw).values()] == ["@daily"]


def test_a_cron_that_was_refused_is_told_by_the_workflow() -> None:
    raw = declared("@daily")
    refusals = {name: ApiRefusal(403, "exceeded quota") for name in existing(raw)}
    refused = refused_crons(Workflow.model_validate(raw), refusals)
    status = check_workflow(raw, NOW, refused).status
    assert status is not None
    (condition,) = status["conditions"]
    assert (condition["status"], condition["reason"]) == ("False", "CronRefused")
    assert condition["message"] == (
        "spec.onCrons: the CronWorkflow of '@daily' was refused, and is tried again: exceeded quota"
    )
    told = {**raw, "status": status}
    assert check_workflow(told, NOW, refused).status is None
    mended = check_workflow(told, NOW).status
    assert mended is not None
    assert mended["conditions"][0]["status"] == "True"
