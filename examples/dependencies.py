"""Dependencies of tasks, created before the task and cleaned up after it.

Run it with `python examples/dependencies.py`. It prints:

    {"greeting": "Hello, Ada!", "rows": 2}
"""

import json
import sqlite3
from collections.abc import Generator
from contextlib import contextmanager
from typing import Annotated

from podhatch import Context, Depends, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Visitor(BaseModel):
    name: str


def salutation(input: Visitor, ctx: Context) -> str:
    return "Hello"


@contextmanager
def database(input: Visitor, ctx: Context) -> Generator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table visits (name text)")
    connection.execute("insert into visits values ('Grace')")
    yield connection
    connection.close()  # after the task


async def visits(
    input: Visitor, ctx: Context, db: Annotated[sqlite3.Connection, Depends(database)]
) -> sqlite3.Cursor:
    db.execute("insert into visits values (?)", [input.name])
    return db.execute("select name from visits")


@hatchet.task(name="welcome", input_validator=Visitor)
async def welcome(
    input: Visitor,
    ctx: Context,
    word: Annotated[str, Depends(salutation)],
    rows: Annotated[sqlite3.Cursor, Depends(visits)],
) -> dict[str, object]:
    return {"greeting": f"{word}, {input.name}!", "rows": len(rows.fetchall())}


if __name__ == "__main__":
    print(json.dumps(welcome.run(Visitor(name="Ada"))))
