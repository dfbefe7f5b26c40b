"""Plan a run whose workflow is pinned, and read the plan."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

from podhatch.api.model import JsonObject
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.observed import Observed
from podhatch.core.common.plan import Plan
from podhatch.core.expressions.evaluation import Answers
from podhatch.core.run.plan import plan_run
from podhatch.core.workflow.revision import current_revision, revision_manifest

from tests.fakes.answers import answered
from tests.fakes.objects import DEFAULTS, NOW, ago, attempt_name, jobs_of, report, run, workflow

ERROR: JsonObject = {"type": "ValueError", "message": "bad"}
HOOK: JsonObject = {"name": "mend", "python": "m:mend"}


def spec_of(*tasks: JsonObject, **fields: object) -> WorkflowSpec:
    return WorkflowSpec.model_validate(workflow(*tasks, **fields)["spec"])


def plan(
    flow: JsonObject,
    status: JsonObject | None = None,
    *,
    later: float = 0,
    spec: JsonObject | None = None,
    events: tuple[JsonObject, ...] = (),
    answers: Answers | None = None,
    **children: Any,
) -> Plan:
    """Plan a run whose workflow is pinned. What is reported has a Job."""
    revision = current_revision(flow)
    pinned = revision_manifest(revision, flow)
    children["jobs"] = jobs_of(children.get("results", {})) | children.get("jobs", {})
    for each in children["jobs"].values():
        each["metadata"]["labels"]["podhatch.dev/revision"] = revision.name
    raw = run(status, **(spec or {}))
    observed = Observed(raw, flow, {revision.name: pinned}, events=events, **children)
    now = NOW + timedelta(seconds=later)
    if answers is not None:
        return plan_run(replace(observed, answers=answers), DEFAULTS, now)
    return answered(lambda known: plan_run(replace(observed, answers=known), DEFAULTS, now))


def stored(made: Plan) -> JsonObject:
    assert made.status is not None
    return made.status


def entries(made: Plan) -> dict[str, JsonObject]:
    return {entry["name"]: entry for entry in stored(made)["tasks"]}


def states(made: Plan) -> dict[str, str]:
    return {name: entry["state"] for name, entry in entries(made).items()}


def jobs(made: Plan) -> list[str]:
    return [item["metadata"]["name"] for item in made.create if item["kind"] == "Job"]


def variable(made: Plan, name: str) -> str | None:
    env = made.create[-1]["spec"]["template"]["spec"]["containers"][0]["env"]
    return next((item["value"] for item in env if item["name"] == name), None)


def reported(
    name: str, outcome: str = "Succeeded", number: int = 1, **fields: object
) -> JsonObject:
    spec = report(name, outcome, **fields) | {"attempt": number}
    return {attempt_name(name, number): {"metadata": {"name": "r"}, "spec": spec}}


def failed(name: str, number: int = 1, **fields: object) -> JsonObject:
    return reported(name, "Failed", number, error=ERROR, finishedAt=ago(0), **fields)
