"""`hatchet.cel` and the operator give an expression the same result, limits included."""

import asyncio
import re

import pytest
from podhatch import Hatchet
from podhatch.api.model import JsonObject
from podhatch.client.cel import CELFailure, CELSuccess
from podhatch.cluster import EVENT_FILTER
from podhatch.core.expressions.cel import ExpressionError, FilterVariables, Variables
from podhatch.core.expressions.evaluation import Questions
from podhatch_operator.evaluation.evaluator import Evaluator
from podhatch_operator.keys import Key
from podhatch_operator.metrics import Metrics

from tests.unit.core.test_cel import nested

INPUT: JsonObject = {"n": 7, "name": "x", "list": list(range(9000)), "text": "a" * 200_000}
SLOW = "input.list.all(each, size(input.text) > 1)"
LARGE = f"[input.text]{'.map(each, each + each)' * 12} == []"


@pytest.mark.parametrize(
    ("expression", "payload", "expected"),
    [
        ("input.n > payload.least", INPUT, True),
        ("input.n < payload.least", INPUT, False),
        ("additional_metadata.by == 'Ada' && event_id == 'e1' && event_key == 'paid'", {}, True),
        ("input.n >", INPUT, "is not CEL: 1:10"),
        ("output.n > 1", INPUT, "undeclared reference to 'output.n'"),
        ("input.missing > 1", INPUT, "failed: "),
        ("input.n", INPUT, "is neither true nor false: it gives 7"),
        ("input.n / 0 == 1", INPUT, "divide by zero"),
        ("input.list.all(x, input.list.all(y, true))", INPUT, "9,999 elements"),
        ("true", nested(300), "input: nested more than 200 levels deep"),
        (SLOW, INPUT, "is too expensive: it took more than 250 ms"),
    ],
)
async def test_an_expression_has_the_result_that_it_has_in_the_operator(
    hatchet: Hatchet, expression: str, payload: JsonObject, expected: bool | str
) -> None:
    variables = FilterVariables(payload, {"by": "Ada"}, "e1", "paid", {"least": 5})
    tried = await hatchet.cel.aio_debug(
        expression, payload, {"by": "Ada"}, {"least": 5}, event_id="e1", event_key="paid"
    )
    result = tried.result.output if isinstance(tried.result, CELSuccess) else tried.result.error
    assert result == await in_the_operator(expression, variables)
    assert result is expected if isinstance(expected, bool) else expected in str(result)


async def test_an_expression_that_takes_all_memory_is_too_expensive_here_and_in_the_operator(
    hatchet: Hatchet,
) -> None:
    tried = (await hatchet.cel.aio_debug(LARGE, INPUT)).result
    assert isinstance(tried, CELFailure)
    for told in (tried.error, await in_the_operator(LARGE, FilterVariables(INPUT, {}, "e1", "k"))):
        # To fill the memory takes CPU time too, and a slow machine may meet that limit first.
        assert re.search("too expensive: it took more than (128 MiB of memory|250 ms)", str(told))


async def in_the_operator(expression: str, variables: FilterVariables) -> bool | str:
    """Evaluate as a reconciler does: request what is missing, and ask again."""
    back = asyncio.Queue[Key]()
    evaluator = Evaluator(back.put_nowait, Metrics())
    running = asyncio.create_task(evaluator.run())
    try:
        while True:
            questions = Questions(evaluator.answers)
            try:
                result = Variables.of_filter(variables, questions).satisfy(expression)
            except ExpressionError as error:
                return str(error)
            if not questions.missing:
                return result
            evaluator.request(Key(EVENT_FILTER.kind, "team", "f"), questions.missing)
            await back.get()
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def test_a_debugged_expression_that_exceeds_a_limit_leaves_the_next_one_alone(
    hatchet: Hatchet,
) -> None:
    assert isinstance(hatchet.cel.debug(LARGE, INPUT).result, CELFailure)
    assert hatchet.cel.debug("input.n == 7", INPUT).result == CELSuccess(True)
