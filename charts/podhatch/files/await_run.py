"""Waits for a WorkflowRun to end and tells how it did. The pod of `helm test` runs this.

Standard library only, as it runs in the runner's image. Exits 1 unless the run succeeded.
"""

import json
import os
import ssl
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
PATIENCE_SECONDS = 120


def read_status(namespace: str, run: str) -> dict[str, Any]:
    """Return the run's status; empty while the operator has not seen the run."""
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
    """Poll until the run ends or patience does."""
    namespace, run = sys.argv[1:]
    deadline = time.monotonic() + PATIENCE_SECONDS
    status: dict[str, Any] = {}
    while time.monotonic() < deadline:
        status = read_status(namespace, run)
        if status.get("phase") in ("Succeeded", "Failed", "Cancelled"):
            break
        time.sleep(0.5)
    phase = status.get("phase", "Pending: does the operator run?")
    sys.stdout.write(f"WorkflowRun {namespace}/{run} is {phase}\n{json.dumps(status, indent=2)}\n")
    sys.exit(phase != "Succeeded")


if __name__ == "__main__":
    main()
