"""Says whether a text is CEL, as the operator would, where the library that knows is installed.

Without it the operator says what is wrong: in the status of a workflow, or of a filter.
"""

from typing import Literal

Subject = Literal["Condition", "Filter"]
"""What the expression belongs to, which decides what it may ask."""


def expression_problem(expression: str, subject: Subject = "Condition") -> str | None:
    """Say why this is not an expression of its subject; None if it is, or nobody knows."""
    try:
        from podhatch.core.expressions.cel import expression_answer
    except ImportError:
        return None
    answer = expression_answer(subject, expression, None)
    return f"{expression!r} {answer.problems[0]}" if answer.problems else None
