"""Does a run's input fit its workflow? `json_schema.py` evaluates the schemas."""

import json
from collections.abc import Iterable
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_ENVIRONMENT_BYTES, MAX_INPUT_BYTES
from podhatch.api.run import WorkflowRun
from podhatch.core.expressions.evaluation import Evaluation, Questions, Value, json_text

MAX_DEPTH = 200


def input_text(value: object) -> str:
    """Return the input, or another JSON value, as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


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


def size_problem(size: int, subject: str = "spec.input") -> str | None:
    """Say that a value of this size, in bytes as JSON, is too large, or return None."""
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


def schema_problem(schema: JsonObject, questions: Questions) -> str | None:
    """Say why this is not a JSON Schema, or return None."""
    if problem := depth_problem(schema, "spec.inputSchema"):
        return problem
    answer = questions.ask(Evaluation("Schema", _schema_text(schema)))
    if answer.too_expensive:
        return f"spec.inputSchema: too expensive to check: {answer.problems[0]}: simplify it"
    return answer.problems[0] if answer.problems else None


def fit_problems(value: JsonObject, schema: JsonObject, questions: Questions) -> tuple[str, ...]:
    """Say where the input does not fit the schema: at most five sentences, each with its field.

    Both must be without a problem of their own.
    """
    values = (("input", Value.of(json_text(value))),)
    answer = questions.ask(Evaluation("Input", _schema_text(schema), values))
    if answer.too_expensive:
        return (
            "spec.input: too expensive to check against the workflow's inputSchema: "
            f"{answer.problems[0]}: simplify the schema, or pass less",
        )
    return answer.problems


def _schema_text(schema: JsonObject) -> str:
    return json_text(schema).decode(errors="surrogatepass")
