"""Values to JSON text and back: inputs and outputs of tasks, on both sides of a pod.

Models and dataclasses are written under the names of their fields, and read under these names and
their aliases. Loads pydantic only when a value or a declared type needs it, since the runner starts
without.
"""

import dataclasses
import json
import sys
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from types import NoneType
from typing import TYPE_CHECKING, Any, cast, get_args, get_origin

from podhatch.errors import IllegalTaskOutputError, InvalidRun
from podhatch.values.hooks import CONTEXT
from podhatch.values.parsing import NOT_FINITE, Path, number_problems, path_text

if TYPE_CHECKING:
    from typing import TypeGuard

    from pydantic import BaseModel, TypeAdapter, ValidationError

    from podhatch.api.model import JsonObject

_PLAIN = (dict, list, str, int, float, bool, NoneType)


def dump_json(value: object) -> str:
    """Return compact JSON text of what is JSON, or what pydantic can make JSON of.

    Raises:
        TypeError: A value inside cannot be JSON.
        ValueError: A number inside is not finite, two keys are one in JSON, a value holds itself,
            or a text is not Unicode; where it can, the text says where.
    """
    try:
        text = _encoded(value)
    except TypeError:  # json takes no UUID, date or Enum as a key
        _check_keys(value)
        text = _encoded(_with_plain_keys(value))
    text.encode()
    _check_keys(value)
    if "NaN" in text or "Infinity" in text:
        for path, problem in number_problems(json.loads(text)):
            if problem.startswith(NOT_FINITE):
                raise ValueError(f"{path_text(path)}{problem}")
    return text


def dump_output(value: object) -> str | None:
    """Return a task's output as JSON text, or None when the task returned None."""
    return None if value is None else dump_result("the task's output", value)


def dump_result(subject: str, value: object) -> str:
    """Return what a function of the user returned as JSON text; `subject` is named in errors.

    Raises:
        IllegalTaskOutputError: It is not JSON.
    """
    try:
        return dump_json(value)
    except (TypeError, ValueError, RecursionError) as error:
        raise IllegalTaskOutputError(
            f"{subject} is not JSON: {error}; return JSON values, a pydantic model or a dataclass"
        ) from None


def load_value(
    text: str,
    declared: object,
    misfit: str = "the output is not what the task declares to return",
) -> object:
    """Return the value of JSON text, validated to the declared type unless that is None.

    Raises:
        IllegalTaskOutputError: It does not fit: `misfit`, and the fields.
    """
    if declared is None:
        return json.loads(text)
    if isinstance(declared, type) and declared in _PLAIN:
        value = json.loads(text)
        if isinstance(value, declared) and not isinstance(value, bool):
            return cast("object", value)
    from pydantic import ValidationError

    try:
        return validated(text, declared)
    except ValidationError as error:
        raise IllegalTaskOutputError(f"{misfit}: {describe(error)}") from None


def validate_input(raw: "JsonObject", validator: object) -> object:
    """Return a run's input, a JSON object, as what the workflow declares it to be.

    Raises:
        InvalidRun: The input does not fit; the text names the fields.
    """
    if is_any_object(validator):
        return raw
    from pydantic import ValidationError

    try:
        return validated(json.dumps(raw), validator)
    except ValidationError as error:
        raise InvalidRun(f"the input does not fit: {describe(error)}") from None


def validated(text: str, declared: object) -> object:
    """Return the value of JSON text as the declared type reads it, or raise ValidationError."""
    return adapter(declared).validate_json(text, context=CONTEXT, by_alias=True, by_name=True)


def dump(declared: object, value: object) -> object:
    """Return a value of a declared type as JSON values, under the names of its fields.

    A secret is dumped as what it holds: it is the user's own data on its way to a task.

    Raises:
        ValueError: Something inside cannot be JSON.
    """
    dumped = adapter(declared).dump_python(
        value,
        mode="json",
        by_alias=False,
        round_trip=_needs_round_trip(declared),
        context=dict(CONTEXT),
    )
    secrets = list(_secrets(value))
    if not secrets:
        return dumped
    reached: set[int] = set()
    revealed = _revealed(value, dumped, reached)
    text = json.dumps(revealed)
    for path, secret in secrets:
        if id(secret) not in reached and (mask := _mask(secret)) and mask in text:
            raise ValueError(
                f"{path_text(path)}this secret would not arrive as it is: pass a string"
            )
    return revealed


