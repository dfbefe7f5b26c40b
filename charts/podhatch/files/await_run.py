"""Waits until a WorkflowRun ends and prints its status. The pod of `helm test` runs this.

It runs in the runner image, so it imports the standard library only. Exits 1 unless the run
succeeded.
"""

import json
import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path(os.environ.get("ACCOUNT", "/var/run/secrets/kubernetes.io/serviceaccount"))
TIMEOUT_SECONDS = float(os.environ.get("TIMEOUT_SECONDS", "120"))
POLL_SECONDS = 0.5


def read_status(namespace: str, run: str) -> dict[str, Any]:
    """Return the run's status; empty until the operator has handled the run."""
    host, port = os.environ["KUBERNETES_SERVICE_HOST"], os.environ["KUBERNETES_SERVICE_PORT"]
    host = f"[{host}]" if ":" in host else host
    path = f"apis/podhatch.dev/v1alpha1/namespaces/{namespace}/workflowruns/{run}"
    token = (ACCOUNT / "token").read_text()
    request = urllib.request.Request(
        f"https://{host}:{port}/{path}", headers={"Authorization": f"Bearer {token}"}
    )
    trust = ssl.create_default_context(cafile=str(ACCOUNT / "ca.crt"))
    with urllib.request.urlopen(request, context=trust, timeout=30) as response:
        return json.load(response).get("status", {})


def main() -> None:
    """Poll until the run ends or the timeout has passed."""
    namespace, run = sys.argv[1:]
    deadline = time.monotonic() + TIMEOUT_SECONDS
    status: dict[str, Any] = {}
    while time.monotonic() < deadline:
        status = read_status(namespace, run)
        if status.get("phase") in ("Succeeded", "Failed", "Cancelled"):
            break
        time.sleep(POLL_SECONDS)
    phase = status.get("phase", "Pending: check that the operator is running")
    sys.stdout.write(f"WorkflowRun {namespace}/{run} is {phase}\n{json.dumps(status, indent=2)}\n")
    sys.exit(phase != "Succeeded")


if __name__ == "__main__":
    main()
