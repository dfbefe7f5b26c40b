"""Dumps values under the names that validation reads, where pydantic would write others.

`Field(serialization_alias="myField")` writes a name that no validation knows; what
`validation_alias=` asks for, nothing writes. Inputs and outputs are dumped on one side of a pod and
validated on the other, so they have the names of validation, as the published schema has.

Needs pydantic: for those who have a model, a dataclass or a declared type in hand.
"""

import json
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import is_dataclass
from functools import lru_cache
from typing import Any, TypeAlias, cast

from pydantic import BaseModel, Secret, SecretBytes, SecretStr
from pydantic_core import to_jsonable_python

from podhatch.values.codec import adapter, parts_of, validated
from podhatch.values.hooks import CONTEXT
from podhatch.values.parsing import Path, path_text

Schema: TypeAlias = Mapping[str, Any]
"""A part of what pydantic knows of a type: JSON, but for classes and functions in it."""

_SEQUENCES = ("list", "tuple", "set", "frozenset", "generator")
_OBJECTS = ("model", "dataclass")
_FIELDS = ("model-fields", "dataclass-args", "typed-dict")
_SHAPES = (*_SEQUENCES, *_OBJECTS, *_FIELDS, "dict")
_NO_SCHEMAS = ("config", "default", "metadata")


def dump(declared: object, value: object) -> object:
    """Return a value of a declared type as JSON values.

    Raises:
        ValueError: Something inside cannot be JSON.
    """
    names = _names_of(declared)
    secrets = dict(_secrets(value))
    by_alias = not names.differ and not secrets
    dumped = adapter(declared).dump_python(
        value,
        mode="json",
        by_alias=by_alias,
        round_trip=names.hold_json,
        context=dict(CONTEXT),
    )
    if by_alias:
        return dumped
    written = names.put(value, dumped)
    if secrets:
        _check_secrets(declared, secrets, written)
    return written


def is_secret(value: object) -> bool:
    """Tell whether a value is one that pydantic writes as asterisks."""
    return isinstance(value, (SecretStr, SecretBytes, Secret))


def reveal(secret: object) -> object:
    """Return what a secret holds as JSON: it is the user's own data on its way to a task.

    Raises:
        ValueError: It holds bytes that are no text.
    """
    held: object = cast("Any", secret).get_secret_value()
    try:
        return to_jsonable_python(held, context=dict(CONTEXT))
    except ValueError as error:
        raise ValueError(f"a {type(secret).__name__} cannot be JSON: {error}") from None


