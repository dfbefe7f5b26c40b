"""`Depends`: what is refused, what is made once, and when the rests of generators run."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Annotated, Any, TypeAlias

import pytest
from podhatch import EmptyModel, Hatchet
from podhatch.api import pod
from podhatch.errors import InvalidDependencyError
from podhatch.task import Context
from podhatch.task.dependencies import (
    Depends,
    check_dependencies,
    needs_loop,
    parameters_of,
    resolve,
)
from typing_extensions import TypeAliasType

from tests.unit.runner.conftest import Pod


def one(input: dict[str, Any], ctx: Context) -> int:
    return input["n"]


async def two(input: object, ctx: Context, one: Annotated[int, Depends(one)]) -> int:
    return one + 1


def no_arguments() -> str:
    return "none"


One: TypeAlias = Annotated[int, Depends(one)]
Named = TypeAliasType("Named", Annotated[int, Depends(one)])
Twice = TypeAliasType("Twice", Annotated[Named, "more"])


def context() -> Context:
    return Context(workflow_run_id="r", task_run_id="t", workflow_name="W", task_name="t")


async def values(fn: Callable[..., object], **given: object) -> dict[str, object]:
    async with AsyncExitStack() as stack:
        return await resolve(fn, {"n": 4}, context(), stack, given)


async def test_values_are_made_by_name_also_through_aliases_and_texts() -> None:
    def task(
        input: object,
        ctx: Context,
        a: One,
        b: Named,
        c: Twice,
        d: "Annotated[int, Depends(two)]",
        *,
        e: Annotated[str, "a note", Depends(no_arguments)],
        default: int = 3,
    ) -> None: ...

    assert parameters_of(task).given == 2
    assert await values(task) == {"a": 4, "b": 4, "c": 4, "d": 5, "e": "none"}
    assert await values(task, d=7, e="x") == {"a": 4, "b": 4, "c": 4, "d": 7, "e": "x"}


def test_what_may_wait_needs_a_loop() -> None:
    def below(input: object, ctx: Context, two: Annotated[int, Depends(two)]) -> None: ...
    def sync(input: object, ctx: Context, one: Annotated[int, Depends(one)]) -> None: ...
    def task(input: object, ctx: Context, below: Annotated[None, Depends(below)]) -> None: ...

    assert needs_loop(task)
    assert not needs_loop(sync)


async def test_a_function_is_called_once_for_a_task() -> None:
    calls: list[str] = []

    def connect(input: object, ctx: Context) -> object:
        calls.append("connect")
        return object()

    def user(input: object, ctx: Context, db: Annotated[object, Depends(connect)]) -> object:
        return db

    def task(
        input: object,
        ctx: Context,
        db: Annotated[object, Depends(connect)],
        user: Annotated[object, Depends(user)],
    ) -> None: ...

    found = await values(task)
    assert found["db"] is found["user"]
    assert calls == ["connect"]


async def test_only_generators_are_entered() -> None:
    class Connection:
        def __enter__(self) -> str:
            return "entered"

        def __exit__(self, *_: object) -> None: ...

    def connect() -> Connection:
        return Connection()

    def bare() -> Generator[str]:
        yield "bare"

    async def aio_bare() -> AsyncGenerator[str]:
        yield "aio bare"

    def task(
        input: object,
        ctx: Context,
        a: Annotated[Connection, Depends(connect)],
        b: Annotated[str, Depends(bare)],
        c: Annotated[str, Depends(contextmanager(bare))],
        d: Annotated[str, Depends(aio_bare)],
        e: Annotated[str, Depends(asynccontextmanager(aio_bare))],
    ) -> None: ...

    found = await values(task)
    assert isinstance(found.pop("a"), Connection)
    assert list(found.values()) == ["bare", "bare", "aio bare", "aio bare"]


def loop_a(input: object, ctx: Context, b: int) -> int: ...


def loop_b(input: object, ctx: Context, a: Annotated[int, Depends(loop_a)]) -> int: ...


def itself(a: int) -> int: ...


loop_a.__annotations__["b"] = Annotated[int, Depends(loop_b)]
itself.__annotations__["a"] = Annotated[int, Depends(itself)]


@pytest.mark.parametrize(
    ("dependency", "circle"),
    [(loop_a, "loop_a -> loop_b -> loop_a"), (itself, "itself -> itself")],
)
def test_a_circle_of_dependencies_is_refused(
    dependency: Callable[..., object], circle: str
) -> None:
    def task(input: object, ctx: Context, a: Annotated[int, Depends(dependency)]) -> None: ...

    with pytest.raises(InvalidDependencyError, match=f"^the task: .* need one another: {circle}$"):
        check_dependencies("the task", task)


def test_a_parameter_that_nothing_fills_is_named() -> None:
    def bare(input: object, ctx: Context, db: int) -> None: ...
    def unread(input: object, ctx: Context, db: "Annotated[int, Depends(nowhere)]") -> None: ...  # noqa: F821 # pyright: ignore
    def below(input: object, ctx: Context, a: Annotated[int, Depends(bare)]) -> None: ...

    for task in (bare, below):
        with pytest.raises(InvalidDependencyError, match=r"bare: nothing fills its parameter db"):
            check_dependencies("the task", task)
    with pytest.raises(InvalidDependencyError, match="'nowhere' is not defined"):
        check_dependencies("the task", unread)


def test_definitions_refuse_what_nothing_fills() -> None:
    shop = Hatchet().workflow("Shop")

    @shop.task()
    def good(input: EmptyModel, ctx: Context, one: Annotated[int, Depends(one)]) -> None: ...

    with pytest.raises(InvalidDependencyError, match=r"'Shop', task 'bad': .*parameter db"):

        @shop.task()
        def bad(input: EmptyModel, ctx: Context, db: int) -> None: ...

    with pytest.raises(ValueError, match=r"task 'short': the function must take \(input, ctx\)"):

        @shop.task()  # type: ignore[arg-type]
        def short(one: Annotated[int, Depends(one)]) -> None: ...

    assert [task.name for task in shop.tasks] == ["good"]


TASK = """
from contextlib import asynccontextmanager, contextmanager
from typing import Annotated
from podhatch.task.dependencies import Depends

