"""Limits of what users pass to runs, and whether an input fits the schema of its workflow."""

from collections.abc import Iterable
from typing import cast

from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_ENVIRONMENT_BYTES, MAX_INPUT_BYTES
from podhatch.api.run import WorkflowRun
from podhatch.core.expressions.evaluation import Evaluation, Questions, Value, json_bytes, json_text

MAX_DEPTH = 200


def depth_problem(value: object, subject: str = "spec.input") -> str | None:
    """Return a problem if a value is nested too deeply for those who read it later, else None."""
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
    """Return a problem if a value of this size, in bytes as JSON, is too large, else None."""
    remedy = "store the data elsewhere and pass its address"
    return _too_large(subject, size, MAX_INPUT_BYTES, remedy)


def _too_large(subject: str, size: int, most: int, remedy: str) -> str | None:
    if size <= most:
        return None
    return f"{subject}: {size} bytes as JSON, and at most {most} are allowed: {remedy}"


def payload_problem(run: WorkflowRun) -> str | None:
    """Return a problem if a filter's payload is too large for a variable of the pods, else None."""
    event = run.spec.trigger.event if run.spec.trigger else None
    size = len(json_text(event.filter_payload or {}).encode()) if event else 0
    remedy = "make the payload of the filter smaller"
    return _too_large("spec.trigger.event.filterPayload", size, MAX_ENVIRONMENT_BYTES, remedy)


def metadata_problem(metadata: dict[str, str]) -> str | None:
    """Return a problem if a run's metadata is too large for a variable of the pods, else None."""
    size = len(json_text(metadata).encode())
    if size <= MAX_ENVIRONMENT_BYTES:
        return None
    return (
        f"spec.additionalMetadata: {size} bytes as JSON, the workflow's included, and at most "
        f"{MAX_ENVIRONMENT_BYTES} are allowed: pass data as input"
    )


def schema_problem(schema: JsonObject, questions: Questions) -> str | None:
    """Return why this is not a JSON Schema, or None."""
    if problem := depth_problem(schema, "spec.inputSchema"):
        return problem
    answer = questions.ask(Evaluation("Schema", json_text(schema)))
    if answer.too_expensive:
        return f"spec.inputSchema: too expensive to check: {answer.problems[0]}: simplify it"
    return answer.problems[0] if answer.problems else None


def fit_problems(value: JsonObject, schema: JsonObject, questions: Questions) -> tuple[str, ...]:
    """Return where the input does not fit the schema: at most five sentences, each with its field.

    The input and the schema have been checked on their own.
    """
    values = (("input", Value.of(json_bytes(value))),)
    answer = questions.ask(Evaluation("Input", json_text(schema), values))
    if answer.too_expensive:
        return (
            "spec.input: too expensive to check against the workflow's inputSchema: "
            f"{answer.problems[0]}: simplify the schema, or pass less",
        )
    return answer.problems
