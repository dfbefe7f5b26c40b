"""Failure and success tasks as tasks of the graph: who their parents are, and when they run.

A success task is an ordinary task below all leaves; a failure task stands
apart: it runs once some task has failed for good, and is skipped when none did.
"""

from collections.abc import Iterable

from podhatch.api.task import HookSpec, TaskSpec
from podhatch.api.workflow import WorkflowSpec


def graph_of(spec: WorkflowSpec) -> list[TaskSpec]:
    """Return the workflow's tasks, with the success task below all leaves."""
    if spec.on_success_task is None:
        return list(spec.tasks)
    parents = {parent for task in spec.tasks for parent in task.parents}
    leaves = [task.name for task in spec.tasks if task.name not in parents]
    return [*spec.tasks, as_task(spec.on_success_task, leaves)]


def hooks_of(spec: WorkflowSpec) -> list[tuple[str, HookSpec]]:
    """Return the hooks that a workflow has, each with its field."""
    fields = (("onFailureTask", spec.on_failure_task), ("onSuccessTask", spec.on_success_task))
    return [(name, hook) for name, hook in fields if hook]


def as_task(hook: HookSpec, parents: Iterable[str] = ()) -> TaskSpec:
    """Return a hook as a task with these parents."""
    return TaskSpec.model_validate({**hook.model_dump(), "parents": [*parents]})
