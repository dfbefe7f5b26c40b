"""The shape of a workflow: what is wrong with it, and the order its tasks are looked at.

Called by plan_workflow, and by plan_run before a run is accepted.
"""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from podhatch.api.workflow import TaskSpec, WorkflowSpec

ORDER_COMPARATORS = frozenset({"GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"})


def topological_order(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Return the tasks with every parent before its children. The tasks must form no cycle."""
    by_name = {task.name: task for task in tasks}
    graph = {task.name: task.parents for task in tasks}
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def shape_problems(spec: WorkflowSpec) -> list[str]:
    """Say what keeps these tasks from being a workflow, one sentence with field and remedy each.

    The API server's own rules refuse most of it; this catches what they cannot express (cycles),
    and everything again for objects that were stored before a rule existed.
    """
    return [*_unknown_parents(spec), *_label_problems(spec)] or _cycles(spec)


def _unknown_parents(spec: WorkflowSpec) -> list[str]:
    names = {task.name for task in spec.tasks}
    return [
        f"spec.tasks[{task.name}].parents: no task is named {parent!r}"
        for task in spec.tasks
        for parent in task.parents
        if parent not in names
    ]


def _cycles(spec: WorkflowSpec) -> list[str]:
    try:
        topological_order(spec.tasks)
    except CycleError as error:
        path: list[str] = error.args[1]
        circle = " -> ".join(reversed(path))
        return [f"spec.tasks: the parents form a cycle, {circle}: take one of these edges out"]
    return []


def _label_problems(spec: WorkflowSpec) -> list[str]:
    return [
        f"spec.tasks[{task.name}].desiredWorkerLabels[{label.key}].value: "
        f"{label.comparator} compares whole numbers, and {label.value!r} is none"
        for task in spec.tasks
        for label in task.desired_worker_labels
        if label.comparator in ORDER_COMPARATORS and not _is_integer(label.value)
    ]


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()
