"""The proxy on the way to the API server: which one, and that requests go through it."""

import asyncio
import base64
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from podhatch.api.model import JsonObject
from podhatch.cluster import Cluster, ClusterUnreachable, Connection
from podhatch.cluster import connection as module
from podhatch.cluster.proxy import proxy_of

from tests.unit.runner.api_server import make_certificate, serve

RUN: JsonObject = {
    "apiVersion": "podhatch.dev/v1alpha1",
    "kind": "WorkflowRun",
    "metadata": {"name": "run", "namespace": "team"},
}
SERVER = "https://api.example.com:6443"
PROXY = "http://proxy:3128"


@pytest.mark.parametrize(
    ("server", "environ", "expected"),
    [
        (SERVER, {}, None),
        (SERVER, {"HTTPS_PROXY": PROXY}, PROXY),
        (SERVER, {"https_proxy": PROXY}, PROXY),
        (SERVER, {"HTTPS_PROXY": PROXY, "https_proxy": "http://other"}, PROXY),
        (SERVER, {"HTTPS_PROXY": "proxy:3128"}, PROXY),
        (SERVER, {"HTTP_PROXY": PROXY, "ALL_PROXY": PROXY}, None),
        ("http://api.example.com", {"http_proxy": PROXY}, PROXY),
        ("https://localhost:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://127.0.0.2:6443", {"HTTPS_PROXY": PROXY}, None),
        ("https://[::1]:6443", {"HTTPS_PROXY": PROXY}, None),
    ],
)
def test_a_proxy_comes_from_the_environment(
    server: str, environ: dict[str, str], expected: str | None
) -> None:
    assert proxy_of(server, None, environ) == expected


@pytest.mark.parametrize(
    ("no_proxy", "server", "is_direct"),
    [
        ("api.example.com", SERVER, True),
        ("API.Example.COM", SERVER, True),
        ("example.com", SERVER, True),
        (".example.com", SERVER, True),
        ("*.example.com", SERVER, True),
        ("other.org, example.com ,", SERVER, True),
        ("example.com:6443", SERVER, True),
        (".example.com:443", SERVER, False),
        ("ample.com", SERVER, False),
        ("*ample.com", SERVER, False),
        (".api.example.com", SERVER, False),
        ("api.example.com", "https://API.example.com", True),
        ("api.example.com:443", "https://api.example.com", True),
        ("other.org", SERVER, False),
        ("", SERVER, False),
        ("*", SERVER, True),
        ("other.org,*", SERVER, True),
        ("*", "https://10.1.2.3", True),
        ("10.1.2.3", "https://10.1.2.3:6443", True),
        ("10.1.2.3:6443", "https://10.1.2.3:6443", True),
        ("10.1.2.3:443", "https://10.1.2.3:6443", False),
        ("10.1.2.4", "https://10.1.2.3:6443", False),
        ("10.0.0.0/8", "https://10.1.2.3", True),
        ("10.1.2.99/24", "https://10.1.2.3", True),
        ("10.2.0.0/16", "https://10.1.2.3", False),
        ("10.0.0.0/8", SERVER, False),
        ("10.0.0.0/wrong", "https://10.1.2.3", False),
        ("fd00::/8", "https://[fd00::7]:6443", True),
        ("fd00::7", "https://[fd00::7]:6443", True),
        ("[fd00::7]:6443", "https://[fd00::7]:6443", True),
        ("[fd00::7]:443", "https://[fd00::7]:6443", False),
        (":6443", SERVER, False),
    ],
)
@pytest.mark.parametrize("variable", ["NO_PROXY", "no_proxy"])
def test_no_proxy_names_what_is_reached_directly(
    no_proxy: str, server: str, is_direct: bool, variable: str
) -> None:
    environ = {"HTTPS_PROXY": PROXY, variable: no_proxy}
    assert (proxy_of(server, None, environ) is None) is is_direct


def test_the_proxy_of_the_kubeconfig_counts_before_the_environment() -> None:
    environ = {"HTTPS_PROXY": "http://other", "NO_PROXY": "*"}
    assert proxy_of(SERVER, PROXY, environ) == PROXY


def test_a_proxy_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="proxy: expected http or https, got socks5"):
        proxy_of(SERVER, "socks5://proxy:1080", {})


@dataclass
class ConnectProxy:
    """A proxy that brings every tunnel to one port of this machine."""

    target: int
    refuses: bool = False
    port: int = 0
    asked: list[str] = field(default_factory=list[str])
    """The first line and the credentials of each request."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *headers = head.splitlines()
        given = [each for each in headers if each.lower().startswith("proxy-authorization:")]
        self.asked.append(" ".join([first, *given]))
        if self.refuses:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        else:
            server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.target)
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            await asyncio.gather(_pipe(reader, server_writer), _pipe(server_reader, writer))
        writer.close()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
    writer.close()


@asynccontextmanager
async def running(proxy: ConnectProxy) -> AsyncGenerator[ConnectProxy]:
    async with await asyncio.start_server(proxy.serve, "127.0.0.1", 0) as server:
        proxy.port = server.sockets[0].getsockname()[1]
        yield proxy


def kubeconfig(folder: Path, **cluster: object) -> str:
    entry = {
        "server": SERVER,
        "tls-server-name": "127.0.0.1",
        "certificate-authority": str(folder / "ca.crt"),
        **cluster,
    }
    content = {
        "clusters": [{"name": "c", "cluster": entry}],
        "users": [{"name": "u", "user": {"token": "secret"}}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path = folder / "config"
    path.write_text(yaml.safe_dump(content))
    return str(path)


@pytest.mark.parametrize("source", ["kubeconfig", "environment"])
async def test_requests_go_through_the_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str
) -> None:
    with serve(make_certificate(tmp_path)) as api:
        async with running(ConnectProxy(api.port)) as proxy:
            url = f"http://me:word@127.0.0.1:{proxy.port}"
            named = {"proxy-url": url} if source == "kubeconfig" else {}
            monkeypatch.setenv("HTTPS_PROXY", "" if named else url)
            monkeypatch.setenv("NO_PROXY", "*" if named else "other.org")
            cluster = Cluster(await Connection.find(kubeconfig(tmp_path, **named)))
            await cluster.create(RUN)
            await cluster.close()
    credentials = base64.b64encode(b"me:word").decode()
    connect = "CONNECT api.example.com:6443 HTTP/1.1"
    assert proxy.asked == [f"{connect} Proxy-Authorization: Basic {credentials}"]
    assert [request.token for request in api.requests] == ["Bearer secret"]


async def test_a_proxy_that_refuses_is_named(tmp_path: Path) -> None:
    make_certificate(tmp_path)
    async with running(ConnectProxy(0, refuses=True)) as proxy:
        path = kubeconfig(tmp_path, **{"proxy-url": f"http://127.0.0.1:{proxy.port}"})
        cluster = Cluster(await Connection.find(path))
        with pytest.raises(ClusterUnreachable, match="the proxy answered 407 Proxy Auth"):
            await cluster.create(RUN)
        await cluster.close()


async def test_a_proxy_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path, **{"proxy-url": "socks5://proxy:1080"})
    make_certificate(tmp_path)
    with pytest.raises(ClusterUnreachable, match="expected http or https, got socks5"):
        await Connection.find(path)


async def test_a_pod_reaches_its_own_cluster_without_a_proxy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path)
    (tmp_path / "token").write_text("one")
    (tmp_path / "namespace").write_text("team")
    monkeypatch.setattr(module, "SERVICE_ACCOUNT_DIRECTORY", tmp_path)
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("HTTPS_PROXY", PROXY)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    assert (await Connection.find()).proxy is None
