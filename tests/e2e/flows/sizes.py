"""Values at the edge of what JSON and the API server keep, processes, and long errors."""

import json
import os
import sys

from podhatch import Context, EmptyModel, Hatchet
from pydantic import BaseModel, Json, SecretStr, computed_field

hatchet = Hatchet()


class Order(BaseModel, extra="forbid"):
    number: int
    token: SecretStr
    packed: Json[dict[str, int]]

    @computed_field
    @property
    def twice(self) -> int:
        return 2 * self.number


orders = hatchet.workflow(name="size-orders", input_validator=Order)


@orders.task()
def first(input: Order, ctx: Context) -> Order:
    return input.model_copy(update={"number": input.number + 1})


@orders.task(parents=[first])
def second(input: Order, ctx: Context) -> list[object]:
    order = ctx.task_output(first)
    return [order.number, order.token.get_secret_value(), order.packed]


@hatchet.task()
def fork(input: EmptyModel, ctx: Context) -> list[int]:
    codes: list[int] = []
    for ending in range(3):
        child = os.fork()
        if child == 0 and ending == 0:
            sys.exit(7)
        if child == 0 and ending == 1:
            raise ValueError("in the child")
        if child == 0:
            return []
        codes.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    return codes


emoji = hatchet.workflow(name="size-emoji")


def fail(input: EmptyModel, ctx: Context) -> None:
    raise ValueError("\N{GRINNING FACE}" * 5000)


for number in range(4):
    emoji.task(name=f"fail-{number}")(fail)


@emoji.on_failure_task(retries=20)
def mend(input: EmptyModel, ctx: Context) -> int:
    if len(ctx.task_run_errors) < 4:  # it starts with the first failure
        raise ValueError("not all have failed")
    return len(ctx.task_run_errors)


if __name__ == "__main__":
    if sys.argv[1] == "orders":
        order = Order(number=int(sys.argv[2]), token=SecretStr("word"), packed='{"a": 1}')  # type: ignore[arg-type]
        print(json.dumps(orders.run(order)["second"]))
    elif sys.argv[1] == "fork":
        print(fork.run())
    else:
        emoji.run()
