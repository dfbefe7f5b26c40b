"""Workflows whose outcome is the same with and without a cluster; a script that prints all of them.

The argument says how: `cluster`, `threads` or `processes`.
"""

import json
import sys
from collections.abc import Mapping
from contextlib import nullcontext
from datetime import timedelta
from typing import Annotated, Any, cast

from podhatch import (
    Context,
    Hatchet,
    NonRetryableException,
    ParentCondition,
    SleepCondition,
    or_,
)
from podhatch.errors import FailedTaskRunExceptionGroup, RunCancelled
from podhatch.task.dependencies import Depends
from pydantic import BaseModel

hatchet = Hatchet()


class Words(BaseModel):
    words: list[str] = []


fan = hatchet.workflow("Fan out & in", input_validator=Words)


@fan.task()
def count(input: Words, ctx: Context) -> int:
    return len(input.words)


@fan.task(parents=[count])
async def double(input: Words, ctx: Context) -> int:
    return 2 * ctx.task_output(count)


@fan.task(parents=[count])
def nothing(input: Words, ctx: Context) -> None:
    return None


@fan.task(parents=[double, nothing])
def gathered(input: Words, ctx: Context) -> dict[str, Any]:
    return {
        "double": ctx.task_output(double),
        "nothing": ctx.task_output(nothing),
        "metadata": ctx.additional_metadata,
        "who": [ctx.workflow_name, ctx.task_name, ctx.attempt_number, ctx.max_attempts],
    }


@fan.on_success_task()
def done(input: Words, ctx: Context) -> str:
    return f"done with {ctx.task_output(gathered)['double']}"


choice = hatchet.workflow("choice")


@choice.task()
def first(input: Any, ctx: Context) -> dict[str, int]:
    return {"n": 1}


@choice.task(parents=[first], skip_if=[ParentCondition(first, "output.n == 1")])
def skipped(input: Any, ctx: Context) -> None:
    raise AssertionError


@choice.task(parents=[skipped])
def below_skipped(input: Any, ctx: Context) -> None:
    raise AssertionError


@choice.task(parents=[first, skipped], wait_for=[or_(SleepCondition(timedelta(seconds=1)))])
def after_all(input: Any, ctx: Context) -> bool:
    return ctx.was_skipped(skipped)


cancelling = hatchet.workflow("cancelling")


@cancelling.task()
def judge(input: Any, ctx: Context) -> dict[str, bool]:
    return {"stop": True}


@cancelling.task(parents=[judge], cancel_if=[ParentCondition(judge, "output.stop")])
def judged(input: Any, ctx: Context) -> None:
    raise AssertionError


@cancelling.task(parents=[judged])
def below_judged(input: Any, ctx: Context) -> None:
    raise AssertionError


failing = hatchet.workflow("failing")


@failing.task(retries=2, backoff_factor=1.0)
def third_time(input: Any, ctx: Context) -> int:
    if ctx.retry_count < 2:
        raise OSError("not yet")
    return ctx.attempt_number


@failing.task(retries=5)
def hopeless(input: Any, ctx: Context) -> None:
    raise NonRetryableException("no use")


@failing.task(parents=[third_time, hopeless])
def never(input: Any, ctx: Context) -> None:
    raise AssertionError


@failing.task(retries=1, execution_timeout=timedelta(seconds=0.5))
async def slow(input: Any, ctx: Context) -> None:
    import asyncio

    await asyncio.sleep(60)


@failing.task()
def not_json(input: Any, ctx: Context) -> Any:
    return {"when": object}


@failing.on_failure_task()
def mourn(input: Any, ctx: Context) -> list[str]:
    return sorted(ctx.task_run_errors)


large = hatchet.workflow("large", input_validator=Words)


@large.task()
def long_output(input: Words, ctx: Context) -> str:
    return "ä$(HOME)" * 1000


@large.task(parents=[long_output])
def lengths(input: Words, ctx: Context) -> list[int]:
    return [len(input.words[0]), len(ctx.task_output(long_output))]


@hatchet.task()
def child(input: Any, ctx: Context) -> dict[str, Any]:
    return {"metadata": ctx.additional_metadata, "index": ctx.child_index}


def unit(input: Any, ctx: Context) -> str:
    return "children"


@hatchet.task()
def parent(input: Any, ctx: Context, word: Annotated[str, Depends(unit)]) -> dict[str, Any]:
    return {word: [child.run(), child.run(additional_metadata={"own": "yes"})]}


CASES: Mapping[str, tuple[Any, Any]] = {
    "fan": (fan, Words(words=["a", "b", "c"])),
    "choice": (choice, None),
    "cancelling": (cancelling, None),
    "failing": (failing, None),
    "large": (large, Words(words=["x" * 40_000])),
    "parent": (parent, None),
}


def outcome(name: str) -> dict[str, Any]:
    """Run one, and return what is the same wherever it runs."""
    workflow, given = CASES[name]
    reference = workflow.run_no_wait(given, additional_metadata={"case": name})
    told: dict[str, Any] = {}
    try:
        told["result"] = _short(reference.result())
    except FailedTaskRunExceptionGroup as group:
        told["errors"] = {each.task: [each.exc_type, each.exc] for each in group.exceptions}
        told["traces"] = sorted(each.task for each in group.exceptions if each.trace)
    except RunCancelled as error:
        told["cancelled"] = str(error).partition(": ")[2]
    return told | _status(reference.workflow_run_id)


def _short(result: Any) -> Any:
    if isinstance(result, dict):
        values = cast("dict[str, Any]", result)
        return {name: _short(value) for name, value in values.items()}
    return f"{len(result)} characters" if isinstance(result, str) and len(result) > 99 else result


def _status(name: str) -> dict[str, Any]:
    from podhatch.client import background_loop
    from podhatch.client.sessions import session_of

    async def get() -> dict[str, Any]:
        return await (await session_of(fan.target)).get_run(name)

    status = background_loop.wait(get())["status"]
    tasks: list[dict[str, Any]] = status["tasks"]
    return {
        "phase": status["phase"],
        "tasks": {
            task["name"]: [
                task["state"],
                task.get("reason"),
                task.get("attempt", 0),
                [record["reason"] for record in task.get("attempts", [])],
            ]
            for task in tasks
        },
    }


def main(how: str) -> None:
    """Print the outcome of each case."""
    if how == "cluster":
        where = nullcontext()
    else:
        from podhatch.local.options import LocalOptions
        from podhatch.local.session import local_runs

        where = local_runs(LocalOptions(processes=how == "processes"))
    with where:
        print(json.dumps({name: outcome(name) for name in CASES}))


if __name__ == "__main__":
    main(sys.argv[1])