@lru_cache(maxsize=1024)
def adapter(declared: object) -> "TypeAdapter[object]":
    """Return pydantic's adapter of a declared type."""
    from pydantic import TypeAdapter

    return TypeAdapter(cast("type[object]", declared))


def describe(error: "ValidationError") -> str:
    """Return pydantic's findings in one line: `items.0.price: Field required; ...`."""
    findings = error.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(str(part) for part in finding['loc']) or 'value'}: {finding['msg']}"
        for finding in findings
    )


def is_any_object(validator: object) -> bool:
    """Tell whether a declared input is any JSON object: `dict` or `dict[str, Any]`."""
    if get_origin(validator) is dict:
        return get_args(validator) in ((str, Any), (str, object))
    return validator is dict


def _encoded(value: object) -> str:
    return json.dumps(value, default=_dump_part, ensure_ascii=False, separators=(",", ":"))


def _dump_part(value: object) -> object:
    """Return what stands for a value that json does not know."""
    if _is_model(value) or (dataclasses.is_dataclass(value) and not isinstance(value, type)):
        return dump(type(value), value)
    if isinstance(value, (set, frozenset, deque)):
        return list(cast("set[object]", value))
    return _plain(value)


def _check_keys(value: object, path: Path = ()) -> None:
    """Raise ValueError for what would have one key twice in JSON: `{1: ..., "1": ...}`."""
    if isinstance(value, Mapping):
        mapping = cast("Mapping[object, object]", value)
        texts: dict[str, object] = {}
        for key in mapping if any(not isinstance(key, str) for key in mapping) else ():
            other = texts.setdefault(_key_text(key), key)
            if other is not key:
                raise ValueError(f"{path_text(path)}the keys {other!r} and {key!r} are one in JSON")
    for part, held in parts_of(cast("object", value)):
        _check_keys(held, (*path, part))


def parts_of(value: object) -> Iterator[tuple[str | int, object]]:
    """Yield what a value holds that may hold something in turn, each with its key or index."""
    parts: Iterable[tuple[object, object]] = ()
    if isinstance(value, Mapping):
        parts = [*cast("Mapping[object, object]", value).items()]
    elif isinstance(value, (list, tuple, set, frozenset, deque)):
        parts = enumerate(cast("Iterable[object]", value))
    elif _is_model(value):
        extra: dict[object, object] = getattr(value, "__pydantic_extra__", None) or {}
        parts = [*value.__dict__.items(), *extra.items()]
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        parts = [(each.name, getattr(value, each.name, None)) for each in dataclasses.fields(value)]
    for part, held in parts:
        if held is not None and not isinstance(held, (str, int, float, bytes)):
            yield part if isinstance(part, int) else str(part), held


def _key_text(key: object) -> str:
    """Return how JSON writes a key."""
    if isinstance(key, str):
        return str.__str__(key)
    if key is None or isinstance(key, (bool, int, float)):
        return json.dumps(key)
    return str(_plain_key(key))


@lru_cache(maxsize=1024)
def _needs_round_trip(declared: object) -> bool:
    """Tell whether validation could not read a plain dump.

    It cannot read the content of a `Json[...]`, nor computed fields of a model that refuses extra
    fields or keeps them.
    """
    known = adapter(declared)
    # For models with defer_build; a type that cannot be built raises where it is used.
    known.rebuild(raise_errors=False)
    schemas = [*_schemas(known.core_schema)]
    closed = any(
        each.get("config", {}).get("extra_fields_behavior") in ("forbid", "allow")
        for each in schemas
    )
    return any(
        each["type"] == "json" or (closed and each.get("computed_fields")) for each in schemas
    )


