"""A field that is compressed in inputs and outputs.

Run it with `python examples/compressed.py`. It prints:

    1000000 letters came back, all of them A
"""

import base64
import zlib
from typing import Annotated

from podhatch import Context, Hatchet, is_in_hatchet_serialization_context
from pydantic import (
    BaseModel,
    BeforeValidator,
    FieldSerializationInfo,
    PlainSerializer,
    ValidationInfo,
)

hatchet = Hatchet()


def pack(text: str, info: FieldSerializationInfo) -> str:
    if not is_in_hatchet_serialization_context(info.context):
        return text
    return base64.b64encode(zlib.compress(text.encode())).decode()


def unpack(text: str, info: ValidationInfo) -> str:
    if not is_in_hatchet_serialization_context(info.context):
        return text
    return zlib.decompress(base64.b64decode(text)).decode()


class Letter(BaseModel):
    text: Annotated[str, PlainSerializer(pack), BeforeValidator(unpack)]


@hatchet.task(name="shout", input_validator=Letter)
def shout(input: Letter, ctx: Context) -> Letter:
    return Letter(text=input.text.upper())


if __name__ == "__main__":
    # Four times the size limit of an input or an output.
    answer = shout.run(Letter(text="a" * 1_000_000))
    print(len(answer.text), "letters came back, all of them", *set(answer.text))
