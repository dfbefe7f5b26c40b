"""Says whether a text is CEL, where the library that knows is installed. Used before publishing.

Without it the operator says so in the workflow's `Valid` condition.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from podhatch.definitions.options.conditions import ParentCondition, UserEventCondition, leaves
from podhatch.definitions.options.default_filter import DefaultFilter
from podhatch.evaluation.client import expression_problem

if TYPE_CHECKING:
    from podhatch.definitions.task import Task


def check_expressions(task: "Task[Any, Any]") -> None:
    """Refuse a condition of this task whose expression does not compile.

    Raises:
        ValueError: One does not; the text names its place, and where in it the fault is.
    """
    for option in ("wait_for", "skip_if", "cancel_if"):
        for place, leaf in leaves(getattr(task.settings, option)):
            asked = isinstance(leaf, (ParentCondition, UserEventCondition))
            if asked and leaf.expression and (problem := expression_problem(leaf.expression)):
                raise ValueError(f"{task.subject}: {option}{place}.expression: {problem}")


def check_filters(subject: str, filters: Sequence[DefaultFilter]) -> None:
    """Refuse a filter whose expression does not compile.

    Raises:
        ValueError: One does not; `subject` and its place are named.
    """
    for index, each in enumerate(filters):
        if problem := expression_problem(each.expression, "Filter"):
            raise ValueError(f"{subject}: default_filters[{index}].expression: {problem}")