def _schemas(part: object) -> Iterator[Mapping[str, Any]]:
    """Yield all parts of a pydantic schema that are schemas, at any depth."""
    if isinstance(part, Mapping):
        schema = cast("Mapping[str, Any]", part)
        if isinstance(schema.get("type"), str):
            yield schema
        for key, inner in schema.items():
            if key not in ("config", "default", "metadata"):
                yield from _schemas(inner)
    elif isinstance(part, (list, tuple)):
        for inner in cast("Iterable[object]", part):
            yield from _schemas(inner)


def _secrets(value: object, path: Path = ()) -> Iterator[tuple[Path, object]]:
    """Yield the secrets inside, each with its path."""
    if _is_secret(value):
        yield path, value
    else:
        for part, held in parts_of(value):
            yield from _secrets(held, (*path, part))


def _revealed(value: object, dumped: object, reached: set[int]) -> object:
    """Return what was dumped of a value, with what secrets hold in place of pydantic's asterisks.

    `reached` gets the ids of the secrets that were found.
    """
    if _is_secret(value):
        reached.add(id(value))
        return _content(value) if dumped == _mask(value) else dumped  # else by a serializer
    if _is_model(value) and type(value).__pydantic_root_model__:
        return _revealed(value.__dict__["root"], dumped, reached)
    if isinstance(dumped, dict):
        parts = cast("dict[str, object]", dumped)
        if not isinstance(value, Mapping):
            values = [getattr(value, name, None) for name in parts]
        else:
            values = list(cast("Mapping[object, object]", value).values())
        if len(values) != len(parts):  # a serializer has added or dropped entries
            return parts
        held = zip(parts.items(), values, strict=True)
        return {name: _revealed(each, part, reached) for (name, part), each in held}
    if isinstance(dumped, list) and isinstance(value, Collection):
        items, each_item = cast("list[object]", dumped), cast("Collection[object]", value)
        if len(items) == len(each_item):
            pairs = zip(each_item, items, strict=True)
            return [_revealed(each, part, reached) for each, part in pairs]
    return cast("object", dumped)


def _is_secret(value: object) -> bool:
    """Tell whether a value is one that pydantic writes as asterisks."""
    if "pydantic" not in sys.modules:
        return False
    from pydantic import Secret, SecretBytes, SecretStr

    return isinstance(value, (SecretStr, SecretBytes, Secret))


def _content(secret: object) -> object:
    """Return what a secret holds, as JSON; raise ValueError for bytes that are not UTF-8."""
    from pydantic_core import to_jsonable_python

    held: object = cast("Any", secret).get_secret_value()
    try:
        return to_jsonable_python(held, context=dict(CONTEXT))
    except ValueError as error:
        raise ValueError(f"a {type(secret).__name__} cannot be JSON: {error}") from None


def _mask(secret: object) -> str:
    """Return what pydantic writes in place of a secret: asterisks, unless its class says else."""
    from pydantic_core import to_jsonable_python

    return str(to_jsonable_python(secret))


def _is_model(value: object) -> "TypeGuard[BaseModel]":
    if "pydantic" not in sys.modules:  # then it can be none
        return False
    from pydantic import BaseModel

    return isinstance(value, BaseModel)


def _plain(value: object) -> object:
    """Return what pydantic makes of a date, Decimal, UUID, Enum and so on."""
    from pydantic_core import to_jsonable_python

    if _is_secret(value):
        return _content(value)
    try:
        if not isinstance(value, Iterator):  # it could be read once only
            return to_jsonable_python(value, context=dict(CONTEXT))
    except (TypeError, ValueError):
        pass
    raise TypeError(f"it holds an object of type {type(cast('object', value)).__qualname__}")


def _with_plain_keys(value: object) -> object:
    if isinstance(value, dict):
        pairs = cast("dict[object, object]", value).items()
        return {_plain_key(key): _with_plain_keys(each) for key, each in pairs}
    if isinstance(value, (list, tuple)):
        return [_with_plain_keys(each) for each in cast("list[object]", value)]
    return value


def _plain_key(key: object) -> object:
    if key is None or isinstance(key, (str, int, float)):
        return key
    if isinstance(key, tuple):  # pydantic would write what it cannot read
        raise TypeError("it holds a dict with a tuple as a key")
    [plain] = cast("dict[str, None]", _plain({key: None}))
    return plain