@contextmanager
def outer(input, ctx):
    print("outer in", ctx.task_name, input["id"])
    try:
        yield "outer"
    finally:
        print("outer out")

async def waits(input, ctx, outer: Annotated[str, Depends(outer)]):
    import asyncio
    await asyncio.sleep(0)
    return outer + "!"

@asynccontextmanager
async def inner(input, ctx, waits: Annotated[str, Depends(waits)]):
    try:
        yield waits + " inner"
    except ValueError as error:
        print("inner saw", error)
    print("inner out")

Inner = Annotated[str, Depends(inner)]

{kind} charge(input, ctx, inner: Inner, outer: Annotated[str, Depends(outer)]):
    print("task")
    {body}
"""


def task_with(kind: str, body: str) -> str:
    return TASK.replace("{kind}", kind).replace("{body}", body)


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_rests_run_after_the_task_last_first(task_pod: Pod, kind: str) -> None:
    ended = task_pod.run(task_with(kind, "return [inner, outer]"))
    assert ended.output == ["outer! inner", "outer"]
    assert ended.stdout.splitlines() == ["outer in charge 7", "task", "inner out", "outer out"]


@pytest.mark.parametrize("kind", ["def", "async def"])
def test_rests_run_after_a_failure_and_cannot_hide_it(task_pod: Pod, kind: str) -> None:
    ended = task_pod.run(task_with(kind, 'raise ValueError("no")'))
    assert ended.exit_code == pod.EXIT_FAILED
    assert (ended.error["type"], ended.error["message"]) == ("ValueError", "no")
    assert ended.stdout.splitlines()[2:] == ["inner saw no", "inner out", "outer out"]
    assert "podhatch/" not in ended.error["traceback"]


def test_a_sync_task_may_run_a_loop_of_its_own(task_pod: Pod) -> None:
    body = "import asyncio; return asyncio.run(asyncio.sleep(0, inner))"
    assert task_pod.run(task_with("def", body)).output == "outer! inner"


def test_a_sync_task_sees_context_variables_of_its_dependencies(task_pod: Pod) -> None:
    code = """
    from contextvars import ContextVar
    from typing import Annotated
    from podhatch.task.dependencies import Depends

    tenant = ContextVar("tenant")

    async def set_tenant(input, ctx):
        tenant.set("t1")

    def charge(input, ctx, _: Annotated[None, Depends(set_tenant)]):
        return tenant.get()
    """
    assert task_pod.run(code).output == "t1"


FAILING = """
from typing import Annotated
from podhatch.task.dependencies import Depends

def commit(input, ctx):
    {before}
    yield 1
    {after}

def charge(input, ctx, commit: Annotated[int, Depends(commit)]):
    print("task")
"""


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_dependency_that_fails_fails_the_task(task_pod: Pod, moment: str) -> None:
    lines = {"{before}": "pass", "{after}": "pass"} | {f"{{{moment}}}": "raise OSError('disk')"}
    code = FAILING
    for mark, line in lines.items():
        code = code.replace(mark, line)
    ended = task_pod.run(code)
    assert (ended.error["type"], ended.error["message"]) == ("OSError", "disk")
    assert ended.stdout == ("" if moment == "before" else "task\n")


def test_what_is_said_in_the_wrong_place_is_refused() -> None:
    def task(input: object, ctx: Context, db: object = Depends(one)) -> None: ...

    with pytest.raises(
        InvalidDependencyError, match=r"task: Depends is the default of its param.*"
    ):
        parameters_of(task)
    made: Any = 5
    with pytest.raises(InvalidDependencyError, match=r"Depends\(5\): it takes a function"):
        Depends(made)


def test_dependencies_are_on_the_tasks_clock(task_pod: Pod) -> None:
    code = """
    import asyncio
    from typing import Annotated
    from podhatch.task.dependencies import Depends

    async def forever(input, ctx):
        try:
            await asyncio.sleep(600)
        finally:
            print("cleaned up")

    def charge(input, ctx, _: Annotated[None, Depends(forever)]):
        print("task")
    """
    ended = task_pod.run(code, PODHATCH_EXECUTION_TIMEOUT_SECONDS="0.25")
    assert ended.exit_code == pod.EXIT_TIMED_OUT
    assert ended.stdout == "cleaned up\n"
    assert "forever" in ended.error["traceback"]


def test_a_plain_function_may_have_a_parameter_that_nothing_fills(task_pod: Pod) -> None:
    ended = task_pod.run("def charge(input, ctx, db): pass")
    assert ended.error["type"] == "InvalidDependencyError"
    assert "nothing fills its parameter db" in ended.error["message"]
