"""Concurrency limits as users write them: what is wrong with them, and what they say of one run."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from podhatch.api.concurrency import ConcurrencyClaim, ConcurrencyLimit
from podhatch.api.limits import MAX_RUNS
from podhatch.api.task_status import EndReason
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.expressions.cel import ExpressionError, Subject, Variables, expression_problem
from podhatch.core.expressions.evaluation import Questions


class LimitError(Exception):
    """An expression of a limit does not give what it should; the message names the field."""

    def __init__(self, message: str, reason: EndReason) -> None:
        super().__init__(message)
        self.reason: EndReason = reason


class Seat(NamedTuple):
    """What puts the claims of a run, or of a task of it, in order."""

    task: str | None
    since: datetime
    sequence: int
    priority: int
    resumes: bool = False
    """Whether it has held its slots before, and has waited without a pod."""


def limit_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    """Say which limits of a workflow and of its tasks cannot be used, with the field."""
    owners: list[tuple[str, Sequence[ConcurrencyLimit], Subject]] = [
        ("spec", spec.concurrency, "RunLimit"),
        *((place, task.concurrency, "TaskLimit") for place, task in spec.all_tasks),
    ]
    return [
        problem
        for place, limits, subject in owners
        for index, limit in enumerate(limits)
        for field, value in (("expression", limit.expression), ("maxRuns", limit.max_runs))
        for problem in value_problems(
            f"{place}.concurrency[{index}].{field}", value, (1, MAX_RUNS), subject, questions
        )
    ]


def value_problems(
    field: str,
    value: int | str | None,
    bounds: tuple[int, int],
    subject: Subject,
    questions: Questions,
) -> list[str]:
    """Say why a field of a limit, a number or an expression, cannot be used."""
    if isinstance(value, str):
        problem = expression_problem(value, questions, subject)
        return [f"{field}: {problem}"] if problem else []
    least, most = bounds
    if value is None or least <= value <= most:
        return []
    return [f"{field}: expected a whole number from {least} to {most}, got {value}"]


def claims_of(
    place: str,
    limits: Sequence[ConcurrencyLimit],
    owner: str,
    seat: Seat,
    values: Mapping[str, object],
    questions: Questions,
) -> list[ConcurrencyClaim]:
    """Return what the limits ask of a run, or of a task of it.

    Args:
        place: the field with the limits' owner, for errors.
        limits: of the workflow, or of the task.
        owner: names the owner in the namespace.
        seat: what puts the claims in order.
        values: the variables of the expressions.
        questions: what is known of the expressions.

    Raises:
        LimitError: an expression fails, or gives something else than it should.
    """
    variables: Variables | None = None
    claims: list[ConcurrencyClaim] = []
    for index, limit in enumerate(limits):
        field, key, max_runs = "expression", "", limit.max_runs
        try:
            if limit.expression is not None or isinstance(max_runs, str):
                subject: Subject = "RunLimit" if seat.task is None else "TaskLimit"
                variables = variables or Variables(values, questions, subject)
                if limit.expression is not None:
                    key = variables.text(limit.expression)
                if isinstance(max_runs, str):
                    field = "maxRuns"
                    max_runs = variables.whole_number_of(max_runs, 1, MAX_RUNS)
        except ExpressionError as error:
            message = f"{place}.concurrency[{index}].{field}: {error}"
            raise LimitError(message, error.reason) from None
        claims.append(
            ConcurrencyClaim(
                task=seat.task,
                limit=f"name/{limit.name}" if limit.name else f"{owner}/{index}",
                key=key,
                max_runs=max_runs,
                strategy=limit.limit_strategy,
                since=seat.since,
                sequence=seat.sequence,
                priority=seat.priority,
                resumes=seat.resumes,
            )
        )
    return claims
