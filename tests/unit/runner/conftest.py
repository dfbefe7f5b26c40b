"""A pod without a cluster: the real runner in a process of its own, on a folder of user code."""

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from podhatch.api import pod
from podhatch.api.model import JsonObject

from tests.unit.runner.api_server import ApiServer, make_certificate, serve

LAUNCHER = """
import importlib, json, runpy, sys
for name, value in json.loads(sys.argv[1]).items():
    module, _, constant = name.rpartition(".")
    setattr(importlib.import_module(module), constant, value)
sys.path[0] = ""
runpy.run_module("podhatch.runner", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Ended:
    """What a pod leaves behind."""

    exit_code: int
    stdout: str
    stderr: str
    message: JsonObject
    message_bytes: int

    @property
    def output(self) -> object:
        assert self.message["outcome"] == "Succeeded", self.stderr
        return json.loads(self.message["output"])

    @property
    def error(self) -> JsonObject:
        return self.message["error"]


class Running:
    """A runner at work."""

    def __init__(self, process: subprocess.Popen[str], message_file: Path) -> None:
        self._process = process
        self._message_file = message_file

    def await_line(self, line: str) -> None:
        """Wait until the user's code prints a line."""
        assert self._process.stdout is not None
        for found in self._process.stdout:
            if found.rstrip("\n") == line:
                return
        raise AssertionError(f"the runner ended without printing {line!r}")

    def terminate(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def wait(self) -> Ended:
        stdout, stderr = self._process.communicate(timeout=30)
        text = self._message_file.read_text() if self._message_file.exists() else ""
        message = json.loads(text or "{}")
        return Ended(self._process.returncode, stdout, stderr, message, len(text.encode()))


class Pod:
    """A pod to be: a folder with the user's code, and the variables the operator would set."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.message_file = folder / "termination-log"
        self.overrides: dict[str, object] = {}
        self.variables = {
            pod.NAMESPACE: "shop",
            pod.RUN: "orders-1",
            pod.RUN_UID: "6d1c",
            pod.WORKFLOW: "Orders",
            pod.TASK: "charge",
            pod.ATTEMPT: "2",
            pod.METADATA: '{"team": "billing"}',
            pod.INPUT: '{"id": 7}',
            pod.PARENTS: "{}",
            pod.PYTHON: "orders:charge",
            pod.EXECUTION_TIMEOUT: "20",
            pod.OUTPUT: str(self.message_file),
        }

    def write(self, file: str, code: str) -> None:
        path = self.folder / "code" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(code))

    def connect(self, api: ApiServer, service_account: Path) -> None:
        """Give the pod its token and the way to the API server."""
        self.overrides["podhatch.runner.task_result.SERVICE_ACCOUNT"] = str(service_account)
        self.variables[pod.RESULT] = "orders-1-charge-xyz-2"
        self.variables["KUBERNETES_SERVICE_HOST"] = "127.0.0.1"
        self.variables["KUBERNETES_SERVICE_PORT"] = str(api.port)

    def start(
        self, code: str | None = None, *, module: str = "podhatch.runner", **variables: str
    ) -> Running:
        if code is not None:
            self.write("orders.py", code)
        command = [sys.executable, "-m", module]
        if self.overrides:
            command = [sys.executable, "-c", LAUNCHER, json.dumps(self.overrides)]
        process = subprocess.Popen(
            command,
            cwd=self.folder / "code",
            env=_bare_environment() | self.variables | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return Running(process, self.message_file)

    def run(self, code: str | None = None, **variables: str) -> Ended:
        return self.start(code, **variables).wait()


def _bare_environment() -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PODHATCH_")}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


@pytest.fixture
def task_pod(tmp_path: Path) -> Pod:
    (tmp_path / "code").mkdir()
    return Pod(tmp_path)


@pytest.fixture
def unmeasured(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measure no coverage in pods: that imports more than the runner does, and ends later."""
    monkeypatch.delenv("COVERAGE_PROCESS_CONFIG", raising=False)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("certificate"))


@pytest.fixture
def api(certificate: Path) -> Iterator[ApiServer]:
    with serve(certificate) as server:
        yield server


@pytest.fixture
def service_account(tmp_path: Path, certificate: Path) -> Path:
    """The folder that a pod's service account is mounted at."""
    folder = tmp_path / "serviceaccount"
    folder.mkdir()
    (folder / "token").write_text("a-token\n")
    (folder / "ca.crt").write_bytes((certificate.parent / "ca.crt").read_bytes())
    return folder


@pytest.fixture
def connected_pod(task_pod: Pod, api: ApiServer, service_account: Path) -> Pod:
    task_pod.connect(api, service_account)
    return task_pod
