"""Finds the proxy for requests to an API server, as kubectl does.

The `proxy-url` of a kubeconfig's cluster takes precedence. Without one, HTTPS_PROXY, HTTP_PROXY
and NO_PROXY are read as Go's `httpproxy` package reads them.
"""

import ipaddress
from collections.abc import Mapping

from yarl import URL

_SCHEMES = ("http", "https")


def proxy_of(server: str, proxy_url: str | None, environ: Mapping[str, str]) -> str | None:
    """Return the URL of the proxy for a server, or None.

    Args:
        server: The API server's URL.
        proxy_url: The `proxy-url` of the cluster in the kubeconfig.
        environ: The process's environment.

    Raises:
        ValueError: The scheme of the proxy is not supported.
    """
    url = URL(server)
    found = proxy_url
    if not found and _uses_proxy(url, _variable(environ, "NO_PROXY")):
        found = _variable(environ, f"{url.scheme.upper()}_PROXY")
    if not found:
        return None
    proxy = found if "://" in found else f"http://{found}"
    scheme = URL(proxy).scheme
    if scheme not in _SCHEMES:
        raise ValueError(f"the proxy {URL(proxy).host}: expected http or https, got {scheme}")
    return proxy


def _variable(environ: Mapping[str, str], name: str) -> str:
    """Return a variable by its name in upper case, or else in lower case."""
    return environ.get(name) or environ.get(name.lower()) or ""


def _uses_proxy(url: URL, no_proxy: str) -> bool:
    host = (url.raw_host or "").lower()
    address = _address(host)
    if host == "localhost" or (address is not None and address.is_loopback):
        return False
    entries = [entry.strip().lower() for entry in no_proxy.split(",")]
    return not any(_matches(entry, host, address, str(url.port)) for entry in entries if entry)


_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def _matches(entry: str, host: str, address: _Address | None, port: str) -> bool:
    """Return whether an entry of NO_PROXY matches a host."""
    if entry == "*":
        return True
    if "/" in entry and (network := _network(entry)) is not None:
        return address is not None and address in network
    name, wanted_port = _host_and_port(entry)
    if not name or wanted_port not in ("", port):
        return False
    if (wanted := _address(name)) is not None:
        return address == wanted
    domain = name[1:] if name.startswith("*.") else name
    if domain.startswith("."):  # .example.com: what is below it, and not the domain itself
        return host.endswith(domain)
    return host == domain or host.endswith(f".{domain}")


def _host_and_port(entry: str) -> tuple[str, str]:
    if entry.startswith("["):
        name, _, rest = entry[1:].partition("]")
        return name, rest.removeprefix(":")
    if entry.count(":") != 1:  # no port, or an IPv6 address
        return entry, ""
    name, _, port = entry.partition(":")
    return name, port


def _address(text: str) -> _Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None


def _network(text: str) -> "ipaddress.IPv4Network | ipaddress.IPv6Network | None":
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
