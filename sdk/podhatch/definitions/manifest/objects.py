"""A workflow as objects of the cluster: what the client applies and `to_yaml()` prints.

Pure but for the source tree it reads. The wire models check what is made here, so that errors name
the field within its task. Imports pydantic, so only runs and `to_yaml()` import it.
"""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import ValidationError

from podhatch.api.labels import API_VERSION, CONTENT_HASH
from podhatch.api.model import JsonObject
from podhatch.api.names import object_name, short_hash
from podhatch.api.task import HookSpec, TaskSpec
from podhatch.api.workflow import WorkflowSpec
from podhatch.client.manifest import Manifest
from podhatch.definitions.manifest.access import needed_access
from podhatch.definitions.manifest.source import (
    Location,
    is_installed,
    locate,
    locate_here,
    source_config_map,
)
from podhatch.definitions.options.concurrency import ConcurrencyExpression
from podhatch.definitions.options.idempotency import idempotency_rule
from podhatch.definitions.options.pod import DesiredWorkerLabel, Pod
from podhatch.definitions.options.rate_limit import RateLimit
from podhatch.errors import InvalidRun
from podhatch.evaluation.client import expression_problem
from podhatch.task.conditions import ParentCondition, UserEventCondition, conditions_of, leaves
from podhatch.values.codec import describe
from podhatch.values.input import dump_input, input_schema, json_object

if TYPE_CHECKING:
    from podhatch.core.expressions.cel import Subject
    from podhatch.definitions.graph import TaskGraph
    from podhatch.definitions.task import Task


T = TypeVar("T")
IMAGE_VARIABLE = "PODHATCH_IMAGE"


def manifest_of(workflow: "TaskGraph[Any]", *, ship: bool = True) -> Manifest:
    """Return the objects that make a workflow; without its source where nothing is shipped."""
    if not workflow.tasks:
        raise ValueError(f"workflow {workflow.name!r} has no task: add one with @workflow.task()")
    image = workflow.settings.image or os.environ.get(IMAGE_VARIABLE) or None
    where = locate if ship else locate_here
    locations = {task.name: where(task.subject, task.fn) for task in workflow.all_tasks}
    for place, expression, kind in _expressions(workflow):
        if problem := expression_problem(expression, kind):
            raise ValueError(f"{place}: {problem}")
    for task in workflow.all_tasks:
        _check_output(task.subject, task.output_validator)
    source = None
    if ship and image is None and not all(task.settings.image for task in workflow.all_tasks):
        source = source_config_map(_root(workflow.name, [*locations.values()]))
    try:
        spec = _spec(workflow, image, source, locations)
    except ValidationError as error:
        raise ValueError(f"workflow {workflow.name!r}: {describe(error)}") from None
    content_hash = short_hash(json.dumps(spec, sort_keys=True), 16)
    metadata: JsonObject = {"name": object_name(workflow.name)}
    if workflow.target.namespace:
        metadata["namespace"] = workflow.target.namespace
        if source:
            source["metadata"]["namespace"] = workflow.target.namespace
    metadata["annotations"] = {CONTENT_HASH: content_hash}
    document: JsonObject = {
        "apiVersion": API_VERSION,
        "kind": "Workflow",
        "metadata": metadata,
        "spec": spec,
    }
    return Manifest(metadata["name"], content_hash, document, source)


def _spec(
    workflow: "TaskGraph[Any]",
    image: str | None,
    source: JsonObject | None,
    locations: Mapping[str, Location],
) -> JsonObject:
    subject, settings = f"workflow {workflow.name!r}", workflow.settings
    fields: JsonObject = {
        **settings._asdict(),
        "name": workflow.name if workflow.name != object_name(workflow.name) else None,
        "image": image,
        "source": {"config_map": source["metadata"]["name"]} if source else None,
        "input_schema": input_schema(workflow.name, workflow.input_validator),
        "tasks": [_checked(TaskSpec, task, locations) for task in workflow.tasks],
        "on_failure_task": _checked(HookSpec, workflow.failure_task, locations),
        "on_success_task": _checked(HookSpec, workflow.success_task, locations),
        "pod": pod_settings(settings.pod),
        "cron_input": _cron_input(workflow),
        "default_filters": [
            {**vars(each), "payload": json_object(f"{place}.payload", each.payload)}
            for place, each in _placed(f"{subject}: default_filters", settings.default_filters)
        ],
        "concurrency": [vars(each) for each in settings.concurrency],
        "sticky": settings.sticky.value if settings.sticky else None,
        "idempotency": idempotency_rule(settings.idempotency),
    }
    return WorkflowSpec.model_validate(fields).to_wire()


def _cron_input(workflow: "TaskGraph[Any]") -> JsonObject | None:
    """Return the input of what `on_crons` start; without any it must do without."""
    if not workflow.settings.on_crons:
        return None
    try:
        return dump_input(workflow.name, workflow.input_validator, workflow.cron_input) or None
    except InvalidRun as error:
        raise ValueError(f"workflow {workflow.name!r}: cron_input: {error}") from None


