"""Turns a wire model into the structural OpenAPI v3 schema that a CRD needs.

Called by `crds`. Pydantic speaks JSON Schema 2020-12; the API server wants everything in place, one
type per node, and knows neither null nor references. What cannot be said that way is an error here.
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
    """The model holds a type that a CRD cannot express; the message says where."""


def crd_schema(model: type[ApiObject]) -> JsonObject:
    """Return the `openAPIV3Schema` of a CRD for `model`.

    Raises:
        UnsupportedTypeError: the API server could not hold one of the model's types.
    """
    raw = model.model_json_schema()
    schema = _Structural(raw.pop("$defs", {})).convert(raw, model.__name__)
    # The API server itself owns these three, whatever the model takes of them.
    schema["properties"] = {**schema["properties"], **_OBJECT_FIELDS}
    return schema


class _Structural:
    """The conversion of one model: knows its definitions, and which of them it is inside of."""

    def __init__(self, definitions: Mapping[str, JsonObject], inside: tuple[str, ...] = ()) -> None:
        self._definitions = definitions
        self._inside = inside

    def convert(self, node: JsonObject, path: str) -> JsonObject:
        """Return the structural form of `node`, which stands at `path`."""
        node = _without_null(node, path)
        if "$ref" in node:
            return self._inline(node, path)
        if found := [key for key in _UNSUPPORTED if key in node]:
            raise UnsupportedTypeError(f"{path}: a CRD cannot hold {', '.join(found)}")
        result = {key: value for key, value in node.items() if key not in ("title", "default")}
        if "const" in result:
            result["enum"] = [result.pop("const")]
        if "description" in result:
            result["description"] = _one_line(result["description"])
        _set_default(result, node)
        _set_bounds(result)
        self._convert_children(result, path)
        if "type" not in result:
            raise UnsupportedTypeError(f"{path}: every node of a CRD needs one type")
        return result

    def _inline(self, node: JsonObject, path: str) -> JsonObject:
        name = node["$ref"].removeprefix("#/$defs/")
        if name in self._inside:
            raise UnsupportedTypeError(f"{path}: {name} contains itself, which a CRD cannot hold")
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
            raise UnsupportedTypeError(f"{path}: any value may stand here: mark it PreserveUnknown")


def _without_null(node: JsonObject, path: str) -> JsonObject:
    """Return `X` for `X | None`: an absent field is how Kubernetes says null."""
    if "anyOf" not in node:
        return node
    choices = [choice for choice in node["anyOf"] if choice != {"type": "null"}]
    if len(choices) != 1:
        raise UnsupportedTypeError(f"{path}: a CRD's field has one type, not {len(choices)}")
    return {**choices[0], **{key: value for key, value in node.items() if key != "anyOf"}}


def _set_default(result: JsonObject, node: JsonObject) -> None:
    """Keep the defaults that say something: an absent field already means empty, zero or false."""
    default: Any = node.get("default")
    if isinstance(default, float) and default.is_integer():
        default = int(default)
    if default:
        result["default"] = default


def _set_bounds(node: JsonObject) -> None:
    """OpenAPI 3.0 marks a bound as exclusive by a boolean, and tells the widths of integers."""
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
