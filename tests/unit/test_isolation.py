"""Tests that need no cluster get none, whatever runs beside them on the machine."""

import os
import socket
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from podhatch.cli.errors import ExitCode
from podhatch.cluster import Cluster, ClusterUnreachable

from tests.isolation import Network, NetworkUsed

CLUSTER = ("127.0.0.1", 6443)


def connect(address: tuple[str, int]) -> None:
    with socket.socket() as sock:
        sock.connect(address)


def connect_without_an_error(address: tuple[str, int]) -> None:
    with socket.socket() as sock:
        sock.connect_ex(address)


@pytest.mark.parametrize("way", [connect, connect_without_an_error])
@pytest.mark.parametrize("address", [CLUSTER, ("localhost", 6443), ("192.0.2.1", 443)])
def test_a_server_of_somebody_else_is_refused(
    way: Callable[[tuple[str, int]], None], address: tuple[str, int], isolated: Network
):
    with pytest.raises(NetworkUsed, match=str(address[1])):
        way(address)
    assert isolated.refused
    isolated.refused.clear()


def test_a_listening_server_of_another_process_is_refused(isolated: Network):
    serve = "import socket; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1])"
    with subprocess.Popen(
        [sys.executable, "-uc", f"{serve}; input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as server:
        assert server.stdout is not None
        with pytest.raises(NetworkUsed):
            connect(("127.0.0.1", int(server.stdout.readline())))
        server.communicate(b"\n")
    isolated.refused.clear()


def test_a_name_is_not_looked_up(isolated: Network):
    with pytest.raises(NetworkUsed, match=r"kubernetes\.default\.svc"):
        connect(("kubernetes.default.svc", 443))
    isolated.refused.clear()


def test_a_server_of_the_test_is_reached():
    with socket.create_server(("127.0.0.1", 0)) as server:
        connect(server.getsockname())


async def test_there_is_no_kubeconfig_and_no_service_account():
    with pytest.raises(ClusterUnreachable, match="no-kubeconfig"):
        await Cluster.connect()
    os.environ.pop("KUBECONFIG")
    with pytest.raises(ClusterUnreachable, match="kubeconfig"):
        await Cluster.connect()


def test_a_child_process_has_no_kubeconfig():
    done = subprocess.run(
        [sys.executable, "-m", "podhatch.cli", "list"], capture_output=True, text=True, check=False
    )
    assert done.returncode == ExitCode.UNREACHABLE
    assert "no-kubeconfig" in done.stderr


def test_a_swallowed_connection_fails_its_test(tmp_path: Path):
    (tmp_path / "conftest.py").write_text(
        "from tests.isolation import empty_home, isolated\n__all__ = ['empty_home', 'isolated']\n"
    )
    (tmp_path / "test_it.py").write_text(
        "import socket\n"
        "def test_it():\n"
        "    try:\n"
        f"        socket.create_connection({CLUSTER})\n"
        "    except Exception:\n"
        "        pass\n"
    )
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    with suppress(KeyError):
        os.environ.pop("PYTEST_XDIST_WORKER")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stdout
    assert "this test used the network: a connection to ('127.0.0.1', 6443)" in done.stdout
