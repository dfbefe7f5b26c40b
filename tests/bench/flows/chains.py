# ruff: noqa: E402 - when its first line runs is one of the things to know
"""What the latency benchmark runs, as a user would write it: one task, and a chain of five."""

import time

FIRST_LINE = time.time()

import os
from pathlib import Path

from podhatch import Context, EmptyModel, Hatchet

hatchet = Hatchet()
one = hatchet.workflow("one")
chain = hatchet.workflow("chain")


def process_start() -> float:
    """Return when this process was made, in seconds since 1970, to a hundredth."""
    ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    return time.time() - age


@one.task()
def only(input: EmptyModel, ctx: Context) -> dict[str, float]:
    return {"process": process_start(), "first line": FIRST_LINE}


@chain.task()
def first(input: EmptyModel, ctx: Context) -> int:
    return 1


@chain.task(parents=[first])
def second(input: EmptyModel, ctx: Context) -> int:
    return ctx.task_output(first) + 1


@chain.task(parents=[second])
def third(input: EmptyModel, ctx: Context) -> int:
    return ctx.task_output(second) + 1


@chain.task(parents=[third])
def fourth(input: EmptyModel, ctx: Context) -> int:
    return ctx.task_output(third) + 1


@chain.task(parents=[fourth])
def fifth(input: EmptyModel, ctx: Context) -> int:
    return ctx.task_output(fourth) + 1
