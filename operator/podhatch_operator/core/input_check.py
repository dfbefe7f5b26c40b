"""Does a run's input fit its workflow? Called by plan_run before a run is accepted.

The schema is the user's: nothing it refers to is fetched, and its regular expressions are not
evaluated, since one that never ends would stop the operator. The task's pod checks them again.
"""

import json
from collections.abc import Iterable, Iterator
from typing import Any, cast

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]
from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_ENVIRONMENT_BYTES, MAX_INPUT_BYTES
from podhatch.api.run import WorkflowRun
from referencing import Registry
from referencing.exceptions import Unresolvable

MAX_DEPTH = 200
MAX_PROBLEMS = 5


def _pass(*_: object) -> Iterator[ValidationError]:
    return iter(())


# The library's types do not say what `extend` returns; it is the class it was given, but for this.
_validator_class = cast(
    "type[Any]", extend(Draft202012Validator, {"pattern": _pass, "patternProperties": _pass})
)


def input_text(value: object) -> str:
    """Return the input, or another JSON value, as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def value_problem(subject: str, value: object) -> str | None:
    """Say that a value is too deep or too large to be looked into, or return None."""
    return depth_problem(value, subject) or size_problem(input_text(value), subject)


def depth_problem(value: object, subject: str = "spec.input") -> str | None:
    """Say that a value is nested too deeply for what reads it after us, or return None."""
    level: list[object] = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for item in level for inner in _inside(item)]
        if not level:
            return None
    return f"{subject}: nested more than {MAX_DEPTH} levels deep: flatten it"


def _inside(item: object) -> Iterable[object]:
    if isinstance(item, dict):
        return cast("dict[str, object]", item).values()
    return cast("list[object]", item) if isinstance(item, list) else ()


def size_problem(text: str, subject: str = "spec.input") -> str | None:
    """Say that a value is too large, or return None."""
    size = len(text.encode(errors="surrogatepass"))
    if size <= MAX_INPUT_BYTES:
        return None
    return (
        f"{subject}: {size} bytes as JSON, and at most {MAX_INPUT_BYTES} are allowed: "
        "store the data elsewhere and pass its address"
    )


def payload_problem(run: WorkflowRun) -> str | None:
    """Say that a filter's payload is too large for a variable of the pods, or return None."""
    event = run.spec.trigger.event if run.spec.trigger else None
    size = len(input_text(event.filter_payload or {}).encode()) if event else 0
    if size <= MAX_ENVIRONMENT_BYTES:
        return None
    return (
        f"spec.trigger.event.filterPayload: {size} bytes as JSON, and at most "
        f"{MAX_ENVIRONMENT_BYTES} are allowed: make the payload of the filter smaller"
    )


def metadata_problem(metadata: dict[str, str]) -> str | None:
    """Say that a run's metadata is too large for a variable of the pods, or return None."""
    size = len(input_text(metadata).encode())
    if size <= MAX_ENVIRONMENT_BYTES:
        return None
    return (
        f"spec.additionalMetadata: {size} bytes as JSON, the workflow's included, and at most "
        f"{MAX_ENVIRONMENT_BYTES} are allowed: pass data as input"
    )


def schema_problem(schema: JsonObject) -> str | None:
    """Say why this is not a JSON Schema, or return None."""
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return f"spec.inputSchema{_path(error)}: {error.message}"
    return None


def fit_problems(value: JsonObject, schema: JsonObject) -> list[str]:
    """Say where the input does not fit the schema: at most five sentences, each with its field."""
    validator = _validator_class(schema, registry=Registry[JsonObject]())
    try:
        errors = list(cast("Iterable[ValidationError]", validator.iter_errors(value)))
    except Unresolvable as error:
        return [f"spec.inputSchema refers to what is not in it: {error}"]
    problems = [f"spec.input{_path(error)}: {error.message[:300]}" for error in errors]
    return sorted(problems)[:MAX_PROBLEMS]


def _path(error: ValidationError | SchemaError) -> str:
    parts = cast("Iterable[str | int]", error.absolute_path)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)
