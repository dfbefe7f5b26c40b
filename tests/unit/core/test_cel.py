"""CEL: what is an expression, what is true, and what is said of the rest."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.api.pod import MAX_INPUT_BYTES
from podhatch.core.expressions.cel import ExpressionError, Subject, Variables, expression_problem
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Questions

ASKED = Questions(IN_PROCESS)
VALUES = {"input": {"n": 1, "name": "x", "list": [1, 2]}, "output": {"f": 1.5, "none": None}}


@pytest.mark.parametrize(
    ("expression", "answer"),
    [
        ("true", True),
        ("input.n == 1", True),
        ("input.n == 1.0", True),
        ("output.f > input.n", True),
        ("input.n > 1 && output.f > 1.0", False),
        ("input.name == 'x' || input.missing", True),
        ("2 in input.list", True),
        ("has(output.missing)", False),
        ("output.none == null", True),
        ("input.n == 'x'", False),
        ("size(input.name) == 1", True),
    ],
)
def test_an_expression_is_true_or_false(expression: str, answer: bool) -> None:
    assert expression_problem(expression, ASKED) is None
    assert Variables(VALUES, ASKED).satisfy(expression) is answer


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("input.n ==", "'input.n ==' is not CEL: 1:11: Syntax error"),
        ("nothing.n", "reference to 'nothing.n'; the variables are input, output"),
        ("input.n == 1)", "1:13"),
    ],
)
def test_what_is_not_an_expression_says_where(expression: str, words: str) -> None:
    problem = expression_problem(expression, ASKED)
    assert problem is not None
    assert words in problem
    assert "\n" not in problem


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("input.missing == 1", '"missing"'),
        ("output.f.deep == 1", "'output.f.deep == 1' failed"),
        ("input.n", "is neither true nor false: it gives 1"),
        ("input.name > 1", "'input.name > 1' failed"),
        ("1 / 0 == 1", "divide by zero"),
    ],
)
def test_what_cannot_be_evaluated_says_why(expression: str, words: str) -> None:
    with pytest.raises(ExpressionError) as raised:
        Variables(VALUES, ASKED).satisfy(expression)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


def nested(levels: int) -> JsonObject:
    value: JsonObject = {}
    for _ in range(levels):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("expression", "values", "words"),
    [
        (
            "true",
            {"input": nested(6000)},
            "cannot be evaluated: input: nested more than 200",
        ),
        ("true", {"input": {}, "output": nested(201)}, "output: nested more than 200 levels deep"),
        ("true", {"input": {"x": "y" * MAX_INPUT_BYTES}}, "input: 262152 bytes as JSON"),
        ("input.all(x, x >= 0)", {"input": [1] * 10_000}, "it may look at 9,999 elements in all"),
        ("input == 'a'", {"input": "\ud800"}, "\"input == 'a'\" failed: "),
    ],
    ids=["deep", "deep output", "large", "long", "no text"],
)
def test_what_would_be_too_much_for_the_library_is_not_its_end(
    expression: str, values: JsonObject, words: str
) -> None:
    with pytest.raises(ExpressionError) as raised:
        Variables(values, ASKED).satisfy(expression)
    assert words in str(raised.value)


def test_facts_that_are_added_to_others_are_checked_as_well() -> None:
    known = Variables({"input": {"n": 1}}, ASKED, "Filter")
    assert known.plus(payload={"n": 1}).satisfy("input.n == payload.n")
    assert not known.plus(payload={"n": 2}).satisfy("input.n == payload.n")
    for bad in (
        known.plus(payload=nested(201)),
        Variables({"input": nested(201)}, ASKED, "Filter").plus(),
    ):
        with pytest.raises(ExpressionError, match="nested more than 200 levels deep"):
            bad.satisfy("true")


@pytest.mark.parametrize(
    ("expression", "subject"),
    [
        ("output.f > 1.0", "Condition"),
        ("payload.n == 1", "Filter"),
        ("additional_metadata['a'] == 'b' && event_id == 'e' && event_key == 'k'", "Filter"),
        ("input.n == 1", "Condition"),
        ("input.n == 1", "Filter"),
    ],
)
def test_conditions_and_filters_have_variables_of_their_own(
    expression: str, subject: Subject
) -> None:
    assert expression_problem(expression, ASKED, subject) is None
    other: Subject = "Filter" if subject == "Condition" else "Condition"
    assert (expression_problem(expression, ASKED, other) is None) is expression.startswith("input")
