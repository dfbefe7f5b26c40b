"""Checks one object as the API server and the operator do.

The schema of the CRD gives the fields and the CEL rules, the pydantic models give the types. The
operator's own checks run where the packages of `podhatch[local]` are installed.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from podhatch.api.crds import DEFINITIONS
from podhatch.api.cron import CronWorkflow
from podhatch.api.cron_expression import schedule_problem
from podhatch.api.event_filter import EventFilter
from podhatch.api.labels import API_VERSION, GROUP
from podhatch.api.model import ApiObject, JsonObject, ObjectMeta, WireModel
from podhatch.api.workflow import Workflow
from podhatch.evaluation.client import expression_problem, is_installed
from podhatch.values.parsing import Path, did_you_mean, number_problems, path_text

if TYPE_CHECKING:
    from cel_expr_python import cel

MODELS: dict[str, type[ApiObject]] = {each.model.__name__: each.model for each in DEFINITIONS}

_PROBLEM = re.compile(r"(spec[\w.\[\]-]*): (.*)", re.DOTALL)


@dataclass(frozen=True)
class Finding:
    """A problem in one field of an object."""

    path: Path
    message: str
    written: str = ""
    """The path as the operator's check writes it; empty for the usual form."""

    @property
    def field(self) -> str:
        """The path as users write it: `spec.tasks[0].parents`."""
        return self.written or path_text(self.path).removesuffix(": ")


def split_field(field: str) -> Path:
    """Return the path of a field as the operator writes it: `spec.tasks[charge].parents`."""
    parts: list[tuple[str, str]] = re.findall(r"\[([^\]]*)\]|([^.\[\]]+)", field)
    return tuple(int(inner) if inner.isdecimal() else inner or name for inner, name in parts)


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
        *_field_findings(value, schema),
        *(Finding(path, problem) for path, problem in number_problems(value)),
    ]
    known = {each.path for each in found}
    # The metadata is checked apart: the API server takes null there.
    bare = {name: held for name, held in value.items() if name != "metadata"}
    found += [each for each in _type_findings(bare, MODELS[kind]) if each.path not in known]
    if found:
        return found
    parsed = MODELS[kind].model_validate(bare)
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


def _type_findings(value: JsonObject, model: type[WireModel], path: Path = ()) -> Iterator[Finding]:
    try:
        model.model_validate_json(json.dumps(value), strict=True)
    except ValidationError as error:
        for each in error.errors(include_url=False, include_context=False):
            yield Finding((*path, *each["loc"]), _message(each))


_EXPECTED = {
    "string_type": "a string",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
}


def _message(error: ErrorDetails) -> str:
    expected = _EXPECTED.get(error["type"])
    return f"expected {expected}, got {error['input']!r}" if expected else error["msg"]


def _cron_findings(parsed: ApiObject) -> Iterator[Finding]:
    if isinstance(parsed, CronWorkflow) and (
        problem := schedule_problem(parsed.spec.schedule, parsed.spec.time_zone)
    ):
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


def _metadata_findings(metadata: object) -> Iterator[Finding]:
    """Yield what is wrong with the metadata, except what only the API server checks."""
    if metadata is not None and not isinstance(metadata, dict):
        yield Finding(("metadata",), f"expected fields such as name, got {metadata!r}")
        return
    given = cast("JsonObject", metadata or {})
    if not given.get("name") and not given.get("generateName"):
        yield Finding(("metadata", "name"), "expected a name")
    names = ("name", "namespace", "labels", "annotations")
    written = {name: given[name] for name in names if given.get(name) is not None}
    yield from _type_findings(written, ObjectMeta, ("metadata",))


def _field_findings(value: JsonObject, schema: JsonObject) -> Iterator[Finding]:
    """Yield unknown fields, repeated entries and malformed times, in a value and its parts."""
    for part in _parts(value, schema, ()):
        yield from _unknown(*part)
        yield from _repeated(*part)
        yield from _malformed_time(*part)


def broken_rules(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the CEL rules that a value, or a part of it, breaks, except those on changes."""
    for part, inner, where in _parts(value, schema, path):
        for each in inner.get("x-kubernetes-validations", []):
            if "oldSelf" not in each["rule"] and not _holds(each["rule"], part):
                yield Finding(where, each["message"])


def _parts(value: Any, schema: JsonObject, path: Path) -> Iterator[tuple[Any, JsonObject, Path]]:
    """Yield a value and each part that its schema describes, with its schema and its path."""
    yield value, schema, path
    if isinstance(value, list):
        for index, entry in enumerate(cast("list[Any]", value)):
            yield from _parts(entry, schema.get("items", {}), (*path, index))
    elif isinstance(value, dict):
        known = schema.get("properties", {})
        for name, held in cast("JsonObject", value).items():
            if name in known:
                yield from _parts(held, known[name], (*path, name))


def _unknown(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the fields that the API server would drop."""
    if schema.get("x-kubernetes-preserve-unknown-fields") or "properties" not in schema:
        return
    if isinstance(value, dict):
        for name in cast("JsonObject", value):
            if name not in schema["properties"]:
                hint = did_you_mean(name, schema["properties"])
                yield Finding((*path, name), f"unknown field{hint}")


def _repeated(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    """Yield the duplicates in a list whose entries, or their keys, must be unique."""
    kind = schema.get("x-kubernetes-list-type")
    if kind not in ("map", "set") or not isinstance(value, list):
        return
    [key] = schema.get("x-kubernetes-list-map-keys", [None])
    seen: list[Any] = []
    for index, entry in enumerate(cast("list[Any]", value)):
        where, shown = (*path, index), entry
        if key is not None and isinstance(entry, dict):
            where, shown = (*where, key), cast("JsonObject", entry).get(key)
        if shown is not None and shown in seen:
            yield Finding(where, f"duplicate value {shown!r}")
        seen.append(shown)


def _malformed_time(value: Any, schema: JsonObject, path: Path) -> Iterator[Finding]:
    pattern = schema.get("pattern") if schema.get("format") == "date-time" else None
    if pattern and isinstance(value, str) and not re.search(pattern, value):
        yield Finding(
            path,
            "expected a time from 1970 to 2999 with its zone, such as 2026-12-24T18:00:00+01:00, "
            f"got {value!r}",
        )


def _holds(rule: str, value: object) -> bool:
    """Return whether a value keeps a rule; the API server decides what cannot be evaluated here."""
    from cel_expr_python import cel

    answer = _environment().compile(rule).eval(data={"self": value})
    return answer.type() != cel.Type.BOOL or bool(answer.value())


@lru_cache
def _environment() -> "cel.Env":
    from cel_expr_python import cel

    return cel.NewEnv(variables={"self": cel.Type.DYN})
