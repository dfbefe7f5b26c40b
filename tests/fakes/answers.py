"""Plans as the operator makes them: what they ask of users' code is answered, and they go on."""

from collections.abc import Callable
from typing import Protocol, TypeVar

from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.expressions.evaluation import Answer, Answers, Evaluation

MAX_ROUNDS = 50


class _Plan(Protocol):
    @property
    def evaluate(self) -> tuple[Evaluation, ...]: ...


P = TypeVar("P", bound=_Plan)


def answered(plan: Callable[[Answers], P]) -> P:
    """Plan until nothing is left to evaluate."""
    known: dict[Evaluation, Answer] = {}
    for _ in range(MAX_ROUNDS):
        made = plan(known)
        if not made.evaluate:
            return made
        assert not known.keys() & set(made.evaluate), "a plan asks what it was told"
        known |= {each: IN_PROCESS.get(each) for each in made.evaluate}
    raise AssertionError("the plan asks for ever")
