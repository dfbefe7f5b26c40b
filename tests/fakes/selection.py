"""What a list is asked for, and which objects of the fake cluster that selects."""

import re
from typing import Any, TypedDict

from podhatch.api.crds import DEFINITIONS
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Kind

_BUILT_IN = {"Event": {"regarding.uid", "type"}}
"""Fields of Kubernetes' own kinds by which the operator selects."""


class Selection(TypedDict, total=False):
    label_selector: str
    field_selector: str
    metadata_only: bool
    page_size: int | None
    bounded: bool


class Selected:
    """Selectors are `a=b` and `a!=b`, with commas between; of fields those that the CRDs allow."""

    def __init__(self, kind: Kind, selection: Selection) -> None:
        self._metadata_only = selection.get("metadata_only", False)
        self._labels = _requirements(selection.get("label_selector", ""))
        self._fields = _requirements(selection.get("field_selector", ""))
        allowed = {"metadata.name", "metadata.namespace"} | {
            path.removeprefix(".")
            for definition in DEFINITIONS
            if definition.model.__name__ == kind.kind
            for path in definition.selectable
        }
        allowed |= _BUILT_IN.get(kind.kind, set())
        for name, _, _ in self._fields:
            if name not in allowed:
                raise ApiError(400, "BadRequest", f"field label not supported: {name}")

    def holds(self, manifest: JsonObject) -> bool:
        """Tell whether the selectors select an object."""
        labels = manifest["metadata"].get("labels", {})
        return all(
            (labels.get(name, "") == value) is equal for name, value, equal in self._labels
        ) and all((_at(manifest, name) == value) is equal for name, value, equal in self._fields)

    def part(self, manifest: JsonObject) -> JsonObject:
        """Return what the list holds of an object."""
        if not self._metadata_only:
            return manifest
        return {name: manifest[name] for name in ("apiVersion", "kind", "metadata")}


def _requirements(selector: str) -> list[tuple[str, str, bool]]:
    found: list[tuple[str, str, bool]] = []
    for each in filter(None, re.split(r"(?<!\\),", selector)):
        name, _, value = each.partition("=")
        plain = re.sub(r"\\(.)", r"\1", value)
        found.append((name.removesuffix("!"), plain, not name.endswith("!")))
    return found


def _at(manifest: JsonObject, path: str) -> str:
    value: Any = manifest
    for name in path.split("."):
        value = value.get(name, {})
    return str(value) if value != {} else ""
