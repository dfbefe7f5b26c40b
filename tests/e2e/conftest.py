"""What end-to-end tests share: a namespace of their own, and a user's way to run scripts."""

import json
import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from podhatch.api.model import JsonObject

from tests.kube import REPOSITORY, Namespace, kubectl, user_environment


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    """A new namespace, deleted after the test."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=false")


@dataclass(frozen=True)
class Finished:
    """What a script printed, and how it ended."""

    code: int
    out: str
    err: str


RunScript = Callable[..., Finished]


@pytest.fixture
def run_script(namespace: Namespace, tmp_path: Path) -> RunScript:
    """Run a Python program as a user does, with the namespace in the kubeconfig."""
    env = user_environment(namespace.name, tmp_path)

    def run(script: Path, *arguments: str, seconds: int = 120, **variables: str) -> Finished:
        done = subprocess.run(
            [sys.executable, str(script), *arguments],
            cwd=REPOSITORY,
            env={**env, **variables},
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run


DURABLE = Path(__file__).parent / "flows" / "durable.py"
StartDurable = Callable[..., list[str]]


@pytest.fixture
def start_durable(run_script: RunScript) -> StartDurable:
    """Start a run of a task of flows/durable.py for each input, and return their names."""

    def start(task: str, *inputs: JsonObject) -> list[str]:
        done = run_script(DURABLE, task, json.dumps(inputs or [{}]))
        assert done.code == 0, done.err
        names: list[str] = json.loads(done.out)
        return names

    return start


Podhatch = Callable[..., Finished]


@pytest.fixture
def podhatch_environment(namespace: Namespace, tmp_path: Path) -> dict[str, str]:
    """The environment of a user of the command line, 120 columns wide, in UTC."""
    return {
        **user_environment(namespace.name, tmp_path),
        "COLUMNS": "120",
        "LINES": "40",
        "TZ": "UTC",
    }


@pytest.fixture
def podhatch(podhatch_environment: dict[str, str]) -> Podhatch:
    """Run `podhatch` as a script does, without a terminal; `folder` is where it is called."""
    command = Path(sys.executable).with_name("podhatch")

    def run(*arguments: str, folder: Path | None = None, stdin: str | None = None) -> Finished:
        done = subprocess.run(
            [command, *arguments],
            cwd=folder,
            env=podhatch_environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

    return run