def _secrets(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield the secrets inside, each with its path."""
    if is_secret(value):
        yield path, value
    else:
        for part, held in parts_of(value):
            yield from _secrets(held, (*path, part))


def _check_secrets(declared: object, secrets: Mapping[Path, object], written: object) -> None:
    """Refuse secrets that do not arrive, as where a serializer of the user's is around them."""
    text = json.dumps(written)
    try:
        arrived = dict(_secrets(validated(text, declared)))
    except (TypeError, ValueError):  # the type reads something else than it writes
        arrived = {}
    for path, secret in secrets.items():
        is_masked = path not in arrived and _mask(secret) in text
        if is_masked or arrived.get(path, secret) != secret:
            raise ValueError(f"{path_text(path)}this secret would not arrive as it is: pass a text")


def _mask(secret: object) -> str:
    """Return what pydantic writes in place of a secret: asterisks, unless its class says else."""
    return str(to_jsonable_python(secret))


def by_name(declared: object) -> bool | None:
    """Return what validation is to be told of `by_name`: None leaves it to the user's models.

    Two kinds of fields may come under their own names although they have aliases: those of a
    TypedDict, since a dict does not tell what it is an instance of, and those whose aliases are all
    paths into something, which nothing could write.
    """
    return True if _names_of(declared).may_be_absent else None


@lru_cache(maxsize=1024)
def _names_of(declared: object) -> "_Names":
    known = adapter(declared)
    # For models with defer_build; a type that cannot be built says so where it is used.
    known.rebuild(raise_errors=False)
    return _Names(cast("Schema", known.core_schema))


class _Names:
    """What validation calls the fields of a declared type, and of those declared within.

    Attributes:
        differ: Whether a dump by alias would write other names.
        may_be_absent: Whether fields with an alias may come under their own names all the same.
    """

    def __init__(self, schema: Schema) -> None:
        self._root = schema.get("schema") if schema["type"] == "definitions" else schema
        self._referred = {each["ref"]: each for each in schema.get("definitions", ())}
        shapes = [each for each in _schemas(schema) if each["type"] in _FIELDS]
        self.differ = any(_differ(shape) for shape in shapes) or any(
            each["type"] in _OBJECTS and _is_closed(each) for each in _schemas(schema)
        )
        self.hold_json = any(each["type"] == "json" for each in _schemas(schema))
        self.may_be_absent = any(_may_be_absent(shape) for shape in shapes)

    def put(self, value: object, dumped: object) -> object:
        """Return what was dumped of the value without aliases, with the names of validation."""
        return self._put(value, dumped, [self._root])

    def _put(self, value: object, dumped: object, declared: Collection[object]) -> object:
        if is_secret(value):
            return reveal(value) if dumped == _mask(value) else dumped  # else by a serializer
        shapes = [shape for schema in declared for shape in self._shapes(schema)]
        if isinstance(value, BaseModel) or (is_dataclass(value) and not isinstance(value, type)):
            return self._put_object(value, dumped, shapes)
        if isinstance(value, Mapping) and isinstance(dumped, dict):
            mapping = cast("Mapping[object, object]", value)
            return self._put_mapping(mapping, cast("dict[str, object]", dumped), shapes)
        if isinstance(value, Collection) and isinstance(dumped, list):
            values = cast("Collection[object]", value)
            return self._put_each(values, cast("list[object]", dumped), shapes)
        return dumped

    def _put_object(self, value: object, dumped: object, shapes: list[Schema]) -> object:
        objects = [shape for shape in shapes if shape["type"] in _OBJECTS]
        fitting = [shape for shape in objects if isinstance(value, shape["cls"])]
        if not fitting:  # nothing in particular was declared here
            return _names_of(type(value)).put(value, dumped)
        shape = next((each for each in fitting if each["cls"] is type(value)), fitting[0])
        if shape.get("root_model"):
            return self._put(getattr(value, "root", None), dumped, [shape["schema"]])
        fields = next((each for each in self._shapes(shape["schema"])), None)
        if fields is None or not isinstance(dumped, dict):  # by a serializer of the user's
            return dumped
        parts = cast("dict[str, object]", dumped)
        if _is_closed(shape):
            computed = {field["property_name"] for field in fields.get("computed_fields", ())}
            parts = {name: part for name, part in parts.items() if name not in computed}
        return self._put_fields(lambda name: getattr(value, name, None), parts, fields)

    def _put_mapping(
        self, value: Mapping[object, object], dumped: dict[str, object], shapes: list[Schema]
    ) -> object:
        typed = [shape for shape in shapes if shape["type"] == "typed-dict"]
        if typed:
            best = max(typed, key=lambda shape: len(_fields(shape).keys() & dumped.keys()))
            return self._put_fields(value.get, dumped, best)
        inner = [shape.get("values_schema") for shape in shapes]
        parts = self._put_all(value.values(), list(dumped.values()), inner)
        return dict(zip(dumped, parts, strict=True))

    def _put_each(
        self, value: Collection[object], dumped: list[object], shapes: list[Schema]
    ) -> list[object]:
        return self._put_all(value, dumped, [shape.get("items_schema") for shape in shapes])

    def _put_all(
        self, value: Collection[object], dumped: list[object], declared: Collection[object]
    ) -> list[object]:
        if len(value) != len(dumped):  # by a serializer of the user's
            return dumped
        pairs = zip(value, dumped, strict=True)
        return [self._put(each, part, declared) for each, part in pairs]

    def _put_fields(
        self, value_of: Callable[[str], object], dumped: dict[str, object], shape: Schema
    ) -> dict[str, object]:
        fields = _fields(shape)
        return {
            _name_read(name, fields.get(name, {})): self._put(
                value_of(name), part, [fields.get(name)]
            )
            for name, part in dumped.items()
        }

    def _shapes(self, part: object) -> Iterator[Schema]:
        """Yield what a value may look like, whatever unions and validators are around it."""
        if isinstance(part, Mapping):
            schema = cast("Schema", part)
            if schema.get("type") == "definition-ref":
                yield from self._shapes(self._referred.get(schema["schema_ref"]))
            elif schema.get("type") in _SHAPES:
                yield schema
            else:
                yield from (found for each in _inner(schema) for found in self._shapes(each))
        elif isinstance(part, (list, tuple)):
            parts = cast("Collection[object]", part)
            yield from (found for each in parts for found in self._shapes(each))


def _schemas(part: object) -> Iterator[Schema]:
    """Yield all schemas, at any depth."""
    if isinstance(part, Mapping):
        schema = cast("Schema", part)
        if isinstance(schema.get("type"), str):
            yield schema
        yield from (found for each in _inner(schema) for found in _schemas(each))
    elif isinstance(part, (list, tuple)):
        parts = cast("Collection[object]", part)
        yield from (found for each in parts for found in _schemas(each))


def _is_closed(shape: Schema) -> bool:
    """Tell whether validation refuses or keeps computed fields, where others leave them out."""
    return shape.get("config", {}).get("extra_fields_behavior") in ("forbid", "allow")


def _inner(schema: Schema) -> list[object]:
    """Return the parts that may be schemas; a mapping from names to schemas has no type."""
    if not isinstance(schema.get("type"), str):
        return list(schema.values())
    return [part for key, part in schema.items() if key not in _NO_SCHEMAS]


def _fields(shape: Schema) -> dict[str, Schema]:
    """Return the fields by name; those that are computed are only written."""
    declared: Mapping[str, Schema] | list[Schema] = shape["fields"]
    if isinstance(declared, list):  # of a dataclass
        declared = {field["name"]: field for field in declared}
    computed = {field["property_name"]: field for field in shape.get("computed_fields", ())}
    return {**declared, **computed}


def _differ(shape: Schema) -> bool:
    return any(
        _name_read(name, field) != field.get("serialization_alias", field.get("alias", name))
        for name, field in _fields(shape).items()
    )


def _may_be_absent(shape: Schema) -> bool:
    aliased = {name: field for name, field in _fields(shape).items() if "validation_alias" in field}
    is_typed_dict = shape["type"] == "typed-dict"
    return any(is_typed_dict or _name_read(name, aliased[name]) == name for name in aliased)


def _name_read(name: str, field: Schema) -> str:
    """Return what validation calls a field: the first name of several, as the schema does."""
    alias: str | list[object] = field.get("validation_alias", field.get("alias", name))
    if isinstance(alias, str):
        return alias
    paths = [cast("list[object]", path) for path in alias if isinstance(path, list)]
    return str(next((path[0] for path in paths if len(path) == 1), name))
