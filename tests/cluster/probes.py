"""A few requests to the API server and the health ports, without a client library.

Called wherever something is awaited: a request takes milliseconds, kubectl a tenth of a second.
"""

import json
import ssl
import urllib.error
import urllib.request
from typing import Any

from tests.cluster import certificates


def healthy(url: str) -> bool:
    """Whether a health address answers 200; its certificate does not matter."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    try:
        with urllib.request.urlopen(url, timeout=2, context=context) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def get(path: str) -> dict[str, Any] | None:
    """An object of the API server as administrator, or None when it is not there."""
    try:
        context = ssl.create_default_context(cafile=certificates.certificate("ca"))
        context.load_cert_chain(certificates.certificate("admin"), certificates.key("admin"))
        url = certificates.SERVER + path
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            answer: dict[str, Any] = json.load(response)
    except (OSError, urllib.error.URLError, ValueError):
        return None
    return answer
