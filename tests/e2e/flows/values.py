"""A user's program: one task that returns what it is asked for. The argument is JSON or a word."""

import json
import sys
import time
from dataclasses import dataclass
from datetime import date
from typing import Any

from podhatch import Context, Hatchet
from pydantic import BaseModel, Field

hatchet = Hatchet()


class Wish(BaseModel):
    kind: str = Field(serialization_alias="wishedKind")
    value: Any = None


class Answer(BaseModel):
    number: int = Field(serialization_alias="answeredNumber")
    words: list[str]


@dataclass
class Point:
    x: float
    y: float


@hatchet.task(input_validator=Wish)
def any_value(input: Wish, ctx: Context) -> Any:
    if input.kind == "large":
        return "x" * input.value
    if input.kind == "not JSON":
        return {"when": float("nan")}
    if input.kind == "error":
        raise ValueError(f"no such thing as {input.value}")
    return input.value


@hatchet.task(input_validator=Wish)
def model(input: Wish, ctx: Context) -> Answer:
    return Answer(number=input.value, words=[ctx.workflow_name, ctx.task_name])


@hatchet.task(input_validator=Wish)
def dates(input: Wish, ctx: Context) -> dict[date, set[date]]:
    day = date.fromisoformat(input.value)
    return {day: {day}}


@hatchet.task(input_validator=Wish)
async def point(input: Wish, ctx: Context) -> Point:
    return Point(input.value, float(ctx.attempt_number))


@hatchet.task(input_validator=Wish, cluster_access=False)
def without_access(input: Wish, ctx: Context) -> Any:
    return "x" * input.value if input.kind == "large" else input.value


@hatchet.task(input_validator=Wish, execution_timeout="500ms")
def endless(input: Wish, ctx: Context) -> None:
    time.sleep(600)


STANDALONES = {
    item.name: item for item in (any_value, model, dates, point, without_access, endless)
}

if __name__ == "__main__":
    name, kind, value = sys.argv[1:]
    output = STANDALONES[name].run(Wish(kind=kind, value=json.loads(value)))
    text = repr(output)
    print(text if len(text) < 1000 else f"{len(text) - 2} characters")
