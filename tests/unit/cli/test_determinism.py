"""Calls of durable tasks that give another result when the task is invoked again."""

import asyncio
import datetime as dates
import os
import random
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import choice
from time import time as seconds
from typing import Any

import pytest
from podhatch import DurableContext
from podhatch.cli.commands import app
from podhatch.cli.errors import ExitCode
from podhatch.cli.lint.determinism import suspects
from typer.testing import CliRunner


def messages(fn: Callable[..., object]) -> list[str]:
    return [each.message for each in suspects(fn)]


async def times(input: Any, ctx: DurableContext) -> list[object]:
    later = datetime.now(UTC) + timedelta(hours=1)
    return [later, dates.datetime.now(), date.today(), time.time(), seconds()]  # noqa: DTZ005, DTZ011


async def chances(input: Any, ctx: DurableContext) -> list[object]:
    if random.random() < 0.5:
        return [choice([1, 2]), random.randint(1, 6)]
    return [uuid.uuid4(), secrets.token_hex(), secrets.choice("ab"), os.urandom(3)]


async def sleeps(input: Any, ctx: DurableContext) -> None:
    time.sleep(1)  # noqa: ASYNC251
    await asyncio.sleep(60)
    await asyncio.sleep(0)


def test_the_time_of_an_invocation_is_found():
    found = messages(times)
    assert [each.partition("(")[0] for each in found] == [
        "datetime.now",
        "dates.datetime.now",
        "date.today",
        "time.time",
        "seconds",
    ]
    assert found[0] == (
        "datetime.now() in a durable task: it gives another time when the task is invoked again: "
        "await ctx.aio_now()"
    )


def test_randomness_is_found():
    found = messages(chances)
    assert [each.partition("(")[0] for each in found] == [
        "random.random",
        "choice",
        "random.randint",
        "uuid.uuid4",
        "secrets.token_hex",
        "secrets.choice",
        "os.urandom",
    ]
    assert found[0].endswith("invoked again: call it in ctx.aio_memo(function)")


def test_a_sleep_that_is_not_in_the_log_is_found():
    assert [each.partition("(")[0] for each in messages(sleeps)] == ["time.sleep", "asyncio.sleep"]


async def hurries(input: Any, ctx: DurableContext) -> None:
    async with asyncio.timeout(60):
        await ctx.aio_sleep_for("1h")
    await asyncio.wait_for(ctx.aio_wait_for_event("paid"), 60)


def test_a_timeout_that_counts_in_one_pod_is_found():
    found = messages(hurries)
    assert [each.partition("(")[0] for each in found] == ["asyncio.timeout", "asyncio.wait_for"]
    assert found[0].endswith("await ctx.aio_wait_for() with or_() and a SleepCondition")


class Dice:
    def random(self) -> int:
        return 4


async def fine(input: Any, ctx: DurableContext) -> object:
    def roll() -> float:
        return random.random() + time.time()

    async def fetch() -> str:
        await asyncio.sleep(1)
        return str(uuid.uuid4())

    random_name, started = Dice(), time.monotonic()
    number = await ctx.aio_memo(roll)
    other = await ctx.aio_memo(lambda: secrets.token_hex())
    text = await ctx.aio_memo(fetch)
    day = await ctx.aio_memo(date.today)
    parsed = datetime.fromisoformat("2026-01-01") - timedelta(days=uuid.UUID(text).int % 7)
    return number, other, day, parsed, random_name.random(), time.monotonic() - started


async def shadowed(input: Any, ctx: DurableContext, time: Any = None) -> object:
    uuid = Dice()
    return time.time(), uuid.random()


def test_what_a_memo_calls_and_what_has_only_the_name_is_not_found():
    assert messages(fine) == messages(shadowed) == []


def test_code_without_a_source_is_not_judged():
    made: dict[str, Any] = {"time": time}
    exec("async def f(input, ctx):\n    return time.time()\n", made)
    assert messages(made["f"]) == messages(len) == []


FLOWS = """
import random
import time

from podhatch import DurableContext, Hatchet

hatchet = Hatchet()
orders = hatchet.workflow("orders", image="shop:1")

@orders.task()
async def plain(input, ctx):
    return time.time()

@orders.durable_task(
    execution_timeout="1m",
)
async def approve(input, ctx):
    first = 1
    return [
        random.random()
        for _ in range(3)
    ]
"""


def test_lint_names_the_line_of_a_durable_tasks_call(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    file = tmp_path / "approvals.py"
    file.write_text(FLOWS)
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["lint", "approvals.py:hatchet"])
    assert result.exit_code == ExitCode.FAILED
    [line] = result.stdout.splitlines()
    assert line == (
        f"{file}:20: workflow 'orders', task 'approve': random.random() in a durable task: it "
        "gives another value when the task is invoked again: call it in ctx.aio_memo(function)"
    )
