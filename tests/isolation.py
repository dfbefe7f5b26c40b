"""Keeps tests that need no cluster away from every cluster, and from the network.

`isolated` is used by each test of tests/unit, tests/property and tests/typing. A test may talk to
servers that its own process has bound, and to nothing else. Code under test may swallow the
refusal, so the test fails at its end, too.
"""

import os
import socket
from collections.abc import Generator
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import cast

import pytest
from podhatch.cluster import connection

PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
SERVICE_ACCOUNT = ("KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT")

_socket_bind = socket.socket.bind
_socket_connect = socket.socket.connect
_socket_connect_ex = socket.socket.connect_ex
_getaddrinfo = socket.getaddrinfo


class NetworkUsed(Exception):  # noqa: N818 - it names what the test did
    """A test that must do without a network used it."""


@dataclass
class Network:
    """What this process may connect to: the addresses that it has bound."""

    bound: set[object] = field(default_factory=set[object])
    refused: list[str] = field(default_factory=list[str])

    def record(self, sock: socket.socket) -> None:
        """Remember what a socket is bound to."""
        self.bound.add(_key(sock, sock.getsockname()))

    def check(self, sock: socket.socket, address: object) -> None:
        """Refuse an address that this process has not bound.

        Raises:
            NetworkUsed: it is another one.
        """
        if _key(sock, address) not in self.bound:
            self.refuse(f"a connection to {address!r}")

    def check_name(self, name: object) -> None:
        """Refuse to look up a name that a name server would be asked for.

        Raises:
            NetworkUsed: it is such a name.
        """
        text = name.decode() if isinstance(name, bytes) else name
        if isinstance(text, str) and text not in ("", "localhost") and not _is_address(text):
            self.refuse(f"a lookup of the name {text!r}")

    def refuse(self, what: str) -> None:
        """Fail now, and once more at the end of the test."""
        self.refused.append(what)
        raise NetworkUsed(f"this test must not use a network or a cluster; it wanted {what}")

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Watch the sockets of this process."""

        def bind(sock: socket.socket, address: object) -> None:
            _socket_bind(sock, address)  # pyright: ignore[reportArgumentType]
            self.record(sock)

        def connect(sock: socket.socket, address: object) -> None:
            self.check(sock, address)
            _socket_connect(sock, address)  # pyright: ignore[reportArgumentType]

        def connect_ex(sock: socket.socket, address: object) -> int:
            self.check(sock, address)
            return _socket_connect_ex(sock, address)  # pyright: ignore[reportArgumentType]

        def getaddrinfo(host: object, *more: object, **options: object) -> object:
            self.check_name(host)
            return _getaddrinfo(host, *more, **options)  # pyright: ignore

        monkeypatch.setattr(socket.socket, "bind", bind)
        monkeypatch.setattr(socket.socket, "connect", connect)
        monkeypatch.setattr(socket.socket, "connect_ex", connect_ex)
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)


@pytest.fixture(scope="session")
def empty_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home folder without a kubeconfig."""
    return tmp_path_factory.mktemp("home")


@pytest.fixture(autouse=True)
def isolated(monkeypatch: pytest.MonkeyPatch, empty_home: Path) -> Generator[Network]:
    """No kubeconfig and no service account, here and in child processes; no network here."""
    monkeypatch.setenv("HOME", str(empty_home))
    monkeypatch.setenv("KUBECONFIG", str(empty_home / "no-kubeconfig"))
    for name in (*SERVICE_ACCOUNT, *PROXIES, *(proxy.lower() for proxy in PROXIES)):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(connection, "SERVICE_ACCOUNT_DIRECTORY", empty_home / "no-account")
    network = Network()
    network.install(monkeypatch)
    yield network
    if network.refused:
        pytest.fail(f"this test used the network: {'; '.join(network.refused)}")


def _key(sock: socket.socket, address: object) -> object:
    """Return what tells one server of this machine from another; other machines have none."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return os.fspath(address) if isinstance(address, (str, bytes)) else None
    host, port = cast("tuple[str, int]", address)[:2]
    return port if host in ("0.0.0.0", "::") or _is_loopback(host) else None


def _is_loopback(host: str) -> bool:
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
