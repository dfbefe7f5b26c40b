"""What may be declared as a workflow's input. Checked when the workflow is defined."""

import dataclasses
from typing import get_origin


def check_validator(subject: str, validator: object) -> None:
    """Refuse a type whose values are no JSON objects; None stands for EmptyModel.

    Raises:
        ValueError: It is no pydantic model, dataclass, dict or TypedDict; `subject` is named.
    """
    declared = get_origin(validator) or validator
    if declared is None or (
        isinstance(declared, type)
        and (
            issubclass(declared, dict)  # a TypedDict too
            or dataclasses.is_dataclass(declared)
            or hasattr(declared, "model_validate")
        )
    ):
        return
    raise ValueError(
        f"{subject}: input_validator: {validator!r} is no pydantic model, dataclass, dict or "
        "TypedDict"
    )
