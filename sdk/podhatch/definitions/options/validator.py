"""What may be declared as a workflow's input, and as a task's output.

An input is checked when the workflow is defined, outputs when it is written out, since that asks
pydantic.
"""

import dataclasses
from typing import cast, get_origin


def check_validator(subject: str, validator: object) -> None:
    """Refuse a type whose values are no JSON objects; None stands for EmptyModel.

    Raises:
        ValueError: It is no pydantic model, dataclass, dict or TypedDict; `subject` is named.
    """
    declared: object = get_origin(validator) or validator
    fits = validator is None or (
        isinstance(declared, type)
        and (
            issubclass(declared, dict)  # a TypedDict too
            or dataclasses.is_dataclass(cast("object", declared))
            or hasattr(cast("object", declared), "model_validate")
        )
    )
    if fits:
        return
    raise ValueError(
        f"{subject}: input_validator: {validator!r} is no pydantic model, dataclass, dict or "
        "TypedDict"
    )


def check_output(subject: str, declared: object) -> None:
    """Refuse a return type that no output could be validated to; None stands for any JSON.

    Raises:
        ValueError: pydantic does not know such a type; `subject` is named.
    """
    if declared is None:
        return
    from pydantic.errors import PydanticUndefinedAnnotation, PydanticUserError

    from podhatch.values.codec import adapter

    try:
        adapter(declared)
    except (PydanticUserError, PydanticUndefinedAnnotation) as error:
        told = error.message.partition(". Set `arbitrary")[0].rstrip(".")
        raise ValueError(
            f"{subject}: its return type {declared!r} is none that an output could be: {told}. "
            "Return JSON values, a pydantic model or a dataclass, or declare Any"
        ) from None
