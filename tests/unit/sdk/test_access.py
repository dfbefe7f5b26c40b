"""Which access to the cluster the SDK gives a task, by what its code reaches."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from podhatch import EmptyModel, Hatchet
from podhatch.definitions.manifest import access
from podhatch.definitions.manifest.access import needed_access

HEAD = """
import asyncio
import functools
import importlib
import sys
from collections.abc import AsyncGenerator
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, NamedTuple

import podhatch
from podhatch import (
    Context, Depends, EmptyModel, Hatchet, NonRetryableException, SleepCondition, Workflow, or_
)
from pydantic import BaseModel, field_validator

hatchet = Hatchet()
flow = hatchet.workflow("flow")
stub = hatchet.stubs.workflow(name="elsewhere")

@hatchet.task()
def child(input: EmptyModel, ctx: Context) -> int:
    return 1

@flow.task()
def first(input: EmptyModel, ctx: Context) -> int:
    return 1
"""

REPORT = {
    "a plain function beside a Hatchet": """
        def work(input, ctx): return len("abc")
    """,
    "its context": """
        def work(input, ctx):
            ctx.log("x")
            ctx.put_stream("y")
            ctx.refresh_timeout("5m")
            ctx.cancel()
            return ctx.task_output(first)
    """,
    "a parent's task beside getattr": """
        def work(input, ctx): return getattr(ctx.task_output(first), "real", None)
    """,
    "errors and conditions of podhatch": """
        def work(input, ctx):
            if or_(SleepCondition("1s")): raise NonRetryableException("no")
            raise podhatch.RetryAfter("later", 5)
    """,
    "helpers that need nothing": """
        class Price(BaseModel):
            cents: int
            @field_validator("cents")
            @classmethod
            def positive(cls, value): return abs(value)
        class Point(NamedTuple):
            x: int
        def helper(n): return Price(cents=n), Point(n)
        def work(input, ctx): return [helper(n) for n in range(3)]
    """,
    "an import of the standard library": """
        def work(input, ctx):
            import json, os.path, sys
            from urllib import parse
            return json.dumps([sys.argv, os.path.sep, parse.quote("x")])
    """,
    "a package that is not here": """
        def work(input, ctx):
            import nowhere_to_be_found.at_all
            from torch_that_is_in_the_image import nn
    """,
    "a lazily imported module that needs nothing": """
        def work(input, ctx):
            from PACKAGE.plain import total
            import PACKAGE.quiet
            return total([1])
    """,
    "another function's children": """
        def other(): return child.run()
        def work(input, ctx): return 1
    """,
    "a module of which it takes something else": """
        import PACKAGE.mixed as mixed
        def work(input, ctx): return mixed.harmless()
    """,
    "recursion": """
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != 0 and even(n - 1)
        def work(input, ctx): return even(4)
    """,
    "a class that refers to itself": """
        class Node:
            root: "Node"
            def up(self): return Node()
        Node.root = Node()
        def work(input, ctx): return Node.root.up()
    """,
    "a dependency that needs nothing": """
        def settings(input, ctx): return {"a": 1}
        def work(input: EmptyModel, ctx: Context, it: Annotated[dict, Depends(settings)]): return it
    """,
    "names in a class's body": """
        def work(input, ctx):
            class Local:
                one = 1
                two = one + 1
            return Local.two
    """,
}

SPAWN = {
    "a standalone task": "def work(input, ctx): return child.run()",
    "a workflow": "async def work(input, ctx): return await flow.aio_run()",
    "a stub": "def work(input, ctx): return stub.run_no_wait()",
    "its Hatchet": "def work(input, ctx): hatchet.event.push('paid', {})",
    "a Hatchet of its own": "def work(input, ctx): Hatchet().event.push('paid', {})",
    "the package's Hatchet": "def work(input, ctx): podhatch.Hatchet().runs.list()",
    "a client": """
        events = hatchet.event
        def work(input, ctx): events.push("paid", {})
    """,
    "a bound method": """
        start = child.run
        def work(input, ctx): return start()
    """,
    "a partial": """
        start = functools.partial(child.run, EmptyModel())
        def work(input, ctx): return start()
    """,
    "a lambda inside": "def work(input, ctx): return (lambda: child.run())()",
    "a comprehension": "def work(input, ctx): return [child.run() for _ in range(3)]",
    "a function inside": """
        def work(input, ctx):
            def inner():
                async def innermost(): return await child.aio_run()
                return innermost
            return asyncio.run(inner()())
    """,
    "a helper": """
        def helper(): return child.run()
        def work(input, ctx): return helper()
    """,
    "a helper's helper as an argument": """
        def helper(): return child.run()
        def work(input, ctx): return asyncio.run(asyncio.to_thread(helper))
    """,
    "a closure": """
        def make(what):
            def work(input, ctx): return what.run()
            return work
        work = make(child)
    """,
    "a default": "def work(input, ctx, *, start=child): return start.run()",
    "a decorator's closure": """
        def spawning(fn):
            @functools.wraps(fn)
            def wrapper(*args): child.run(); return fn(*args)
            return wrapper
        @spawning
        def work(input, ctx): return 1
    """,
    "a function under a decorator": """
        @functools.lru_cache
        def helper(): return child.run()
        def work(input, ctx): return helper()
    """,
    "a dispatched function": """
        @functools.singledispatch
        def handle(value): return None
        @handle.register
        def _(value: int): return child.run()
        def work(input, ctx): return handle(7)
    """,
    "a method": """
        class Service:
            def start(self): return child.run()
        def work(input, ctx): return Service().start()
    """,
    "an inherited method": """
        class Base:
            def start(self): return child.run()
        class Service(Base): pass
        def work(input, ctx): return Service().start()
    """,
    "a subclass": """
        class Handler:
            def start(self): raise NotImplementedError
        class Spawning(Handler):
            def start(self): return child.run()
        def work(input, ctx): return [each().start() for each in Handler.__subclasses__()]
    """,
    "a property": """
        class Service:
            @property
            def start(self): return child.run()
        def work(input, ctx): return Service().start
    """,
    "a cached property": """
        class Service:
            @functools.cached_property
            def start(self): return child.run()
        def work(input, ctx): return Service().start
    """,
    "a static method": """
        class Service:
            @staticmethod
            def start(): return child.run()
        def work(input, ctx): return Service.start()
    """,
    "a class's attribute": """
        class Service:
            what = child
        def work(input, ctx): return Service.what.run()
    """,
    "an object's attribute": """
        class Service:
            def __init__(self, what): self.what = what
        service = Service(child)
        def work(input, ctx): return service.what.run()
    """,
    "an object's slot": """
        class Service:
            __slots__ = ("what",)
            def __init__(self, what): self.what = what
        service = Service(child)
        def work(input, ctx): return service.what.run()
    """,
    "a namespace": """
        tools = SimpleNamespace(start=child)
        def work(input, ctx): return tools.start.run()
    """,
    "a table": """
        TABLE = {"a": [child], "b": ()}
        def work(input, ctx): return TABLE["a"][0].run()
    """,
    "a read-only table": """
        TABLE = MappingProxyType({"a": child})
        def work(input, ctx): return TABLE["a"].run()
    """,
    "a table's method": """
        find = {"a": child}.get
        def work(input, ctx): return find("a").run()
    """,
    "a task's workflow": "def work(input, ctx): return first.workflow.run()",
    "a class of podhatch": "def work(input, ctx): return Workflow",
    "a subclass of a Hatchet": """
        class Mine(Hatchet): pass
        def work(input, ctx): return Mine().event.push("paid", {})
    """,
    "a dependency": """
        def starter(input, ctx): return child
        def work(input: EmptyModel, ctx: Context, it: Annotated[object, Depends(starter)]):
            return it.run()
    """,
    "a dependency's dependency": """
        def starter(input, ctx): return child
        def middle(input, ctx, it: Annotated[object, Depends(starter)]): return it
        def work(input: EmptyModel, ctx: Context, it: Annotated[object, Depends(middle)]):
            return it.run()
    """,
    "a module's function": """
        import PACKAGE.mixed as mixed
        def work(input, ctx): return mixed.spawning()
    """,
    "a module's attribute by its name": """
        import PACKAGE.mixed as mixed
        def work(input, ctx): return getattr(mixed, "spawn" + "ing")()
    """,
    "a submodule": """
        import PACKAGE.mixed
        def work(input, ctx): return PACKAGE.mixed.spawning()
    """,
    "a loaded module, imported inside": """
        import PACKAGE.mixed
        def work(input, ctx):
            from PACKAGE.mixed import spawning
            return spawning()
    """,
    "a loaded module, imported inside by dots": """
        import PACKAGE.mixed
        def work(input, ctx):
            from .mixed import spawning as it
            return it()
    """,
    "a module that is imported later": """
        def work(input, ctx):
            from PACKAGE import lazy
            return lazy.go()
    """,
    "a module that is imported later, by dots": """
        def work(input, ctx):
            from .lazy import go
            return go()
    """,
    "a module that a later module imports": """
        def work(input, ctx):
            import PACKAGE.lazy_at_second_hand
    """,
    "a later module that cannot be read": """
        def work(input, ctx):
            import PACKAGE.broken
    """,
    "podhatch, imported inside": """
        def work(input, ctx):
            from podhatch import Hatchet as H
            H().event.push("paid", {})
    """,
    "a part of podhatch, imported inside": """
        def work(input, ctx):
            import podhatch.hatchet
            podhatch.hatchet.Hatchet()
    """,
    "an import by name": "def work(input, ctx): importlib.import_module(input.name).go()",
    "an import by name, imported": """
        from importlib import import_module
        def work(input, ctx): import_module(input.name).go()
    """,
    "an import by name, imported inside": """
        def work(input, ctx):
            from importlib import import_module as load
            load(input.name).go()
    """,
    "the loaded modules": "def work(input, ctx): sys.modules['flow'].child.run()",
    "an object that cannot be looked at": """
        class Proxy:
            @property
            def __class__(self): raise RuntimeError("outside of its context")
        current = Proxy()
        def work(input, ctx): return current
    """,
    "eval": "def work(input, ctx): return eval('child.run()')",
    "exec": "def work(input, ctx): exec('child.run()')",
    "globals": "def work(input, ctx): return globals()['child'].run()",
    "a name that nobody defines": "def work(input, ctx): return nobody_defined_this()",
    "the validator of its input": """
        class Input(BaseModel):
            n: int = 0
            @field_validator("n")
            @classmethod
            def check(cls, n): child.run(); return n
        VALIDATOR = Input
        def work(input, ctx): return 1
    """,
}

FILES = {
    "__init__.py": "",
    "mixed.py": f"{HEAD}\ndef harmless(): return 1\ndef spawning(): return child.run()\n",
    "plain.py": "import sys, math\ndef total(items): return math.fsum(items)\n",
    "quiet.py": "from PACKAGE.plain import total\n",
    "lazy.py": "from podhatch import Hatchet\ndef go(): Hatchet().event.push('paid', {})\n",
    "lazy_at_second_hand.py": "def go():\n    import PACKAGE.lazy\n",
    "broken.py": "def (:\n",
}


@pytest.fixture
def load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], Any]]:
    """Return what imports a program's source as a module of a package."""
    package = f"program_{tmp_path.name.replace('-', '_')}"
    (tmp_path / package).mkdir()
    for name, text in FILES.items():
        (tmp_path / package / name).write_text(text.replace("PACKAGE", package))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def load(source: str) -> Any:
        text = f"{HEAD}\n{dedent(source)}".replace("PACKAGE", package)
        (tmp_path / package / "flow.py").write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(f"{package}.flow")

    yield load
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


