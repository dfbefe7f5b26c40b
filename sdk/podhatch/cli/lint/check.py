"""Checks one object as the API server and the operator do.

The schema of the CRD gives the fields and the CEL rules, the pydantic models give the types. The
operator's own checks run where the packages of `podhatch[local]` are installed.
"""

import json
import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from podhatch.api.crds import DEFINITIONS
from podhatch.api.cron import CronWorkflow
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.event_filter import EventFilter
from podhatch.api.labels import API_VERSION, GROUP
from podhatch.api.model import ApiObject, JsonObject
from podhatch.api.workflow import Workflow
from podhatch.cli.errors import did_you_mean
from podhatch.cli.lint.schema import Finding, Path, broken_rules, field_findings, split_field
from podhatch.evaluation.client import expression_problem, is_installed
from podhatch.values.parsing import number_problems

MODELS: dict[str, type[ApiObject]] = {each.model.__name__: each.model for each in DEFINITIONS}

_PROBLEM = re.compile(r"(spec[\w.\[\]-]*): (.*)", re.DOTALL)


def findings(value: JsonObject) -> list[Finding]:
    """Return the problems of an object; none for an object of another API group."""
    version, kind = str(value.get("apiVersion", "")), str(value.get("kind", ""))
    if not version.startswith(f"{GROUP}/"):
        return []
    if version != API_VERSION:
        return [Finding(("apiVersion",), f"expected {API_VERSION}, got {version!r}")]
    if kind not in MODELS:
        return [Finding(("kind",), f"there is no kind {kind!r}{did_you_mean(kind, MODELS)}")]
    schema = schema_of(kind)
    found = [
        *_metadata_findings(value.get("metadata")),
        *field_findings(value, schema),
        *(Finding(path, problem) for path, problem in number_problems(value)),
    ]
    known = {each.path for each in found}
    found += [each for each in _type_findings(value, MODELS[kind]) if each.path not in known]
    if found:
        return found
    parsed = MODELS[kind].model_validate(_without_metadata(value))
    found = [*_cron_findings(parsed)]
    if is_installed():
        found += [*broken_rules(value, schema, ()), *_operator_findings(parsed)]
    return found


@lru_cache
def schema_of(kind: str) -> JsonObject:
    """Return the schema by which the API server checks objects of a kind."""
    [definition] = [each for each in DEFINITIONS if each.model.__name__ == kind]
    [version] = definition.to_wire()["spec"]["versions"]
    schema: JsonObject = version["schema"]["openAPIV3Schema"]
    return schema


def _without_metadata(value: JsonObject) -> JsonObject:
    """Return the object for the models, whose metadata has fewer fields than the API server's."""
    return {key: held for key, held in value.items() if key != "metadata"}


def _type_findings(value: JsonObject, model: type[ApiObject]) -> Iterator[Finding]:
    try:
        model.model_validate_json(json.dumps(_without_metadata(value)), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            yield Finding(each["loc"], _message(each))


def _message(error: ErrorDetails) -> str:
    if error["type"] == "string_type":
        return f"expected a string, got {error['input']!r}"
    return error["msg"]


def _cron_findings(parsed: ApiObject) -> Iterator[Finding]:
    if isinstance(parsed, CronWorkflow):
        spec = parsed.spec
        if problem := schedule_problem(spec.schedule, spec.time_zone):
            yield _finding(problem)


def _operator_findings(parsed: ApiObject) -> Iterator[Finding]:
    """Yield what the operator would report: cycles, invalid expressions, schemas and crons."""
    from podhatch.core.expressions.evaluate import IN_PROCESS
    from podhatch.core.expressions.evaluation import Questions
    from podhatch.core.workflow.validate import workflow_problems

    if isinstance(parsed, EventFilter) and (
        problem := expression_problem(parsed.spec.expression, "Filter")
    ):
        yield Finding(("spec", "expression"), problem)
    if isinstance(parsed, Workflow):
        yield from map(_finding, workflow_problems(parsed.spec, Questions(IN_PROCESS)))


def _finding(problem: str) -> Finding:
    """Return the finding for a problem as the operator writes it, `field: message`."""
    match = _PROBLEM.fullmatch(problem)
    field, message = (match[1], match[2]) if match else ("spec", problem)
    return Finding(split_field(field), message, field)


def _matching(pattern: str, longest: int, expected: str, suffix: str = "") -> AfterValidator:
    """Return a validator of names; the empty string passes, as an unset field does."""

    def check(text: str) -> str:
        if text and (len(text) > longest or not re.fullmatch(pattern, text + suffix)):
            message = f"expected {expected}, got {text!r}"
            raise PydanticCustomError("name", "{message}", {"message": message})
        return text

    return AfterValidator(check)


_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_PART = "[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?"
_KEY = rf"(?=([^/]{{1,253}}/)?[^/]+$)({_SUBDOMAIN}/)?{_PART}"
_NAME_TEXT = "lower-case letters, digits, '-' and '.', with a letter or digit at each end"

_Key = Annotated[str, _matching(_KEY, 317, "a key such as example.com/team or team")]
_AnnotationKey = Annotated[
    str, _matching(f"(?i:{_KEY})", 317, "a key such as example.com/team or team")
]
_LabelValue = Annotated[str, _matching(_PART, 63, "at most 63 letters, digits, '-', '_' and '.'")]


class _Metadata(BaseModel):
    """The metadata of an object, as the API server accepts it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    annotations: dict[_AnnotationKey, str] | None = None
    labels: dict[_Key, _LabelValue] | None = None
    name: Annotated[str, _matching(_SUBDOMAIN, 253, _NAME_TEXT)] | None = None
    generate_name: Annotated[str, _matching(_SUBDOMAIN, 253, _NAME_TEXT, "x")] | None = Field(
        None, alias="generateName"
    )
    namespace: (
        Annotated[str, _matching(_LABEL, 63, "at most 63 lower-case letters, digits and '-'")]
        | None
    ) = None
    creation_timestamp: object = Field(None, alias="creationTimestamp")
    deletion_grace_period_seconds: object = Field(None, alias="deletionGracePeriodSeconds")
    deletion_timestamp: object = Field(None, alias="deletionTimestamp")
    finalizers: object = None
    generation: object = None
    managed_fields: object = Field(None, alias="managedFields")
    owner_references: object = Field(None, alias="ownerReferences")
    resource_version: object = Field(None, alias="resourceVersion")
    self_link: object = Field(None, alias="selfLink")
    uid: object = None


def _metadata_findings(metadata: Any) -> Iterator[Finding]:
    if metadata is not None and not isinstance(metadata, dict):
        yield Finding(("metadata",), f"expected fields such as name, got {metadata!r}")
        return
    fields = cast("JsonObject", metadata or {})
    if not fields.get("name") and not fields.get("generateName"):
        yield Finding(("metadata", "name"), "expected a name")
    try:
        _Metadata.model_validate(fields)
    except ValidationError as error:
        names = [field.alias or name for name, field in _Metadata.model_fields.items()]
        for each in error.errors(include_url=False, include_context=False):
            path: Path = ("metadata", *(part for part in each["loc"] if part != "[key]"))
            unknown = each["type"] == "extra_forbidden"
            hint = f"unknown field{did_you_mean(path[-1], names)}"
            yield Finding(path, hint if unknown else _message(each))
