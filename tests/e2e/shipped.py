"""Python code for tasks of YAML workflows, shipped as the SDK ships it: a zip in a ConfigMap."""

import base64
import io
import zipfile

from podhatch.api.model import JsonObject

NAME = "shipped-source"


def source(code: str) -> JsonObject:
    """Return the ConfigMap with one module, `flow`. A workflow names it in `spec.source`."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("flow.py", code)
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": NAME},
        "binaryData": {"source.zip": base64.b64encode(packed.getvalue()).decode()},
    }


def event(name: str, key: str, **spec: object) -> JsonObject:
    """Return a WorkflowEvent."""
    return {
        "apiVersion": "podhatch.dev/v1alpha1",
        "kind": "WorkflowEvent",
        "metadata": {"name": name},
        "spec": {"key": key, **spec},
    }
