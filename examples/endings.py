"""Tasks that run at the end of a run, and the exceptions that a caller gets.

Run it with `python examples/endings.py`. It prints:

    ring-on-success: 12 rolls are ready
    the run failed in bake: OvenCold: it has 20 degrees
    the last order was cancelled
"""

from podhatch import Context, FailedTaskRunExceptionGroup, Hatchet, RunCancelled
from pydantic import BaseModel

hatchet = Hatchet()


class Order(BaseModel):
    rolls: int
    degrees: int = 220


class OvenCold(Exception):  # noqa: N818
    pass


bakery = hatchet.workflow(name="bakery", input_validator=Order)


@bakery.task()
def bake(input: Order, ctx: Context) -> int:
    if input.degrees < 200:
        raise OvenCold(f"it has {input.degrees} degrees")
    return input.rolls


@bakery.on_success_task(name="ring")
def ring(input: Order, ctx: Context) -> str:
    return f"{ctx.task_output(bake)} rolls are ready"


@bakery.on_failure_task(name="sign")
def sign(input: Order, ctx: Context) -> str:
    error = ctx.get_task_run_error(bake)
    return f"sorry, no rolls: {error.exc_type if error else 'who knows why'}"


if __name__ == "__main__":
    print("ring-on-success:", bakery.run(Order(rolls=12))["ring-on-success"])

    cold = bakery.run_no_wait(Order(rolls=12, degrees=20))
    try:
        cold.result()
    except FailedTaskRunExceptionGroup as group:
        for error in group.exceptions:
            print(f"the run failed in {error.task}: {error.exc_type}: {error.exc}")

    last = bakery.run_no_wait(Order(rolls=1))
    hatchet.runs.cancel(last.workflow_run_id)
    try:
        last.result()
    except RunCancelled:
        print("the last order was cancelled")
