"""Checks JSON Schemas, and inputs of runs against them, in this process: see `evaluate.py`.

A schema's references to other documents are not followed, and its regular expressions are not
evaluated: the task's pod checks the input again.
"""

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, cast

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import ValidationError
from jsonschema.validators import extend  # pyright: ignore[reportUnknownVariableType]
from referencing import Registry, Resource
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from podhatch.api.model import JsonObject
from podhatch.core.expressions.evaluation import Answer

MAX_PROBLEMS = 5
_MAX_MESSAGE = 300
_MAX_PROBLEM = 600
_ONE_IN_PLACE = ("not", "if", "then", "else")
_MANY_IN_PLACE = ("allOf", "anyOf", "oneOf")
"""Keywords whose schemas apply to the same value, not to a part of it."""


def _pass(*_: object) -> Iterator[ValidationError]:
    return iter(())


# The library does not say what `extend` returns: the given class with these keywords replaced.
_validator_class = cast(
    "type[Any]", extend(Draft202012Validator, {"pattern": _pass, "patternProperties": _pass})
)


def schema_answer(text: str, values: bytes | None) -> Answer:
    """Return why this is not a JSON Schema or, for an input, where it does not fit the schema.

    Args:
        text: the schema as JSON.
        values: JSON object that holds the input; None only checks the schema.
    """
    schema: JsonObject = json.loads(text)
    try:
        if values is None:
            problems = _schema_problems(schema)
        else:
            problems = _misfits(json.loads(values.decode(errors="surrogatepass"))["input"], schema)
    except Unresolvable as error:
        problems = [f"spec.inputSchema: a reference leads out of the schema: {error}"]
    except RecursionError:
        problems = ["spec.inputSchema: it is nested, or refers to itself, too deeply"]
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        problems = [f"spec.inputSchema: cannot be evaluated: {error}"]
    return Answer(holds=not problems, problems=tuple(each[:_MAX_PROBLEM] for each in problems))


def _schema_problems(schema: JsonObject) -> list[str]:
    try:
        Draft202012Validator.check_schema(schema)
    except SchemaError as error:
        return [f"spec.inputSchema{_path(error)}: {error.message[:_MAX_MESSAGE]}"]
    circle = _endless_reference(schema)
    return [circle] if circle else []


def _misfits(value: JsonObject, schema: JsonObject) -> list[str]:
    """Return at most five sentences, each with its field."""
    validator = _validator_class(schema, registry=Registry[JsonObject]())
    errors = cast("Iterator[ValidationError]", validator.iter_errors(value))
    found = islice(errors, MAX_PROBLEMS)
    return sorted(f"spec.input{_path(each)}: {each.message[:_MAX_MESSAGE]}" for each in found)


def _path(error: ValidationError | SchemaError) -> str:
    parts = cast("Iterable[str | int]", error.absolute_path)
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts)


def _endless_reference(schema: JsonObject) -> str | None:
    """Return a problem if a reference leads back to itself within the same value.

    A schema of trees refers to itself for parts of the value, and ends where the value ends.
    """
    references = _References()
    resource = Resource[Any](contents=schema, specification=DRAFT202012)
    references.parts.append((schema, Registry[Any]().resolver_with_root(resource)))
    while references.parts:
        if found := references.endless(*references.parts.pop()):
            return (
                f"spec.inputSchema: the reference {found!r} leads back to itself and would be "
                "followed for ever: refer to it from properties or items only"
            )
    return None


class _References:
    """Follows a schema's references from place to place."""

    def __init__(self) -> None:
        self.parts: list[tuple[Any, Any]] = []
        """Schemas of parts of the value that are checked next, each with its resolver."""
        self._open: set[int] = set()
        self._done: set[int] = set()

    def endless(self, schema: Any, resolver: Any) -> str | None:
        if not isinstance(schema, dict) or id(cast("object", schema)) in self._done:
            return None
        known = cast("JsonObject", schema)
        here = resolver.in_subresource(DRAFT202012.create_resource(known))
        self._open.add(id(known))
        for target, inner, reference in self._in_place(known, here):
            if id(target) in self._open:
                return reference
            if found := self.endless(target, inner):
                return found
        self._open.discard(id(known))
        self._done.add(id(known))
        self.parts += [(part, here) for part in _of_parts(known)]
        return None

    def _in_place(self, schema: JsonObject, resolver: Any) -> Iterator[tuple[Any, Any, str]]:
        for reference in (schema.get("$ref"), schema.get("$dynamicRef")):
            if isinstance(reference, str):
                try:
                    found = resolver.lookup(reference)
                except Unresolvable:
                    continue  # reported for inputs that are checked against it
                yield found.contents, found.resolver, reference
        schemas = [schema.get(name) for name in _ONE_IN_PLACE]
        schemas += [each for name in _MANY_IN_PLACE for each in schema.get(name, ())]
        schemas += schema.get("dependentSchemas", {}).values()
        for each in schemas:
            yield each, resolver, ""


def _of_parts(schema: JsonObject) -> Iterator[Any]:
    yield from schema.get("properties", {}).values()
    yield from schema.get("prefixItems", ())
    for name in ("items", "contains", "additionalProperties", "propertyNames"):
        yield schema.get(name)
    for name in ("unevaluatedItems", "unevaluatedProperties"):
        yield schema.get(name)
