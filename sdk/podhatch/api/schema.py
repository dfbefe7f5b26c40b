"""Converts a wire model to the structural OpenAPI v3 schema of a CRD.

Pydantic generates JSON Schema 2020-12. The API server requires one type per node, and supports
neither null nor references. A type that cannot be converted is an error.
"""

from collections.abc import Mapping
from typing import Any, cast

from podhatch.api.model import ApiObject, JsonObject

_INT32_MAX = 2**31 - 1
_UNSUPPORTED = ("allOf", "oneOf", "not", "patternProperties", "prefixItems", "uniqueItems")
_OBJECT_FIELDS: JsonObject = {
    "apiVersion": {
        "type": "string",
        "description": "apiVersion is the group and version of the object's schema.",
    },
    "kind": {"type": "string", "description": "kind of the object."},
    "metadata": {"type": "object"},
}


class UnsupportedTypeError(Exception):
    """A CRD cannot express a type of the model; the message names the field."""


def crd_schema(model: type[ApiObject]) -> JsonObject:
    """Return the `openAPIV3Schema` of a CRD for `model`.

    Raises:
        UnsupportedTypeError: A CRD cannot express one of the model's types.
    """
    raw = model.model_json_schema()
    schema = _Structural(raw.pop("$defs", {})).convert(raw, model.__name__)
    # The API server defines these three fields, whatever the model says.
    schema["properties"] = {**schema["properties"], **_OBJECT_FIELDS}
    return schema


class _Structural:
    """The conversion of one model, with its definitions and those that enclose the current node."""

    def __init__(self, definitions: Mapping[str, JsonObject], inside: tuple[str, ...] = ()) -> None:
        self._definitions = definitions
        self._inside = inside

    def convert(self, node: JsonObject, path: str) -> JsonObject:
        """Return the structural form of the node at `path`."""
        if "x-kubernetes-int-or-string" in node:
            return _int_or_string(node)
        node = _without_null(node, path)
        if "$ref" in node:
            return self._inline(node, path)
        if found := [key for key in _UNSUPPORTED if key in node]:
            raise UnsupportedTypeError(f"{path}: a CRD does not support {', '.join(found)}")
        result = {key: value for key, value in node.items() if key not in ("title", "default")}
        if "const" in result:
            result["enum"] = [result.pop("const")]
        if "description" in result:
            result["description"] = _one_line(result["description"])
        _set_default(result, node)
        _set_bounds(result)
        self._convert_children(result, path)
        if "type" not in result:
            raise UnsupportedTypeError(f"{path}: a node of a CRD needs a type")
        return result

    def _inline(self, node: JsonObject, path: str) -> JsonObject:
        name = node["$ref"].removeprefix("#/$defs/")
        if name in self._inside:
            raise UnsupportedTypeError(
                f"{path}: {name} contains itself, which a CRD does not support"
            )
        beside = {key: value for key, value in node.items() if key != "$ref"}
        deeper = _Structural(self._definitions, (*self._inside, name))
        return deeper.convert({**self._definitions[name], **beside}, path)

    def _convert_children(self, node: JsonObject, path: str) -> None:
        if "properties" in node:
            node["properties"] = {
                name: self.convert(child, f"{path}.{name}")
                for name, child in node["properties"].items()
            }
        if "items" in node:
            node["items"] = self.convert(node["items"], f"{path}[]")
        values = node.pop("additionalProperties", None)
        if isinstance(values, dict):
            node["additionalProperties"] = self.convert(cast("JsonObject", values), f"{path}{{}}")
        elif values is True and not node.get("x-kubernetes-preserve-unknown-fields"):
            raise UnsupportedTypeError(f"{path}: mark a field of any type as PRESERVE_UNKNOWN")


def _without_null(node: JsonObject, path: str) -> JsonObject:
    """Return `X` for `X | None`: in Kubernetes, a null field is absent."""
    if "anyOf" not in node:
        return node
    choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
    if len(choices) != 1:
        raise UnsupportedTypeError(f"{path}: a field of a CRD has one type, got {len(choices)}")
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _int_or_string(node: JsonObject) -> JsonObject:
    """Return a node that is an integer or a string: the one choice of types that a CRD has."""
    result = {key: value for key, value in node.items() if key not in ("title", "default")}
    return {
        **result,
        "description": _one_line(node["description"]),
        "anyOf": [{"type": "integer"}, {"type": "string"}],
    }


def _set_default(result: JsonObject, node: JsonObject) -> None:
    """Keep defaults other than empty, zero and false, the values of an absent field."""
    default: Any = node.get("default")
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    if default:
        result["default"] = default


def _set_bounds(node: JsonObject) -> None:
    """Write exclusive bounds and integer formats as OpenAPI 3.0 does."""
    for bound in ("minimum", "maximum"):
        exclusive = f"exclusive{bound.capitalize()}"
        if exclusive in node:
            node[bound] = node[exclusive]
            node[exclusive] = True
    if node.get("type") == "integer":
        node["format"] = "int32" if node.get("maximum", _INT32_MAX + 1) <= _INT32_MAX else "int64"


def _one_line(text: str) -> str:
    paragraphs = text.split("\n\n")
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)