def _checked(
    model: type[TaskSpec | HookSpec],
    task: "Task[Any, object] | None",
    locations: Mapping[str, Location],
) -> TaskSpec | HookSpec | None:
    if task is None:
        return None
    try:
        return model.model_validate(_fields(task, locations[task.name]))
    except ValidationError as error:
        raise ValueError(f"{task.subject}: {describe(error)}") from None


def _fields(task: "Task[Any, object]", location: Location) -> JsonObject:
    """Return the fields of a task's or hook's spec; a hook takes those that it has."""
    settings = task.settings
    return {
        **settings._asdict(),
        "cluster_access": settings.cluster_access or needed_access(task),
        "name": task.name,
        "python": location.python,
        "parents": [parent.name for parent in task.parents],
        "desired_worker_labels": [_label(one) for one in settings.desired_worker_labels],
        "wait_for": conditions_of(settings.wait_for),
        "skip_if": conditions_of(settings.skip_if),
        "cancel_if": conditions_of(settings.cancel_if),
        "concurrency": [vars(each) for each in settings.concurrency],
        "rate_limits": [vars(each) for each in settings.rate_limits],
        "pod": pod_settings(settings.pod),
    }


def _label(label: DesiredWorkerLabel) -> JsonObject:
    return {
        "key": label.key,
        "value": str(label.value),
        "comparator": "".join(word.capitalize() for word in label.comparator.name.split("_")),
        "required": label.required,
        "weight": label.weight or 100,
    }


def _root(workflow: str, locations: Sequence[Location]) -> Path:
    """Return the one folder that holds the code of all tasks."""
    roots = {location.root for location in locations}
    root = roots.pop()
    if roots:
        found = ", ".join(sorted(str(each) for each in (root, *roots)))
        raise ValueError(
            f"workflow {workflow!r}: its tasks are imported from several folders ({found}), and "
            "one can be shipped: bring them together, or build an image and pass image="
        )
    if root is None or is_installed(root):
        raise ValueError(
            f"workflow {workflow!r}: its code is an installed package ({locations[0].python}), "
            "which is not shipped: build an image that holds it, and pass image="
        )
    return root


def _expressions(workflow: "TaskGraph[Any]") -> "Iterator[tuple[str, str, Subject]]":
    """Yield each CEL expression, with its place for errors before it and its kind after it."""
    for task in workflow.tasks:
        for option in ("wait_for", "skip_if", "cancel_if"):
            for place, leaf in leaves(getattr(task.settings, option)):
                if isinstance(leaf, (ParentCondition, UserEventCondition)) and leaf.expression:
                    where = f"{task.subject}: {option}{place}.expression"
                    yield where, leaf.expression, "Condition"
    for task in workflow.all_tasks:
        for option in ("concurrency", "rate_limits"):
            limits = getattr(task.settings, option)
            yield from _limit_expressions(f"{task.subject}: {option}", limits, "TaskLimit")
    subject, settings = f"workflow {workflow.name!r}", workflow.settings
    yield from _limit_expressions(f"{subject}: concurrency", settings.concurrency, "RunLimit")
    for place, each in _placed(f"{subject}: default_filters", settings.default_filters):
        yield f"{place}.expression", each.expression, "Filter"
    if (key := settings.idempotency) is not None:
        yield f"{subject}: idempotency.key_expression", key.key_expression, "IdempotencyKey"


def _limit_expressions(
    place: str, limits: Sequence[ConcurrencyExpression | RateLimit], kind: "Subject"
) -> "Iterator[tuple[str, str, Subject]]":
    for where, each in _placed(place, limits):
        for field in ("expression", "max_runs", "dynamic_key", "units", "limit"):
            expression: object = getattr(each, field, None)
            if isinstance(expression, str):
                yield f"{where}.{field}", expression, kind


def _placed(place: str, values: Iterable[T]) -> Iterator[tuple[str, T]]:
    """Yield each value with its place for errors."""
    return ((f"{place}[{index}]", each) for index, each in enumerate(values))


def _check_output(subject: str, declared: object) -> None:
    """Raise ValueError if pydantic does not know a return type; None stands for any JSON."""
    if declared is None:
        return
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    from podhatch.values.codec import adapter

    try:
        adapter(declared)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        told = error.message.partition(". Set `arbitrary")[0].rstrip(".")
        raise ValueError(
            f"{subject}: its return type {declared!r} cannot be the type of an output: {told}. "
            "Return JSON values, a pydantic model or a dataclass, or declare Any"
        ) from None


def pod_settings(pod: Pod | None) -> JsonObject | None:
    """Return the pod's settings as they stand in the Workflow."""
    if pod is None:
        return None
    fields: JsonObject = {**vars(pod)}
    resources = {"requests": fields.pop("requests"), "limits": fields.pop("limits")}
    if any(resources.values()):
        fields["resources"] = resources
    fields["env"] = [
        {"name": name, "value": value}
        if isinstance(value, str)
        else {"name": name, "valueFrom": value}
        for name, value in pod.env.items()
    ]
    fields["image_pull_secrets"] = [{"name": name} for name in pod.image_pull_secrets]
    return fields
