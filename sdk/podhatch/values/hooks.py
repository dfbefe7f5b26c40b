"""What users' models and outputs may need of serialization, under the names the Hatchet SDK has."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar, cast

T = TypeVar("T")

CONTEXT: Mapping[str, object] = MappingProxyType({"is_hatchet_serialization_context": True})
"""Pydantic's context in every dump and validation of inputs and outputs that podhatch does."""


def is_in_hatchet_serialization_context(context: object) -> bool:
    """Tell whether podhatch itself dumps or validates an input or output, client or pod.

    For validators and serializers of pydantic models that compress or encrypt a field on its way:
    they compress when `is_in_hatchet_serialization_context(info.context)`, and leave the field
    alone when the user's own code dumps the model.

    Args:
        context: `info.context` of pydantic's ValidationInfo or SerializationInfo.
    """
    return isinstance(context, Mapping) and CONTEXT.items() <= context.items()


def remove_null_unicode_character(data: T, replacement: str = "") -> T:
    r"""Return a text, or texts anywhere in dicts, lists and tuples, without `\u0000`.

    Outputs need not be without it here; this is for what else they are written to, such as
    PostgreSQL, and for code that was written for Hatchet.

    Args:
        data: A text, dict, list or tuple; anything else is returned as it is.
        replacement: What stands in place of each.
    """
    return cast("T", _cleaned(data, replacement))


def _cleaned(data: object, replacement: str) -> object:
    if isinstance(data, str):
        return data.replace("\u0000", replacement)
    if isinstance(data, dict):
        pairs = cast("dict[object, object]", data).items()
        return {_cleaned(key, replacement): _cleaned(each, replacement) for key, each in pairs}
    if isinstance(data, (list, tuple)):
        each_cleaned = [_cleaned(each, replacement) for each in cast("list[object]", data)]
        return each_cleaned if isinstance(data, list) else tuple(each_cleaned)
    return data
