"""CEL expressions of conditions, filters and limits: variables, limits of values, errors.

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

Subject = Literal["Condition", "Filter", "IdempotencyKey", "RunLimit", "TaskLimit"]
"""What an expression belongs to, which decides about its variables and its result."""


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
    "RunLimit": ("input", "additional_metadata", "workflow_run_id"),
    "TaskLimit": ("input", "additional_metadata", "workflow_run_id", "parents"),
}
_UNBOUNDED = ("input", "output", "payload", "parents")
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
        """Return the string that the expression of a key gives.

        Raises:
            ExpressionError: as for `satisfy`, or the result is not a string.
        """
        value = self._answer(expression).value
        if value is None:  # not evaluated yet
            return ""
        if not isinstance(value, str):
            raise ExpressionError(
                f"{expression!r}: expected a string, got {value!r}: convert it with string(...)"
            )
        return value

    def whole_number_of(self, expression: str, least: int, most: int) -> int:
        """Return the whole number that the expression of a limit gives.

        Raises:
            ExpressionError: as for `satisfy`, or the result is not a whole number in this range.
        """
        value = self._answer(expression).value
        if value is None:  # not evaluated yet
            return least
        if isinstance(value, str) or not least <= value <= most or value != int(value):
            raise ExpressionError(
                f"{expression!r}: expected a whole number from {least} to {most}, got {value!r}"
            )
        return int(value)

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
