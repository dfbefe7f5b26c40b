"""What is wrong with one object. Pure; called by the command for each document.

The definitions that the API server uses say which fields there are and which rules hold. Where CEL
and jsonschema are installed, the operator's own checks are asked too.
"""

import json
from collections.abc import Iterator
from functools import lru_cache

from pydantic import ValidationError

from podhatch.api.crds import DEFINITIONS
from podhatch.api.cron import CronWorkflow, CronWorkflowSpec
from podhatch.api.cron_expression import checked_cron, is_time_zone
from podhatch.api.event_filter import EventFilter
from podhatch.api.labels import API_VERSION, GROUP
from podhatch.api.model import ApiObject, JsonObject
from podhatch.cli.errors import did_you_mean
from podhatch.cli.lint.fields import field_findings
from podhatch.cli.lint.finding import Finding
from podhatch.cli.lint.metadata import metadata_findings
from podhatch.cli.lint.rules import broken_rules, workflow_findings
from podhatch.evaluation.client import expression_problem
from podhatch.values.parsing import number_problems

MODELS: dict[str, type[ApiObject]] = {each.model.__name__: each.model for each in DEFINITIONS}


def findings(value: JsonObject) -> list[Finding]:
    """Return what is wrong; nothing for an object that is none of ours."""
    version, kind = str(value.get("apiVersion", "")), str(value.get("kind", ""))
    if not version.startswith(f"{GROUP}/"):
        return []
    if version != API_VERSION:
        return [Finding(("apiVersion",), f"{version!r}: this podhatch knows {API_VERSION}")]
    if kind not in MODELS:
        return [Finding(("kind",), f"there is no kind {kind!r}{did_you_mean(kind, MODELS)}")]
    schema = schema_of(kind)
    numbers = (Finding(path, problem) for path, problem in number_problems(value))
    found = [
        *metadata_findings(value.get("metadata")),
        *field_findings(value, schema),
        *numbers,
    ]
    known = {each.path for each in found}
    found += [each for each in _misfits(value, MODELS[kind]) if each.path not in known]
    return found or [*broken_rules(value, schema, ()), *_semantics(value, MODELS[kind])]


@lru_cache
def schema_of(kind: str) -> JsonObject:
    """Return the schema by which the API server checks objects of a kind."""
    [definition] = [each for each in DEFINITIONS if each.model.__name__ == kind]
    [version] = definition.to_wire()["spec"]["versions"]
    schema: JsonObject = version["schema"]["openAPIV3Schema"]
    return schema


def _misfits(value: JsonObject, model: type[ApiObject]) -> Iterator[Finding]:
    """Yield the fields whose values cannot be."""
    try:
        model.model_validate_json(json.dumps(_without_metadata(value)), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            yield Finding(each["loc"], each["msg"])


def _semantics(value: JsonObject, model: type[ApiObject]) -> Iterator[Finding]:
    parsed = model.model_validate(_without_metadata(value))
    if isinstance(parsed, CronWorkflow):
        yield from _tick_findings(parsed.spec)
    if isinstance(parsed, EventFilter) and (
        problem := expression_problem(parsed.spec.expression, "Filter")
    ):
        yield Finding(("spec", "expression"), problem)
    yield from workflow_findings(parsed)


def _without_metadata(value: JsonObject) -> JsonObject:
    """Return the object for the models, which know less of metadata than the API server."""
    return {key: held for key, held in value.items() if key != "metadata"}


def _tick_findings(cron: CronWorkflowSpec) -> Iterator[Finding]:
    try:
        checked_cron(cron.schedule)
    except ValueError as error:
        yield Finding(("spec", "schedule"), str(error))
    if not is_time_zone(cron.time_zone):
        message = f"{cron.time_zone!r} is no IANA time zone, as Europe/Paris is"
        yield Finding(("spec", "timeZone"), message)
