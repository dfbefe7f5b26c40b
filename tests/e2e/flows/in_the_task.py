"""A user's program: what a task gets by its definition. Prints the result and the run's name."""

import logging
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from typing import Annotated

from podhatch import ClientConfig, Context, Depends, Hatchet, is_in_hatchet_serialization_context
from pydantic import BaseModel, SerializationInfo, ValidationInfo, field_serializer, field_validator

logger = logging.getLogger("letters")
logger.setLevel(logging.INFO)
hatchet = Hatchet(config=ClientConfig(logger=logger))


class Letter(BaseModel):
    text: str

    @field_serializer("text")
    def pack(self, text: str, info: SerializationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text

    @field_validator("text")
    @classmethod
    def unpack(cls, text: str, info: ValidationInfo) -> str:
        return text[::-1] if is_in_hatchet_serialization_context(info.context) else text


def stamp(input: Letter, ctx: Context) -> Generator[str]:
    print("stamp taken")
    yield f"[{ctx.task_name}]"
    print("stamp put back")


@asynccontextmanager
async def envelope(
    input: Letter, ctx: Context, stamp: Annotated[str, Depends(stamp)]
) -> AsyncGenerator[str]:
    print("envelope opened")
    yield f"{stamp}{{}}"
    print("envelope closed")


@hatchet.task(input_validator=Letter)
def send(input: Letter, ctx: Context, envelope: Annotated[str, Depends(envelope)]) -> Letter:
    logger.info("sends %s", input.text)
    try:
        raise ValueError("out of ink")
    except ValueError:
        logger.exception("no signature")
    return Letter(text=envelope.format(input.text) + "\x00")


if __name__ == "__main__":
    run = send.run_no_wait(Letter(text="abc"))
    print(repr(run.result().text))
    print(run.workflow_run_id)
