"""A worker on the real node: it registers, answers probes, and stops without harm."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import Podhatch, RunScript
from tests.kube import REPOSITORY, Namespace, eventually, user_environment

SCRIPT = REPOSITORY / "tests" / "e2e" / "flows" / "served.py"


@dataclass(frozen=True)
class Served:
    """A worker's process."""

    process: "subprocess.Popen[str]"
    port: int

    @property
    def is_well(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        try:
            connection.request("GET", "/health")
            answer = connection.getresponse()
            return answer.status == 200 and json.loads(answer.read()) == {"status": "HEALTHY"}
        except OSError:
            return False
        finally:
            connection.close()


@pytest.fixture
def worker(namespace: Namespace, tmp_path: Path) -> Iterator[Served]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    folder = tmp_path / "worker"
    folder.mkdir()
    environment = user_environment(namespace.name, folder)
    with subprocess.Popen(
        [sys.executable, str(SCRIPT)],
        env={**environment, "HATCHET_CLIENT_WORKER_HEALTHCHECK_PORT": str(port)},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        yield Served(process, port)
        process.kill()


def test_a_worker_registers_with_its_lifespan_and_stops_without_harm(
    worker: Served, namespace: Namespace, podhatch: Podhatch, run_script: RunScript, tmp_path: Path
) -> None:
    eventually(lambda: worker.is_well, 60, "the worker to be healthy")
    assert {each["metadata"]["name"] for each in namespace.list("wf")} == {"beside", "served"}
    assert "lifespan" not in namespace.get("wf", "beside")["spec"]
    stored = namespace.get("wf", "served")
    assert stored["spec"]["lifespan"] == "served:lifespan"

    # A script that only runs the workflow knows no worker: it must not take the lifespan away.
    script = tmp_path / "script.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(SCRIPT.parent)!r})\n"
        "from served import served\n"
        "print(served.run())\n"
    )
    done = run_script(script)
    assert (done.code, done.out) == (0, "hello from the lifespan\n"), done.err
    assert namespace.get("wf", "served")["spec"]["lifespan"] == "served:lifespan"

    name = podhatch("run", "served").out.strip()
    worker.process.send_signal(signal.SIGTERM)
    assert worker.process.wait(30) == 0
    assert worker.process.stderr is not None
    [line] = worker.process.stderr.read().splitlines()
    assert f"worker shop: served registered, health on port {worker.port}. Pods run" in line
    namespace.wait(name, "Succeeded")


def test_a_worker_whose_cluster_refuses_says_which_workflow(
    namespace: Namespace, tmp_path: Path
) -> None:
    environment = user_environment(f"{namespace.name}-none", tmp_path)
    done = subprocess.run(
        [sys.executable, str(SCRIPT)],
        env={**os.environ, **environment, "PODHATCH_HEALTH_PORT": "18763"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert "RequestRefused" in last
    assert f"in namespace '{namespace.name}-none'" in last
