"""The graph of a workflow: its problems, and the order in which tasks are judged."""

from collections.abc import Sequence
from graphlib import CycleError, TopologicalSorter

from podhatch.api.condition import LeafCondition
from podhatch.api.task import TaskSpec
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.waits import is_moment
from podhatch.core.expressions.cel import expression_problem
from podhatch.core.expressions.evaluation import Questions
from podhatch.core.workflow.hooks import hooks_of

ORDER_COMPARATORS = frozenset({"GreaterThan", "GreaterThanOrEqual", "LessThan", "LessThanOrEqual"})


def topological_order(tasks: Sequence[TaskSpec]) -> list[TaskSpec]:
    """Return the tasks with every parent before its children. The tasks must form no cycle."""
    by_name = {task.name: task for task in tasks}
    graph = {task.name: task.parents for task in tasks}
    return [by_name[name] for name in TopologicalSorter(graph).static_order()]


def shape_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    """Say what keeps these tasks from being a workflow, one sentence with field and remedy each.

    The API server's own rules refuse most of it; this catches what they cannot express (cycles),
    and everything again for objects that were stored before a rule existed.
    """
    return [
        *_unknown_parents(spec),
        *_label_problems(spec),
        *_condition_problems(spec, questions),
        *_hook_problems(spec),
    ] or _cycles(spec)


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


def _condition_problems(spec: WorkflowSpec, questions: Questions) -> list[str]:
    problems: list[str] = []
    for task in spec.tasks:
        keys: set[str] = set()
        for name, leaf in leaves_of(task):
            place = f"spec.tasks[{task.name}].{name}"
            if leaf.data_key in keys:
                problems.append(f"{place}: two conditions are called {leaf.data_key!r}")
            keys.add(leaf.data_key)
            found = _leaf_problems(task, leaf, questions)
            problems += [f"{place}: {problem}" for problem in found]
    return problems


def leaves_of(task: TaskSpec) -> list[tuple[str, LeafCondition]]:
    """Return all single conditions of a task, each with the field it stands in."""
    fields = (("cancelIf", task.cancel_if), ("skipIf", task.skip_if), ("waitFor", task.wait_for))
    return [
        (name, leaf)
        for name, conditions in fields
        for condition in conditions
        for leaf in condition.group
    ]


def _leaf_problems(task: TaskSpec, leaf: LeafCondition, questions: Questions) -> list[str]:
    if leaf.parent and leaf.parent.name not in task.parents:
        return [f"{leaf.parent.name!r} is not among the task's parents"]
    if leaf.event and not is_moment(leaf.event.consider_events_since):
        return [f"considerEventsSince: {leaf.event.consider_events_since!r} is not a time"]
    asked = leaf.parent or leaf.event
    if not asked or not asked.expression:
        return []
    problem = expression_problem(asked.expression, questions)
    return [problem] if problem else []


def _hook_problems(spec: WorkflowSpec) -> list[str]:
    names = [task.name for task in spec.tasks]
    problems: list[str] = []
    for field, hook in hooks_of(spec):
        if hook.name in names:
            problems.append(f"spec.{field}.name: {hook.name!r} is the name of another task")
        names.append(hook.name)
    return problems


def _is_integer(text: str) -> bool:
    return text.removeprefix("-").isascii() and text.removeprefix("-").isdigit()
