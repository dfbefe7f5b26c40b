"""Answers any evaluation in this process: in a worker of the operator, or outside of the operator.

The operator itself must not import this: what users wrote may take for ever, and all memory.
"""

from podhatch.core.expressions.evaluation import Answer, Check, Evaluation


def answer(check: Check, code: str, values: bytes | None) -> Answer:
    """Evaluate what users wrote.

    Args:
        check: what it is, and what is asked.
        code: the expression, or the schema as JSON.
        values: JSON object of what it is evaluated on; None only asks whether the code is valid.

    Raises:
        MemoryError: there is not enough for it.
    """
    if check in ("Condition", "Filter"):
        from podhatch.core.expressions.cel import expression_answer

        return expression_answer(check, code, values)
    from podhatch.core.expressions.json_schema import schema_answer

    return schema_answer(code, values)


class InProcess:
    """Knows every answer, since it evaluates at once."""

    def get(self, evaluation: Evaluation, /) -> Answer:
        """Evaluate."""
        return answer(evaluation.check, evaluation.code, evaluation.text)


IN_PROCESS = InProcess()
