"""One attempt in the place of a pod: what it gets, the code that it runs, and how it ends."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, cast

from podhatch.api import pod
from podhatch.api.model import JsonObject
from podhatch.api.pod import Report
from podhatch.errors import NonRetryableException
from podhatch.local.options import Mocks
from podhatch.runner.assignment import Assignment
from podhatch.runner.loader import LoadedTask, find_defined, load
from podhatch.runner.report import TaskFailure, termination_message

_NO_CODE = "mock:mock"


class Work(NamedTuple):
    """One attempt of a task, as its pod would receive it."""

    job: str
    assignment: Assignment
    environ: Mapping[str, str]
    """The container's variables; those that come from Secrets and ConfigMaps are not among them."""

    @property
    def has_code(self) -> bool:
        """Whether it is a python task: containers need a cluster."""
        return self.assignment.location != _NO_CODE


@dataclass(frozen=True)
class ExecutionEnd:
    """How an execution ended."""

    exit_code: int
    message: str = ""
    """The termination message."""
    report: Report | None = None
    """What a pod with access to the cluster writes into its TaskResult."""


def reported_end(work: Work, report: Report, exit_code: int) -> ExecutionEnd:
    """Return the end of an execution with a report, as that of a pod would look."""
    recorded, room = work.assignment.result is not None, work.assignment.message_bytes
    message = termination_message(report, room=room, recorded=recorded).decode()
    return ExecutionEnd(exit_code, message, report if recorded else None)


def pod_name(job: str) -> str:
    """Return the name of a Job's pod."""
    return f"{job}-local"


def work_of(job: JsonObject, workflow: str, data: JsonObject | None, parent: Path) -> Work:
    """Write the files that would be mounted, and return what the pod would see.

    `data` is the attempt's ConfigMap, when the input is too large for a variable.
    """
    name: str = job["metadata"]["name"]
    folder = parent / name
    folder.mkdir()
    for key, text in cast("dict[str, str]", data["data"] if data else {}).items():
        (folder / key).write_text(text, encoding="utf-8")
    environ = _environ(job, workflow)
    for variable in (pod.INPUT_FILE, pod.PARENTS_FILE):
        if variable in environ:
            environ[variable] = environ[variable].replace(pod.DATA_DIRECTORY, str(folder), 1)
    environ |= {pod.OUTPUT: str(folder / "termination-log"), "HOSTNAME": pod_name(name)}
    return Work(name, Assignment.from_environment(environ), environ)


def _environ(job: JsonObject, workflow: str) -> dict[str, str]:
    """Return the variables as the kubelet would set them: `$$` stands for one `$`."""
    variables: list[JsonObject] = job["spec"]["template"]["spec"]["containers"][0]["env"]
    environ = {
        each["name"]: each["value"].replace("$$", "$") for each in variables if "value" in each
    }
    if environ.get("HOME") == "/tmp":  # what every pod has, unlike this machine
        del environ["HOME"]
    environ.pop(pod.SOURCE, None)
    if pod.PYTHON in environ:
        return environ
    # A container task that a mock stands in for, which then is like a python task.
    name: str = job["metadata"]["name"]
    return {pod.WORKFLOW: workflow, pod.PYTHON: _NO_CODE, pod.RESULT: name, **environ}


def find_code(work: Work, mocks: Mocks) -> LoadedTask:
    """Return what to run for a task; what stands in for it has no lifespan.

    Raises:
        TaskFailure: There is no code.
    """
    defined = find_defined(work.assignment)
    if (name := mock_name(work, mocks)) is None:
        if not work.has_code:
            task = work.assignment.task
            raise _NoCode(
                "ContainerTask",
                f"task {task} runs a container, which needs a cluster: let a mock stand in for it, "
                f"mocks={{{task!r}: ...}}",
            )
        return defined or load(work.assignment)
    mock = mocks[name]
    stand_in: Callable[..., object] = mock if callable(mock) else lambda: mock
    if defined is None:
        return LoadedTask(stand_in, dict)
    return defined._replace(function=stand_in, lifespan=None)


def mock_name(work: Work, mocks: Mocks) -> str | None:
    """Return under which name something stands in for a task: its own, or its stub's."""
    task, workflow = work.assignment.task, work.assignment.workflow
    names = (task,) if work.has_code else (task, workflow)
    return next((name for name in names if name in mocks), None)


class _NoCode(TaskFailure, NonRetryableException):
    """The task is not written in Python, so that it cannot be run here."""
