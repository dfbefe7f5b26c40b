"""Finds calls in the code of a durable task that give another result when it is invoked again.

Only what the function itself calls counts, and only where the name stands for a known function of
the standard library: functions inside it may be what a memo calls.
"""

import ast
import asyncio
import inspect
import os
import random
import time
import uuid
from collections.abc import Callable, Iterator
from datetime import date
from textwrap import dedent
from types import FunctionType, ModuleType
from typing import NamedTuple

_DATES = frozenset({"now", "utcnow", "today"})
_INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)

_SLEEPS = "it sleeps again each time, in its pod: await ctx.aio_sleep_for()"
_TIMES_OUT = (
    "it counts the time in one pod: await ctx.aio_wait_for() with or_() and a SleepCondition"
)
_TELLS_TIME = "it gives another time when the task is invoked again: await ctx.aio_now()"
_IS_RANDOM = (
    "it gives another value when the task is invoked again: call it in ctx.aio_memo(function)"
)
_ADVICE: dict[int, str] = {
    **dict.fromkeys(map(id, (time.sleep, asyncio.sleep)), _SLEEPS),
    **dict.fromkeys(map(id, (asyncio.timeout, asyncio.timeout_at, asyncio.wait_for)), _TIMES_OUT),
    **dict.fromkeys(map(id, (time.time, time.time_ns)), _TELLS_TIME),
    **dict.fromkeys(map(id, (uuid.uuid1, uuid.uuid4, os.urandom)), _IS_RANDOM),
}
"""By the identity of functions: what users call may compare itself to others in any way."""


class Suspect(NamedTuple):
    """A call that a durable task should not make itself."""

    line: int
    message: str


def suspects(fn: Callable[..., object]) -> Iterator[Suspect]:
    """Yield such calls of a function; none if its source cannot be read."""
    plain = inspect.unwrap(fn)
    if not isinstance(plain, FunctionType):
        return
    try:
        lines, first = inspect.getsourcelines(plain)
        [defined] = ast.parse(dedent("".join(lines))).body
    except (OSError, SyntaxError, ValueError):
        return
    if not isinstance(defined, (ast.FunctionDef, ast.AsyncFunctionDef)):
        return
    for call in _calls(defined.body):
        if advice := _advice(_named(call.func, plain), call):
            message = f"{ast.unparse(call.func)}() in a durable task: {advice}"
            yield Suspect(first + call.lineno - 1, message)


def _calls(nodes: list[ast.stmt]) -> Iterator[ast.Call]:
    """Yield the calls among statements, without those of functions and classes inside them."""
    found: list[ast.AST] = [*reversed(nodes)]
    while found:
        node = found.pop()
        if isinstance(node, _INNER):
            continue
        if isinstance(node, ast.Call):
            yield node
        found += reversed([*ast.iter_child_nodes(node)])


def _named(node: ast.expr, fn: FunctionType) -> object:
    """Return what a dotted name stands for; None if that is not certain."""
    if isinstance(node, ast.Attribute):
        owner = _named(node.value, fn)
        return getattr(owner, node.attr, None) if isinstance(owner, (ModuleType, type)) else None
    if not isinstance(node, ast.Name):
        return None
    names = fn.__code__
    if node.id in names.co_freevars:
        cell = (fn.__closure__ or ())[names.co_freevars.index(node.id)]
        try:
            return cell.cell_contents
        except ValueError:  # nothing is in it yet
            return None
    is_local = node.id in names.co_varnames or node.id in names.co_cellvars
    return None if is_local else fn.__globals__.get(node.id)


def _advice(called: object, call: ast.Call) -> str:
    """Return what to call instead; empty if the call is fine."""
    if advice := _ADVICE.get(id(called), ""):
        is_zero = [ast.unparse(each) for each in call.args] == ["0"]
        return "" if advice == _SLEEPS and is_zero else advice
    owner = getattr(called, "__self__", None)
    if isinstance(owner, type) and issubclass(owner, date):
        return _TELLS_TIME if getattr(called, "__name__", None) in _DATES else ""
    of_secrets = inspect.isroutine(called) and getattr(called, "__module__", None) == "secrets"
    return _IS_RANDOM if of_secrets or isinstance(owner, random.Random) else ""
