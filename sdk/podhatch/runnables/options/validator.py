"""What may be declared as a workflow's input. Checked when the workflow is defined."""

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
