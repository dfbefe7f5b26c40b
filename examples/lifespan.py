"""A lifespan: setup and cleanup in each pod of a worker's tasks.

In two terminals:

    python examples/lifespan.py
    python examples/lifespan.py run

The second prints:

    {"ask": "42 rows"}
"""

import json
import sqlite3
import sys
from collections.abc import AsyncGenerator
from typing import cast

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()

census = hatchet.workflow(name="census")


async def lifespan() -> AsyncGenerator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:")
    connection.execute("create table people (id integer)")
    connection.executemany("insert into people values (?)", [(n,) for n in range(42)])
    yield connection  # the value of ctx.lifespan
    connection.close()  # after the task


@census.task()
def ask(input: EmptyModel, ctx: Context) -> str:
    database = cast("sqlite3.Connection", ctx.lifespan)
    (count,) = database.execute("select count(*) from people").fetchone()
    return f"{count} rows"


if __name__ == "__main__":
    if sys.argv[1:] == ["run"]:
        print(json.dumps(census.run()))
    else:
        hatchet.worker("census-taker", workflows=[census], lifespan=lifespan).start()
