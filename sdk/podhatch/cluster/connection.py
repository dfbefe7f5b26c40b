"""The address of the API server and the credentials for it.

In a pod it is the service account; elsewhere a kubeconfig, which the kubernetes package reads, with
client certificates and exec plugins. That package is slow to import, so only a kubeconfig pays.
"""

import asyncio
import logging
import os
import ssl
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from podhatch.cluster.errors import ClusterUnreachable
from podhatch.cluster.proxy import proxy_of

SERVICE_ACCOUNT_DIRECTORY = Path("/var/run/secrets/kubernetes.io/serviceaccount")
CREDENTIALS_AGE_SECONDS = 60.0
"""A token may be replaced at any time: read it again after this time."""


@dataclass
class Credentials:
    """The Authorization header of each request, read again once a minute."""

    read: Callable[[], str]
    """Returns the header's value, or nothing. May block: an exec plugin starts a process."""
    _value: str = ""
    _read_at: float = float("-inf")
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def fresh(self) -> str | None:
        """Return the header's value if it was read lately, else None. The hot path: no await."""
        if time.monotonic() - self._read_at < CREDENTIALS_AGE_SECONDS:
            return self._value
        return None

    async def refresh(self) -> str:
        """Return the header's value, read again unless another request just did."""
        async with self._lock:
            value = self.fresh()
            if value is None:
                value = self._value = await asyncio.to_thread(self.read)
                self._read_at = time.monotonic()
            return value

    def expire(self) -> None:
        """The API server rejected the credentials: read them again at the next request."""
        self._read_at = float("-inf")


@dataclass(frozen=True)
class Connection:
    """The address of an API server, and the credentials for it."""

    server: str
    """URL without a trailing slash."""
    namespace: str
    """Where objects without a namespace belong."""
    credentials: Credentials
    ssl_context: ssl.SSLContext | None = None
    """None for plain http."""
    server_name: str | None = None
    """The name in the server's certificate, where it is not the host of the URL."""
    proxy: str | None = None
    """URL of the proxy on the way there. A pod reaches its own cluster's service without one."""

    @classmethod
    async def find(cls, kubeconfig: str | None = None, context: str | None = None) -> "Connection":
        """Return the pod's service account, or else what the kubeconfig says.

        Raises:
            ClusterUnreachable: neither is there, or the kubeconfig cannot be used.
        """
        asked = kubeconfig or context or os.environ.get("KUBECONFIG")
        if not asked and (SERVICE_ACCOUNT_DIRECTORY / "token").exists():
            return _from_service_account()
        return await asyncio.to_thread(_from_kubeconfig, kubeconfig, context)

    def session(self, *middlewares: aiohttp.ClientMiddlewareType) -> aiohttp.ClientSession:
        """Return a session that signs its requests. Whoever opens it closes it.

        The number of connections has no limit: each watch has one for as long as it lasts.
        """
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0, ssl=self.ssl_context or True, keepalive_timeout=60
            ),
            headers={"User-Agent": "podhatch", "Accept": "application/json"},
            middlewares=(self._sign, *middlewares),
            proxy=self.proxy,
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def _sign(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        value = self.credentials.fresh()
        if value is None:
            value = await self.credentials.refresh()
        if value:
            request.headers["Authorization"] = value
        return await handler(request)


def _from_service_account() -> Connection:
    host = os.environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = os.environ.get("KUBERNETES_SERVICE_PORT", "443")
    directory = SERVICE_ACCOUNT_DIRECTORY
    return Connection(
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=(directory / "namespace").read_text().strip(),
        credentials=Credentials(lambda: f"Bearer {(directory / 'token').read_text().strip()}"),
        ssl_context=ssl.create_default_context(cafile=str(directory / "ca.crt")),
    )


def _from_kubeconfig(path: str | None, context: str | None) -> Connection:
    import yaml
    from kubernetes import config

    path = path or os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    why = "there is no such file"
    if any(os.path.exists(each) for each in path.split(os.pathsep)):
        try:
            with _complaints() as complaints:
                found = _read_kubeconfig(path, context)
            if not complaints:
                return found
            why = f"its exec plugin: {complaints[0]}"
        except (config.ConfigException, yaml.YAMLError, OSError, ValueError) as error:
            why = str(error).partition("\n")[0] or type(error).__name__
        except (AttributeError, LookupError, TypeError):  # the package accepts any file
            why = "it does not hold what a kubeconfig does"
    raise ClusterUnreachable(
        f"no cluster: this process does not run in a pod, and the kubeconfig {path} cannot be used "
        f"({why}); set KUBECONFIG"
    )


@contextmanager
def _complaints() -> Generator[list[str]]:
    """Collect what the kubernetes package only logs: why an exec plugin gave no credentials."""
    found: list[str] = []

    def collect(record: logging.LogRecord) -> bool:
        if record.module != "kube_config":
            return True
        found.append(" ".join(record.getMessage().split()))
        return False

    # Without any handler, its first error would configure the logging of the whole program.
    placeholder = logging.NullHandler()
    logging.root.addHandler(placeholder)
    logging.root.addFilter(collect)
    try:
        yield found
    finally:
        logging.root.removeFilter(collect)
        logging.root.removeHandler(placeholder)


def _read_kubeconfig(path: str, context: str | None) -> Connection:
    from kubernetes import config
    from kubernetes.client import Configuration

    # Its own reading of the environment would hide whether the kubeconfig names a proxy.
    loaded: Any = Configuration(proxy="", no_proxy="")
    library: Any = config
    library.load_kube_config(config_file=path, context=context, client_configuration=loaded)
    contexts, current = library.list_kube_config_contexts(config_file=path)
    chosen = next((entry for entry in contexts if entry["name"] == context), current)
    server = str(loaded.host).rstrip("/")
    return Connection(
        server=server,
        namespace=chosen["context"].get("namespace") or "default",
        credentials=Credentials(lambda: loaded.get_api_key_with_prefix("BearerToken") or ""),
        ssl_context=_ssl_context(loaded) if server.startswith("https:") else None,
        server_name=loaded.tls_server_name,
        proxy=proxy_of(server, loaded.proxy, os.environ),
    )


def _ssl_context(loaded: Any) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=loaded.ssl_ca_cert)
    if loaded.cert_file:
        context.load_cert_chain(loaded.cert_file, loaded.key_file)
    if not loaded.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
