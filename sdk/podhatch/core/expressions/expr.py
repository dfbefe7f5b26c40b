"""Asks whether a text is a CEL expression, and whether it holds. `cel.py` evaluates them.

The library takes its process down for values nested thousands deep: they are checked before.
"""

from collections.abc import Mapping
from typing import Literal

from podhatch.core.expressions.evaluation import (
    TOO_EXPENSIVE,
    Answer,
    Evaluation,
    Questions,
    Value,
    json_text,
)
from podhatch.core.expressions.input_check import depth_problem, size_problem

Subject = Literal["Condition", "Filter"]
"""Conditions ask input and output; filters ask the event and their own payload."""
_FREE = ("input", "output", "payload")
"""The users' own values; what the others may be is bounded by their schemas."""


class ExpressionError(Exception):
    """The expression has no answer; the message holds it, and what is wrong where."""

    def __init__(self, message: str, reason: str = "ExpressionFailed") -> None:
        super().__init__(message)
        self.reason = reason


def expression_problem(
    expression: str, questions: Questions, subject: Subject = "Condition"
) -> str | None:
    """Say why this is not an expression over the subject's variables, or return None."""
    answer = questions.ask(Evaluation(subject, expression))
    return _described(expression, answer) if answer.problems else None


class Facts:
    """What is known where expressions are asked: checked and written out once for all of them."""

    def __init__(
        self, values: Mapping[str, object], questions: Questions, subject: Subject = "Condition"
    ) -> None:
        self._questions = questions
        self._subject: Subject = subject
        self._problem: str | None = None
        self._values: dict[str, Value] = {}
        for name, value in values.items():
            self._add(name, value)

    def plus(self, **values: object) -> "Facts":
        """Return these facts and more of them. Those that were checked are not checked again."""
        more = Facts({}, self._questions, self._subject)
        more._problem, more._values = self._problem, {**self._values}
        for name, value in values.items():
            more._add(name, value)
        return more

    def holds(self, expression: str) -> bool:
        """Return whether the expression is true of these facts.

        Raises:
            ExpressionError: it does not compile, a key is missing, the answer is no truth value,
                or the facts or the work are too much.
        """
        if self._problem:
            raise ExpressionError(f"{expression!r} cannot be asked: {self._problem}")
        answer = self._questions.ask(
            Evaluation(self._subject, expression, tuple(self._values.items()))
        )
        if answer.problems:
            reason = TOO_EXPENSIVE if answer.too_expensive else "ExpressionFailed"
            raise ExpressionError(_described(expression, answer), reason)
        return answer.holds

    def _add(self, name: str, value: object) -> None:
        problem = depth_problem(value, name) if name in _FREE else None
        text = b"null" if problem else json_text(value)
        if name in _FREE:
            problem = problem or size_problem(len(text), name)
        self._values[name] = Value.of(text)
        self._problem = self._problem or problem


def _described(expression: str, answer: Answer) -> str:
    told = "; ".join(answer.problems)
    return (
        f"{expression!r} is too expensive: {told}"
        if answer.too_expensive
        else (f"{expression!r} {told}")
    )
