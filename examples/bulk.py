"""Starts many runs at once.

Run it with `python examples/bulk.py`. It prints:

    [1, 4, 9, 16, 25]
    36 and ValueError
"""

from podhatch import Context, FailedTaskRunExceptionGroup, Hatchet
from pydantic import BaseModel

hatchet = Hatchet()


class Number(BaseModel):
    n: int


@hatchet.task(name="square", input_validator=Number)
def square(input: Number, ctx: Context) -> int:
    if input.n < 0:
        raise ValueError("negative numbers are not asked for here")
    return input.n**2


if __name__ == "__main__":
    items = [square.create_bulk_run_item(Number(n=n)) for n in range(1, 6)]
    print(square.run_many(items))

    mixed = [
        square.create_bulk_run_item(Number(n=n), additional_metadata={"n": str(n)}) for n in (6, -1)
    ]
    good, bad = square.run_many(mixed, return_exceptions=True)
    assert isinstance(bad, FailedTaskRunExceptionGroup)
    print(good, "and", bad.exceptions[0].exc_type)
