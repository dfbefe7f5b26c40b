"""What is wrong with one object. Pure; called by the command for each document.

The definitions that the API server uses say which fields there are and which rules hold. Where CEL
and jsonschema are installed, the operator's own checks are asked too.
"""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, cast

from pydantic import ValidationError

from podhatch.api.crds import DEFINITIONS
from podhatch.api.cron import CronWorkflow
from podhatch.api.labels import API_VERSION, GROUP
from podhatch.api.model import ApiObject, JsonObject
from podhatch.cli.errors import did_you_mean
from podhatch.cli.lint.finding import Finding, Path
from podhatch.cli.lint.parts import parts
from podhatch.cli.lint.rules import broken_rules, filter_problem, workflow_findings
from podhatch.cron_expression import checked_cron

MODELS: dict[str, type[ApiObject]] = {each.model.__name__: each.model for each in DEFINITIONS}

TOP = ("apiVersion", "kind", "metadata")


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
    found = [*_unknown(value, schema, ()), *_misfits(value, MODELS[kind])]
    if not found:
        found = [*broken_rules(value, schema, ()), *_semantics(value, MODELS[kind])]
    return found


@lru_cache
def schema_of(kind: str) -> JsonObject:
    """Return the schema by which the API server checks objects of a kind."""
    [definition] = [each for each in DEFINITIONS if each.model.__name__ == kind]
    [version] = definition.to_wire()["spec"]["versions"]
    schema: JsonObject = version["schema"]["openAPIV3Schema"]
    return schema


def _unknown(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the fields that the API server would drop."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or path == ("metadata",):
        return
    if isinstance(value, dict) and "properties" in schema:
        names: set[str] = {*schema["properties"], *(() if path else TOP)}
        for name in cast("JsonObject", value).keys() - names:
            yield Finding((*path, name), f"unknown field{did_you_mean(name, names)}")
    for part, held, inner in parts(value, schema):
        yield from _unknown(held, inner, (*path, part))


def _misfits(value: JsonObject, model: type[ApiObject]) -> Iterator[Finding]:
    """Yield the fields whose values cannot be."""
    try:
        model.model_validate_json(json.dumps(value, default=str), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False, include_input=False):
            yield Finding(each["loc"], each["msg"])


def _semantics(value: JsonObject, model: type[ApiObject]) -> Iterator[Finding]:
    parsed = model.model_validate(value)
    if isinstance(parsed, CronWorkflow):
        try:
            checked_cron(parsed.spec.schedule)
        except ValueError as error:
            yield Finding(("spec", "schedule"), str(error))
    for path, expression in _expressions(value):
        if problem := filter_problem(expression):
            yield Finding(path, problem)
    yield from workflow_findings(parsed)


def _expressions(value: JsonObject) -> Iterator[tuple[Path, str]]:
    """Yield the expressions of filters; the check of a workflow knows those of its conditions."""
    spec = value["spec"]
    if value["kind"] == "EventFilter":
        yield ("spec", "expression"), spec["expression"]
    for index, rule in enumerate(spec.get("defaultFilters", [])):
        yield ("spec", "defaultFilters", index, "expression"), rule["expression"]
