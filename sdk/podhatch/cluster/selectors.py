"""Label and field selectors, as the API server reads them."""

import re
from typing import cast

from podhatch.api.labels import GROUP
from podhatch.api.model import JsonObject
from podhatch.cluster.errors import ApiError
from podhatch.cluster.kinds import Kind

_SELECTABLE = {"Event": {"regarding.uid", "type"}}
"""Fields of Kubernetes' own kinds by which the operator selects."""
_SET = re.compile(r"(\S+)\s+(in|notin)\s+\(([^)]*)\)")
_COMMA = re.compile(r",(?![^(]*\))")
_FIELD = re.compile(r"((?:\\.|[^\\,])+)", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def matches(stored: JsonObject, label_selector: str, field_selector: str) -> bool:
    """Return whether the selectors match an object."""
    labels: dict[str, str] = stored["metadata"].get("labels", {})
    return all(
        _holds(labels.get(_subject(each)), each) for each in _requirements(label_selector)
    ) and all(
        (_field(stored, path) == value) == (sign != "!=")
        for path, sign, value in _field_requirements(field_selector)
    )


def _requirements(selector: str) -> list[str]:
    return [each.strip() for each in _COMMA.split(selector) if each.strip()]


def _subject(requirement: str) -> str:
    return re.split(r"!?==?|\s", requirement.lstrip("!"), maxsplit=1)[0]


def _holds(value: str | None, requirement: str) -> bool:
    """Return whether a label's value, None if there is none, meets one requirement."""
    if found := _SET.fullmatch(requirement):
        among = value in [each.strip() for each in found[3].split(",")]
        return among == (found[2] == "in")
    if requirement.startswith("!"):
        return value is None
    _, sign, wanted = re.split(r"(!=|==?|$)", requirement, maxsplit=1)
    if not sign:
        return value is not None
    return (value == wanted) == (sign != "!=")


def _field_requirements(selector: str) -> list[tuple[str, str, str]]:
    """Return the fields, signs and values of a selector; values may hold blanks."""
    parts = [re.split("(!=|==?)", each, maxsplit=1) for each in _FIELD.findall(selector)]
    return [(path, sign, _ESCAPED.sub(r"\1", value)) for path, sign, value in parts]


def _field(stored: JsonObject, path: str) -> str:
    parts = path.strip(".").split(".")
    inner = stored
    for name in parts[:-1]:
        inner = cast("JsonObject", inner.get(name) or {})
    value = inner.get(parts[-1])
    return "" if value is None else str(value)


def check_fields(kind: Kind, selector: str) -> None:
    """Raise ApiError for a field that the kind does not support in selectors."""
    if not selector:
        return
    from podhatch.api.crds import DEFINITIONS

    allowed = {"metadata.name", "metadata.namespace"} | _SELECTABLE.get(kind.kind, set())
    for definition in DEFINITIONS:
        if definition.model.__name__ == kind.kind and kind.group == GROUP:
            allowed |= {path.removeprefix(".") for path in definition.selectable}
    for field, _, _ in _field_requirements(selector):
        if field not in allowed:
            raise ApiError(400, "BadRequest", f"field label not supported: {field}")
