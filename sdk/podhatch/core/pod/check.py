"""Checks a workflow's pod settings by the Kubernetes schema, before any pod is created.

First by shape, which `podhatch lint` can do offline and without which composing a pod would raise.
Then by the API server: a dry run of the Jobs that the workflow's tasks would make.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, cast

from podhatch.api.model import JsonObject
from podhatch.api.pod_settings import PodSettings
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.workflow import WorkflowSpec
from podhatch.core.common.observed import Defaults
from podhatch.core.common.refusal import ApiRefusal
from podhatch.core.run.job import AttemptInput, AttemptSpec, attempt_manifests
from podhatch.core.workflow.hooks import as_task, hooks_of
from podhatch.core.workflow.revision import current_revision

MAX_PROBLEMS = 5
MAX_DRY_RUNS = 20
"""Different pods of one workflow that are tried; most workflows have one or two."""
MAX_REFUSAL = 1000


@dataclass(frozen=True)
class _Text:
    pass


@dataclass(frozen=True)
class _Texts:
    """A map of texts."""


@dataclass(frozen=True)
class _Map:
    fields: Mapping[str, "_Shape"] = field(default_factory=dict[str, "_Shape"])


@dataclass(frozen=True)
class _List:
    item: "_Shape"
    named: bool = False
    """Its entries are told apart by their names."""
    least: int = 0


_Shape = _Text | _Texts | _Map | _List

_MAPS = _List(_Map())
_NAMED = _List(_Map(), named=True)
_CONTAINERS = _List(
    _Map(
        {
            "image": _Text(),
            "command": _List(_Text()),
            "args": _List(_Text()),
            "env": _NAMED,
            "envFrom": _MAPS,
            "ports": _MAPS,
            "resources": _Map({"limits": _Map(), "requests": _Map()}),
            "securityContext": _Map(),
            "volumeDevices": _MAPS,
            "volumeMounts": _MAPS,
        }
    ),
    named=True,
    least=1,
)
_TERMS = _Map({"nodeSelectorTerms": _List(_Map(), least=1)})
_NODE_AFFINITY = _Map(
    {
        "requiredDuringSchedulingIgnoredDuringExecution": _TERMS,
        "preferredDuringSchedulingIgnoredDuringExecution": _MAPS,
    }
)
_TEMPLATE = _Map(
    {
        "metadata": _Map({"labels": _Texts(), "annotations": _Texts()}),
        "spec": _Map(
            {
                "affinity": _Map({"nodeAffinity": _NODE_AFFINITY}),
                "containers": _CONTAINERS,
                "hostAliases": _MAPS,
                "imagePullSecrets": _NAMED,
                "initContainers": _CONTAINERS,
                "nodeSelector": _Texts(),
                "priorityClassName": _Text(),
                "schedulingGates": _NAMED,
                "securityContext": _Map(),
                "serviceAccountName": _Text(),
                "tolerations": _MAPS,
                "topologySpreadConstraints": _MAPS,
                "volumes": _NAMED,
            }
        ),
    }
)
_SETTINGS = _Map(
    {
        "env": _NAMED,
        "envFrom": _MAPS,
        "podTemplate": _TEMPLATE,
        "tolerations": _MAPS,
        "volumeMounts": _MAPS,
        "volumes": _NAMED,
    }
)


def pod_problems(spec: WorkflowSpec) -> list[str]:
    """Say where the pod settings of a workflow have the wrong shape, each with its field."""
    found = (
        problem
        for place, settings in _settings(spec)
        for problem in _problems(settings.to_wire(), _SETTINGS, f"{place}.pod")
    )
    return list(islice(found, MAX_PROBLEMS))


def _settings(spec: WorkflowSpec) -> Iterator[tuple[str, PodSettings]]:
    if spec.pod:
        yield "spec", spec.pod
    for place, task in _tasks(spec):
        if task.pod:
            yield place, task.pod


def _tasks(spec: WorkflowSpec) -> Iterator[tuple[str, TaskSpec]]:
    for task in spec.tasks:
        yield f"spec.tasks[{task.name}]", task
    for name, hook in hooks_of(spec):
        yield f"spec.{name}", as_task(hook)


def _problems(value: Any, shape: _Shape, place: str) -> Iterator[str]:
    match shape:
        case _Text():
            if not isinstance(value, str):
                yield f"{place}: expected a string, got {_kind_of(value)}"
        case _Texts() if isinstance(value, dict):
            for name, text in cast("JsonObject", value).items():
                yield from _problems(text, _Text(), f"{place}.{name[:100]}")
        case _Map(fields) if isinstance(value, dict):
            for name, inner in fields.items():
                if name in value:
                    yield from _problems(value[name], inner, f"{place}.{name}")
        case _List() if isinstance(value, list):
            yield from _list_problems(cast("list[Any]", value), shape, place)
        case _Texts() | _Map():
            yield f"{place}: expected a map, got {_kind_of(value)}"
        case _:
            yield f"{place}: expected a list, got {_kind_of(value)}"


def _list_problems(items: list[Any], shape: _List, place: str) -> Iterator[str]:
    if len(items) < shape.least:
        yield f"{place}: expected at least one entry, got an empty list"
    names: set[str] = set()
    for index, item in enumerate(items):
        yield from _problems(item, shape.item, f"{place}[{index}]")
        if not (shape.named and isinstance(item, dict)):
            continue
        name = cast("JsonObject", item).get("name")
        if not isinstance(name, str) or not name:
            yield f"{place}[{index}].name: expected a name, got {_kind_of(name)}"
        elif name in names:
            yield f"{place}[{index}].name: {name[:100]!r} is the name of another entry"
        else:
            names.add(name)


def _kind_of(value: Any) -> str:
    match value:
        case None:
            return "nothing"
        case dict():
            return "a map"
        case list():
            return "a list"
        case str():
            return f"{value[:50]!r}"
        case _:
            return f"{value}"[:50]


def dry_run_jobs(workflow: JsonObject, defaults: Defaults) -> dict[str, JsonObject]:
    """Return a Job for each different pod of a workflow, by the field of a task that has it.

    The workflow must have no other problem. The Jobs are for a dry run: they have no owner.
    """
    revision = current_revision(workflow)
    run = WorkflowRun.model_validate(
        {
            "metadata": {"name": "dry-run", "namespace": workflow["metadata"]["namespace"]},
            "spec": {"workflow": revision.workflow},
        }
    )
    different: dict[str, tuple[str, TaskSpec]] = {}
    for place, task in _tasks(revision.spec):
        different.setdefault(_pod_of(task), (place, task))
    jobs: dict[str, JsonObject] = {}
    for place, task in islice(different.values(), MAX_DRY_RUNS):
        attempt = AttemptSpec(run, task, 1)
        jobs[place] = attempt_manifests(attempt, revision, defaults, AttemptInput())[-1]
        del jobs[place]["metadata"]["ownerReferences"]
    return jobs


def _pod_of(task: TaskSpec) -> str:
    parts = {"image", "container", "cluster_access", "run_as_user", "desired_worker_labels", "pod"}
    return json.dumps(task.model_dump(mode="json", include=parts), sort_keys=True)


def refusal_problems(refusals: Mapping[str, ApiRefusal]) -> list[str]:
    """Say which of a workflow's pods Kubernetes found invalid in a dry run, by the task's field."""
    return [
        f"{place}: Kubernetes refuses its pod: "
        f"{refusal.message.split(' is invalid: ', 1)[-1][:MAX_REFUSAL]}"
        for place, refusal in refusals.items()
    ]


def is_invalid(refusal: ApiRefusal) -> bool:
    """Whether a dry run failed by the workflow's fault, and not by a quota, policy or webhook."""
    unreadable = refusal.code == 400 and "cannot be handled as a" in refusal.message
    return unreadable or (refusal.code == 422 and " is invalid: " in refusal.message)
