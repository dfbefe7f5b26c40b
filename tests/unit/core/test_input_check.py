"""The check of an input against the workflow's schema."""

from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.expressions.input_check import fit_problems, schema_problem

ASKED = Questions(IN_PROCESS)


def test_a_schema_is_checked_and_never_fetches() -> None:
    assert schema_problem({"type": "objekt"}, ASKED) is not None
    assert schema_problem({"type": "object"}, ASKED) is None
    assert schema_problem({"properties": {"a": {"items": [1]}}}, ASKED) is not None
    remote = {"properties": {"a": {"$ref": "http://127.0.0.1:1/schema"}}}
    assert "a reference leads out of the schema" in fit_problems({"a": 1}, remote, ASKED)[0]


def test_an_endless_regular_expression_is_left_to_the_pod() -> None:
    schema = {
        "properties": {"a": {"pattern": "(x+x+)+y"}},
        "patternProperties": {"(x+x+)+y": {"type": "string"}},
    }
    assert fit_problems({"a": "x" * 64, "x" * 64: 1}, schema, ASKED) == ()


def test_problems_of_an_input_name_their_place() -> None:
    schema = {"properties": {"a": {"items": {"type": "string"}}}, "required": ["b"]}
    problems = fit_problems({"a": ["x", 1]}, schema, ASKED)
    assert problems == (
        "spec.input.a[1]: 1 is not of type 'string'",
        "spec.input: 'b' is a required property",
    )
