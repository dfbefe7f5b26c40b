"""CEL expressions of conditions and filters: their variables, the limits of values, the errors.

Plans call this module; `evaluate.py` evaluates, for the operator in a process of its own. Values
that are nested thousands of levels deep crash the CEL library, so they are checked here first.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Literal

from podhatch.api.model import JsonObject
from podhatch.api.task_status import EndReason
from podhatch.core.expressions.evaluation import (
    TOO_EXPENSIVE,
    Answer,
    Evaluation,
    Questions,
    Value,
    json_bytes,
)
from podhatch.core.expressions.input_check import depth_problem, size_problem

Subject = Literal["Condition", "Filter", "IdempotencyKey"]
"""What an expression belongs to, which decides about its variables."""


@dataclass(frozen=True)
class FilterVariables:
    """The variables of a filter's expression: an event, and the filter's own payload."""

    input: JsonObject
    """The event's payload."""
    additional_metadata: Mapping[str, str]
    event_id: str
    event_key: str
    payload: JsonObject = field(default_factory=JsonObject)


VARIABLES: dict[Subject, tuple[str, ...]] = {
    "Condition": ("input", "output"),
    "Filter": tuple(each.name for each in fields(FilterVariables)),
    "IdempotencyKey": ("input", "additional_metadata"),
}
_UNBOUNDED = ("input", "output", "payload")
"""Variables with values of the users' own; schemas bound the others."""


class ExpressionError(Exception):
    """The expression has no value of the kind it needs; the message quotes it and says why."""

    def __init__(self, message: str, reason: EndReason = "ExpressionFailed") -> None:
        super().__init__(message)
        self.reason: EndReason = reason


def expression_problem(
    expression: str, questions: Questions, subject: Subject = "Condition"
) -> str | None:
    """Return why this is not an expression over the subject's variables, or None."""
    answer = questions.ask(Evaluation(subject, expression))
    return _message(expression, answer) if answer.problems else None


class Variables:
    """Variables with their values, checked and encoded once for any number of expressions."""

    def __init__(
        self, values: Mapping[str, object], questions: Questions, subject: Subject = "Condition"
    ) -> None:
        self._questions = questions
        self._subject: Subject = subject
        self._problem: str | None = None
        self._values: dict[str, Value] = {}
        for name, value in values.items():
            self._add(name, value)

    @classmethod
    def of_filter(cls, variables: FilterVariables, questions: Questions) -> "Variables":
        """Return the variables of a filter's expression."""
        return cls(vars(variables), questions, "Filter")

    def plus(self, **values: object) -> "Variables":
        """Return these variables with more of them, or other values, which alone are checked."""
        more = Variables({}, self._questions, self._subject)
        more._problem, more._values = self._problem, {**self._values}
        for name, value in values.items():
            more._add(name, value)
        return more

    def satisfy(self, expression: str) -> bool:
        """Return whether the expression is true.

        Raises:
            ExpressionError: it does not compile, a key is missing, the result is not a boolean, or
                the values or the evaluation exceed a limit.
        """
        return self._answer(expression).holds

    def text(self, expression: str) -> str:
        """Return the text that the expression gives.

        Raises:
            ExpressionError: it does not compile, a key is missing, the result is not a text that
                its subject allows, or the values or the evaluation exceed a limit.
        """
        return self._answer(expression).text

    def _answer(self, expression: str) -> Answer:
        if self._problem:
            raise ExpressionError(f"{expression!r} cannot be evaluated: {self._problem}")
        answer = self._questions.ask(
            Evaluation(self._subject, expression, tuple(self._values.items()))
        )
        if answer.problems:
            reason = TOO_EXPENSIVE if answer.too_expensive else "ExpressionFailed"
            raise ExpressionError(_message(expression, answer), reason)
        return answer

    def _add(self, name: str, value: object) -> None:
        problem = depth_problem(value, name) if name in _UNBOUNDED else None
        text = b"null" if problem else json_bytes(value)
        if name in _UNBOUNDED:
            problem = problem or size_problem(len(text), name)
        self._values[name] = Value.of(text)
        self._problem = self._problem or problem


def _message(expression: str, answer: Answer) -> str:
    problems = "; ".join(answer.problems)
    if answer.too_expensive:
        return f"{expression!r} is too expensive: {problems}"
    return f"{expression!r} {problems}"