def access_in(module: Any) -> str:
    validator: type[Any] = getattr(module, "VALIDATOR", EmptyModel)
    return needed_access(Hatchet().task("work", input_validator=validator)(module.work).task)


@pytest.mark.parametrize("source", REPORT.values(), ids=REPORT.keys())
def test_code_that_starts_nothing_only_reports(load: Callable[[str], Any], source: str) -> None:
    assert access_in(load(source)) == "report"


@pytest.mark.parametrize("source", SPAWN.values(), ids=SPAWN.keys())
def test_code_that_reaches_what_can_be_run_spawns(load: Callable[[str], Any], source: str) -> None:
    assert access_in(load(source)) == "spawn"


def test_a_lifespan_counts_for_the_tasks_around_which_it_runs(load: Callable[[str], Any]) -> None:
    module = load("""
        async def lifespan() -> AsyncGenerator[object]:
            yield hatchet
        def work(input, ctx): return 1
    """)
    task = Hatchet().task("work")(module.work)
    assert needed_access(task.task) == "report"
    task.workflow.lifespan = module.lifespan
    assert needed_access(task.task) == "spawn"


def test_code_without_an_end_spawns(
    load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    module = load("""
        TABLE = [[n] for n in range(1000)]
        def work(input, ctx): return TABLE
    """)
    assert access_in(module) == "report"
    monkeypatch.setattr(access, "MAX_OBJECTS", 900)
    assert access_in(module) == "spawn"


def test_an_installed_package_that_uses_podhatch_spawns(
    tmp_path: Path, load: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    installed = tmp_path / "site-packages"
    for name, text in {"with_podhatch": HEAD, "without_podhatch": "import json\n"}.items():
        (installed / name).mkdir(parents=True)
        (installed / name / "__init__.py").write_text(f"{text}\ndef go(): return 1\n")
    monkeypatch.setattr(sys, "path", [str(installed), *sys.path])
    try:
        uses = load("""
            import with_podhatch, without_podhatch
            from with_podhatch import go
            def work(input, ctx): return go()
            def by_module(input, ctx): return with_podhatch.go()
            def by_another(input, ctx): return without_podhatch.go()
        """)
        assert access_in(uses) == "spawn"
        uses.work = uses.by_module
        assert access_in(uses) == "spawn"
        uses.work = uses.by_another
        assert access_in(uses) == "report"
    finally:
        for name in ("with_podhatch", "without_podhatch"):
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        (None, "spawn"),
        ("report", "report"),
        ("none", "none"),
        ("spawn", "spawn"),
        (True, "spawn"),
        (False, "none"),
    ],
)
def test_what_the_task_asks_for_counts_more_than_its_code(
    load: Callable[[str], Any], asked: Any, given: str
) -> None:
    module = load("def work(input, ctx): return child.run()")
    task = Hatchet().task("work", image="shop:1", cluster_access=asked)(module.work)
    (written,) = task.workflow.manifest().workflow["spec"]["tasks"]
    assert written.get("clusterAccess", "report") == given
