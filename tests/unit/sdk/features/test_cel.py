"""Expressions as `hatchet.cel` tries them: like the operator, and with errors to read."""

import sys

import pytest
from podhatch import Hatchet, PodhatchError
from podhatch.client.cel import CELFailure, CELSuccess


@pytest.mark.parametrize(
    ("expression", "output"),
    [
        ("input.id > payload.least", True),
        ("input.id < payload.least", False),
        ("additional_metadata.by == 'Ada' && event_key == 'paid'", True),
    ],
)
def test_an_expression_is_true_or_false(hatchet: Hatchet, expression: str, output: bool) -> None:
    tried = hatchet.cel.debug(expression, {"id": 7}, {"by": "Ada"}, {"least": 5}, event_key="paid")
    assert tried.result == CELSuccess(output)


@pytest.mark.parametrize(
    ("expression", "words"),
    [
        ("input.id >", "'input.id >' is not CEL: "),
        ("output.id > 1", "undeclared reference to 'output.id'"),
        ("input.nothing > 1", "'input.nothing > 1' failed: "),
        ("input.id", "is neither true nor false: it gives 7"),
    ],
)
async def test_an_expression_that_fails_says_why(
    hatchet: Hatchet, expression: str, words: str
) -> None:
    failure = (await hatchet.cel.aio_debug(expression, {"id": 7})).result
    assert isinstance(failure, CELFailure)
    assert words in failure.error
    assert "\n" not in failure.error


def test_an_expression_that_looks_at_too_much_is_stopped(hatchet: Hatchet) -> None:
    many = {"n": list(range(10_000))}
    failure = hatchet.cel.debug("input.n.all(each, each >= 0)", many).result
    assert isinstance(failure, CELFailure)
    assert failure.error.endswith("it may look at 9,999 elements in all")


def test_a_missing_library_is_named(hatchet: Hatchet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cel_expr_python", None)
    with pytest.raises(PodhatchError, match=r"pip install 'podhatch\[local\]'"):
        hatchet.cel.debug("true", {})
