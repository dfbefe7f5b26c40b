"""`Depends`: what a task's function takes beside input and context, made by functions of the user.

Checked where tasks are defined, and resolved where they run: the runner, `run_local`, `mock_run`.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, get_origin

from podhatch.errors import InvalidDependencyError

if TYPE_CHECKING:
    from podhatch.task.context import Context

Function: TypeAlias = Callable[..., object]

_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
_VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class Depends:
    """Marks a parameter after `(input, ctx)`: `db: Annotated[Database, Depends(connect)]`.

    As in Hatchet, `fn` takes `(input, ctx)` and parameters with `Depends` of its own. It is called
    once for a task, however many ask for it, on the task's clock. It may be async. As a generator
    with one `yield`, decorated with `contextmanager` or `asynccontextmanager` or not, it goes on
    after the task, the last one first, also when the task failed: the task's exception is raised at
    the `yield`, and stays the task's failure whether it is caught there or not. An exception from
    the rest of a generator fails the task.

    A function that is not async and does not end at its timeout, or 25 seconds after it was
    cancelled, is ended with its process: then nothing runs after it. An async one is cancelled.

    Attributes:
        fn: The function that makes the value.

    Raises:
        InvalidDependencyError: `fn` is not a function.
    """

    def __init__(self, fn: Function) -> None:
        if not callable(fn):
            raise InvalidDependencyError(f"Depends({fn!r}): it takes a function")
        self.fn = fn


class Parameters(NamedTuple):
    """What a function is called with."""

    given: int
    """How many of input and context it takes, in this order."""
    dependencies: Mapping[str, Function]
    """What makes the values of its other parameters, by their names."""


@lru_cache(maxsize=1024)
def parameters_of(fn: Function) -> Parameters:
    """Return what a task's function, or a dependency, is called with.

    Raises:
        InvalidDependencyError: Nothing fills a parameter, or `Depends` is its default.
    """
    try:
        parameters = inspect.signature(fn).parameters.values()
    except ValueError:  # a function in C without a signature
        return Parameters(2, {})
    if any(parameter.kind is inspect.Parameter.VAR_POSITIONAL for parameter in parameters):
        given = 2
    else:
        given = 0
    dependencies: dict[str, Function] = {}
    for parameter in parameters:
        if isinstance(parameter.default, Depends):
            raise InvalidDependencyError(
                f"{_name(fn)}: Depends is the default of its parameter {parameter.name}: annotate "
                "it with Annotated[..., Depends(...)]"
            )
        hint, unreadable = _annotation(fn, parameter)
        dependency = _dependency(hint)
        if dependency is not None:
            dependencies[parameter.name] = dependency
        elif parameter.kind in _POSITIONAL and given < 2:
            given += 1
        elif parameter.default is parameter.empty and parameter.kind not in _VARIADIC:
            raise InvalidDependencyError(
                f"{_name(fn)}: nothing fills its parameter {parameter.name}: annotate it with "
                f"Annotated[..., Depends(...)]{unreadable}"
            )
    return Parameters(given, dependencies)


def check_dependencies(subject: str, fn: Function) -> None:
    """Raise InvalidDependencyError for a parameter that nothing fills, and for a circle."""
    try:
        for _ in _all(fn, ()):
            pass
    except InvalidDependencyError as error:
        raise InvalidDependencyError(f"{subject}: {error}") from None


def all_dependencies(fn: Function) -> list[Function]:
    """Return all that a task's function depends on, directly or not."""
    return list(dict.fromkeys(_all(fn, ())))


def needs_loop(fn: Function) -> bool:
    """Tell whether an async function is among a task's dependencies."""
    return any(
        inspect.iscoroutinefunction(plain) or inspect.isasyncgenfunction(plain)
        for plain in map(inspect.unwrap, _all(fn, ()))
    )


async def resolve(
    fn: Function,
    input: object,
    context: "Context",
    stack: AsyncExitStack,
    given: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return the values of a task's parameters with `Depends`, by their names.

    Waits for nothing when no dependency is async. In `stack`, the rests of generators wait for the
    task's end. Values of `given` are used in place of what dependencies would make.
    """
    check_dependencies(_name(fn), fn)
    made: dict[Function, object] = {}
    given = given or {}

    async def make(dependency: Function) -> object:
        if dependency not in made:
            parameters = parameters_of(dependency)
            own = {name: await make(each) for name, each in parameters.dependencies.items()}
            value = dependency(*(input, context)[: parameters.given], **own)
            made[dependency] = await _entered(inspect.unwrap(dependency), value, stack)
        return made[dependency]

    return {
        name: given[name] if name in given else await make(dependency)
        for name, dependency in parameters_of(fn).dependencies.items()
    }


async def _entered(plain: Function, value: Any, stack: AsyncExitStack) -> object:
    """Return what a dependency stands for, when it was called and gave `value`."""
    # Only what a generator function makes is entered: a lock or a connection is a value itself.
    if inspect.isgeneratorfunction(plain):
        bare = inspect.isgenerator(value)
        return stack.enter_context(contextmanager(lambda: value)() if bare else value)
    if inspect.isasyncgenfunction(plain):
        bare = inspect.isasyncgen(value)
        return await stack.enter_async_context(
            asynccontextmanager(lambda: value)() if bare else value
        )
    return await value if inspect.isawaitable(value) else value


def _all(fn: Function, path: tuple[Function, ...]) -> Iterator[Function]:
    """Yield all that a function depends on, with repetitions."""
    for dependency in parameters_of(fn).dependencies.values():
        if dependency in path:
            circle = (*path[path.index(dependency) :], dependency)
            raise InvalidDependencyError(
                f"its dependencies need one another: {' -> '.join(map(_name, circle))}"
            )
        yield dependency
        yield from _all(dependency, (*path, dependency))


def _annotation(fn: Function, parameter: inspect.Parameter) -> tuple[Any, str]:
    """Return what a parameter is annotated with, and why that cannot be read, if so."""
    written = parameter.annotation
    if not isinstance(written, str):
        return written, ""
    try:  # `from __future__ import annotations` made a text of it
        return eval(written, getattr(inspect.unwrap(fn), "__globals__", {})), ""
    except Exception as error:  # it may be any text, and mean something to readers only
        return None, f" ({written!r} cannot be read: {error})"


def _dependency(hint: Any) -> Function | None:
    """Return the function in the `Depends` of an annotation, through aliases of types."""
    while True:
        for mark in getattr(hint, "__metadata__", ()):
            if isinstance(mark, Depends):
                return mark.fn
        if hasattr(hint, "__metadata__"):
            hint = hint.__origin__
        elif hasattr(get_origin(hint) or hint, "__value__"):  # `type X = ...`
            hint = (get_origin(hint) or hint).__value__
        else:
            return None


def _name(fn: Function) -> str:
    return getattr(fn, "__qualname__", repr(fn))
