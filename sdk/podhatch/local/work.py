"""What a Job asks for, turned into variables and files of this machine. Called by the engine."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from podhatch.api import labels, pod
from podhatch.api.model import JsonObject

REPORT_FILE = "PODHATCH_LOCAL_REPORT"
"""Where a child process leaves its whole report: a termination message may be too short for it."""
_MESSAGE = "termination-log"
_REPORT = "report.json"
_NO_CODE = "mock:mock"


@dataclass(frozen=True)
class Work:
    """One attempt of a task, as its pod would be told of it."""

    job: str
    task: str
    environ: Mapping[str, str]
    """The container's variables; those that come from Secrets and ConfigMaps are not among them."""
    folder: Path

    @property
    def has_code(self) -> bool:
        """Whether it is a python task: containers need a cluster."""
        return self.environ[pod.PYTHON] != _NO_CODE

    @property
    def message_file(self) -> Path:
        """The termination message."""
        return self.folder / _MESSAGE

    @property
    def report_file(self) -> Path:
        """The report of a child process."""
        return self.folder / _REPORT


def pod_name(job: str) -> str:
    """Return the name of a Job's pod."""
    return f"{job}-local"


def work_of(job: JsonObject, workflow: str, data: JsonObject | None, parent: Path) -> Work:
    """Write the files that would be mounted, and return what the pod would see.

    Args:
        job: The attempt's Job.
        workflow: The true name of its workflow.
        data: Its ConfigMap, when the input is too large for a variable.
        parent: Where the attempt gets a folder of its own.
    """
    name: str = job["metadata"]["name"]
    folder = parent / name
    folder.mkdir()
    for key, text in cast("dict[str, str]", data["data"] if data else {}).items():
        (folder / key).write_text(text, encoding="utf-8")
    work = Work(name, job["metadata"]["labels"][labels.TASK], _environ(job, workflow), folder)
    files = {
        variable: value.replace(pod.DATA_DIRECTORY, str(folder), 1)
        for variable, value in work.environ.items()
        if variable in (pod.INPUT_FILE, pod.PARENTS_FILE)
    }
    own = {
        pod.OUTPUT: str(work.message_file),
        REPORT_FILE: str(work.report_file),
        "HOSTNAME": pod_name(name),
    }
    return Work(name, work.task, {**work.environ, **files, **own}, folder)


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
