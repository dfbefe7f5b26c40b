"""A user's program: a task that starts itself without end."""

from podhatch import Context, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Level(BaseModel):
    n: int


@hatchet.task(name="deeper", input_validator=Level)
def deeper(input: Level, ctx: Context) -> int:
    deeper.run_no_wait(Level(n=input.n + 1))
    return input.n


if __name__ == "__main__":
    print(deeper.run(Level(n=0)))
