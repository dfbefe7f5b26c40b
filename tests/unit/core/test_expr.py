"""CEL: what is an expression, what is true, and what is said of the rest."""

import pytest
from podhatch_operator.core.expr import (
    CONDITION,
    FILTER,
    ExpressionError,
    expression_problem,
    is_true,
)

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
def test_expressions(expression: str, answer: bool) -> None:
    assert expression_problem(expression) is None
    assert is_true(expression, VALUES) is answer


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("input.n ==", "'input.n ==' is not CEL: 1:11: Syntax error"),
        ("nothing.n", "undeclared reference to 'nothing.n'"),
        ("input.n == 1)", "1:13"),
    ],
)
def test_what_is_not_an_expression_says_where(expression: str, words: str) -> None:
    problem = expression_problem(expression)
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
        is_true(expression, VALUES)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("output.f > 1.0", CONDITION),
        ("payload.n == 1", FILTER),
        ("additional_metadata['a'] == 'b' && event_id == 'e' && event_key == 'k'", FILTER),
        ("input.n == 1", CONDITION),
        ("input.n == 1", FILTER),
    ],
)
def test_conditions_and_filters_have_variables_of_their_own(
    expression: str, names: tuple[str, ...]
) -> None:
    assert expression_problem(expression, names) is None
    other = FILTER if names is CONDITION else CONDITION
    assert (expression_problem(expression, other) is None) is expression.startswith("input")
