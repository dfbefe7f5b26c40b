"""How much access to the cluster a task's code needs: read from the code when it is published.

Follows everything that the code refers to, without calling it: globals, attributes of modules,
closures, methods, imports inside functions. A workflow, a `Hatchet` or a client among it needs
`spawn`, and so does code that cannot be followed. A task that refers to none of these only reports.
"""

import builtins
import dis
import functools
import importlib.util
import inspect
import sys
import sysconfig
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.machinery import PathFinder
from pathlib import Path
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
)
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from podhatch.definitions.task import Task
from podhatch.task.dependencies import all_dependencies

if TYPE_CHECKING:
    from podhatch.definitions.options.task_options import ClusterAccess


MAX_OBJECTS = 100_000
"""Code that reaches more cannot be followed."""
MAX_DEPTH = 2
"""How far into the objects of installed packages."""
_HARMLESS = (
    *("podhatch.api", "podhatch.config", "podhatch.errors", "podhatch.task"),
    *("podhatch.definitions.options", "podhatch.definitions.task"),
    "podhatch.client.event_options",
    *("podhatch.values.codec", "podhatch.values.duration", "podhatch.values.hooks"),
    "podhatch.values.input",
)
"""Modules of ours whose objects start nothing."""
_UNFOLLOWED = frozenset({"eval", "exec", "__import__"})
_IMPORTERS = {
    "importlib": frozenset({"import_module", "__import__"}),
    "runpy": frozenset({"run_module", "run_path"}),
    "sys": frozenset({"modules"}),
}
"""By module, what brings code in that its name does not tell."""
_READ_NAMESPACES = frozenset({"getattr", "vars", "dir"})
_HOLDERS = ("collections", "contextlib", "enum", "functools", "types")
"""Modules of the standard library whose objects hold what users put into them."""
_IN_CLASSES = ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")
_PLAIN = (str, bytes, int, float, complex, type(None))
_PARTS: Mapping[type, tuple[str, ...]] = {
    Task: ("fn",),
    MethodType: ("__func__", "__self__"),
    property: ("fget", "fset", "fdel"),
    staticmethod: ("__func__",),
    classmethod: ("__func__",),
    functools.partial: ("func", "args", "keywords"),
}
"""What objects of these classes stand for."""


class Import(NamedTuple):
    """An import statement inside a function."""

    level: int
    """How many dots stand before the module."""
    module: str
    names: tuple[str, ...]
    """What is taken from it; empty for `import module`."""


class CodeNames(NamedTuple):
    """What code names."""

    variables: frozenset[str]
    """Of the module around it, or built in."""
    certain: frozenset[str]
    """Those of them that cannot be local to a class's body."""
    attributes: frozenset[str]
    imports: tuple[Import, ...]


@lru_cache(maxsize=4096)
def names_of(code: CodeType) -> CodeNames:
    """Return what the code and all code inside it names."""
    variables, certain, attributes = set[str](), set[str](), set[str]()
    imports: list[Import] = []
    for each in _with_inner(code):
        constants: list[Any] = []
        for step in dis.get_instructions(each):
            if step.opname == "LOAD_GLOBAL":
                certain.add(step.argval)
            elif step.opname in _IN_CLASSES:
                variables.add(step.argval)
            elif step.opname == "IMPORT_NAME":
                level, names = constants[-2:]
                imports.append(Import(level, step.argval, names or ()))
            elif step.opname in _ATTRIBUTES:
                attributes.add(step.argval)
            if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
                constants.append(step.argval)
    return CodeNames(
        frozenset(variables | certain), frozenset(certain), frozenset(attributes), tuple(imports)
    )


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)


def needed_access(task: "Task[Any, Any]") -> "ClusterAccess":
    """Return the least access to the cluster with which the task's code can do its work."""
    workflow = task.workflow
    roots = [task.fn, *all_dependencies(task.fn), workflow.input_validator, workflow.lifespan]
    search = _Search(str(inspect.unwrap(task.fn).__module__))
    return "spawn" if search.reaches_runnable(roots) else "report"


class _Found(Exception):  # noqa: N818 - an answer, not an error
    """The code reaches what can be run, or cannot be followed."""


class _Search:
    """Looks at one object after another, until one can be run or all have been seen."""

    def __init__(self, module: str) -> None:
        self._package = _top(module)
        self._seen: dict[object, object] = {}
        self._open: deque[tuple[object, int]] = deque()

    def reaches_runnable(self, roots: Iterable[object]) -> bool:
        """Tell whether anything that can be run is reached, or may be."""
        try:
            self._add_all(roots)
            while self._open:
                self._look_at(*self._open.popleft())
        except Exception:  # besides _Found: what cannot be read, and what a user's object raises
            return True
        return False

    def _add_all(self, values: Iterable[object], depth: int = 0) -> None:
        for value in values:
            self._add(value, depth)

    def _add(self, value: object, depth: int = 0) -> None:
        # The object is kept, so that no other gets its id.
        if not isinstance(value, _PLAIN) and self._is_new(id(value), value):
            self._open.append((value, depth))

    def _is_new(self, key: object, value: object) -> bool:
        if key in self._seen:
            return False
        if len(self._seen) == MAX_OBJECTS:
            raise _Found
        self._seen[key] = value
        return True

    def _look_at(self, value: object, depth: int) -> None:
        if isinstance(value, ModuleType):
            self._look_at_module(value, None)
        elif isinstance(value, FunctionType):
            self._look_at_function(value)
        elif isinstance(value, type):
            self._look_at_class(value)
        elif isinstance(value, (dict, MappingProxyType)):
            mapping = cast("Mapping[object, object]", value)
            self._add_all([*mapping.keys(), *mapping.values()], depth)
        elif isinstance(value, (list, tuple, set, frozenset, deque)):
            self._add_all([*cast("Iterable[object]", value)], depth)
        elif isinstance(value, BuiltinMethodType):  # as `REGISTRY.get` is
            owner = cast("object", value.__self__)
            self._add(None if isinstance(owner, ModuleType) else owner)
        elif kind := next((each for each in _PARTS if isinstance(value, each)), None):
            self._add_all(getattr(value, part) for part in _PARTS[kind])
        else:
            self._look_at_instance(value, depth)

    def _look_at_function(self, function: FunctionType) -> None:
        around = function.__globals__
        module = str(around.get("__name__"))
        if _top(module) == "podhatch":
            _refuse_unless_harmless(module)
            return
        if function.__name__ in _IMPORTERS.get(module, ()):
            raise _Found
        self._add_all([*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()])
        self._add_all(vars(function).values())
        for cell in function.__closure__ or ():
            self._add(cell.cell_contents)  # raises if nothing is in it yet
        if self._is_followed(module):
            self._look_at_code(names_of(function.__code__), around)

    def _look_at_code(self, names: CodeNames, around: Mapping[str, Any]) -> None:
        """Look at what code names; `around` is the namespace of its module."""
        if "globals" in names.variables and "globals" not in around:
            self._add_all(around.values())
        attributes = _taken(names)
        for name in names.variables:
            if name in around:
                if isinstance(around[name], Task) and "workflow" in names.attributes:
                    raise _Found
                self._add_named(around[name], attributes)
            elif name in _UNFOLLOWED or (name in names.certain and not hasattr(builtins, name)):
                raise _Found
        for each in names.imports:
            self._look_at_import(each, attributes, str(around.get("__package__") or ""))

    def _add_named(self, value: object, attributes: frozenset[str] | None) -> None:
        """Add what code names; of a module only what is taken of it, as far as that is known."""
        if isinstance(value, ModuleType):
            self._look_at_module(value, attributes)
        else:
            self._add(value)

    def _look_at_module(self, module: ModuleType, attributes: frozenset[str] | None) -> None:
        """Look at these attributes of a module; None stands for all of them."""
        name = module.__name__
        if not self._is_new((name, attributes), module):
            return
        importers = _IMPORTERS.get(name, frozenset())
        if importers and (attributes is None or importers & attributes):
            raise _Found
        if _top(name) != "podhatch" and not self._is_followed(name):
            return
        known = {*vars(module), *getattr(module, "__all__", ())}
        for each in known if attributes is None else known & attributes:
            self._add_named(getattr(module, each, None), attributes)
        self._add(vars(module).get("__getattr__") if _top(name) != "podhatch" else None)

    def _look_at_class(self, cls: type) -> None:
        for base in cls.__mro__:
            if _top(base.__module__) == "podhatch":
                _refuse_unless_harmless(base.__module__)
        if not self._is_followed(cls.__module__) or _top(cls.__module__) == "podhatch":
            return
        self._add_all([*cls.__bases__, *type.__subclasses__(cls), type(cls)])
        members = vars(cls).items()
        self._add_all([value for name, value in members if not name.startswith("__pydantic")])

    def _look_at_instance(self, value: object, depth: int) -> None:
        cls = type(value)
        self._add(cls)
        is_followed = self._is_followed(cls.__module__)
        is_standard = _top(cls.__module__) in sys.stdlib_module_names
        if is_standard and not is_followed and cls.__module__ not in _HOLDERS:
            return
        deeper = depth if is_followed else depth + 1
        if deeper <= MAX_DEPTH:
            self._add_all([*getattr(value, "__dict__", {}).values()], deeper)
            self._add_all(_slots(value), deeper)

    def _look_at_import(
        self, each: Import, attributes: frozenset[str] | None, package: str
    ) -> None:
        """Look at what an import inside a function brings in, loaded or not."""
        name = importlib.util.resolve_name("." * each.level + each.module, package)
        if not each.names:
            parts = name.split(".")
            for length in range(1, len(parts) + 1):
                self._look_at_named_module(".".join(parts[:length]), attributes)
            return
        module = sys.modules.get(name)
        if module is None:
            self._look_at_unloaded(name)
        for taken in each.names:
            if module is not None and hasattr(module, taken):
                importers = _IMPORTERS.get(name, ())
                if taken in importers:
                    raise _Found
                self._add_named(getattr(module, taken), attributes)
            else:
                self._look_at_named_module(f"{name}.{taken}", attributes)

    def _look_at_named_module(self, name: str, attributes: frozenset[str] | None) -> None:
        module = sys.modules.get(name)
        if module is not None:
            self._look_at_module(module, attributes)
        else:
            self._look_at_unloaded(name)

    def _look_at_unloaded(self, name: str) -> None:
        """Look at a module of the user's that is imported later: any use of podhatch counts."""
        if not self._is_new(("unloaded", name), None):
            return
        file = _source_file(name)
        if file is None or (_is_installed(file) and _top(name) != self._package):
            return
        code = compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
        package = name if file.name == "__init__.py" else name.rpartition(".")[0]
        names = names_of(code)
        for each in names.imports:
            if _top(each.module) == "podhatch" and not each.level:
                raise _Found
            self._look_at_import(each, _taken(names), package)

    def _is_followed(self, module: str) -> bool:
        """Tell whether a module's code is read: the user's own is, an installed one's is not."""
        if _top(module) == self._package:
            return True
        file = getattr(sys.modules.get(module), "__file__", None)
        if file is None:
            return _top(module) not in sys.stdlib_module_names
        if not _is_installed(Path(file)):
            return True
        if _uses_podhatch(_top(module), len(sys.modules)):
            raise _Found
        return False


def _top(module: str) -> str:
    return module.partition(".")[0]


def _refuse_unless_harmless(module: str) -> None:
    if not any(module == each or module.startswith(f"{each}.") for each in _HARMLESS):
        raise _Found


def _slots(value: object) -> Iterable[object]:
    """Yield what stands in an object's slots."""
    for base in type(value).__mro__:
        slots = vars(base).get("__slots__", ())
        for name in (slots,) if isinstance(slots, str) else tuple(slots):
            yield getattr(value, str(name), None)


def _taken(names: CodeNames) -> frozenset[str] | None:
    """Return the attributes that code takes of what it names; None if it may take any."""
    if _READ_NAMESPACES & names.variables or "__dict__" in names.attributes:
        return None
    return names.attributes


@lru_cache(maxsize=4096)
def _is_installed(file: Path) -> bool:
    """Tell whether a file came with Python or with a package, and is not in a source tree."""
    paths = sysconfig.get_paths()
    standard = any(file.is_relative_to(paths[key]) for key in ("stdlib", "platstdlib"))
    return standard or bool({"site-packages", "dist-packages"} & {*file.parts})


@lru_cache(maxsize=4096)
def _uses_podhatch(package: str, _modules: int) -> bool:
    """Tell whether an installed package has anything of podhatch in its modules, as loaded.

    The number of loaded modules is a part of the cache's key.
    """
    return package != "podhatch" and any(
        _is_podhatch(each)
        for name, module in sys.modules.copy().items()
        if name == package or name.startswith(f"{package}.")
        for each in [*getattr(module, "__dict__", {}).values()]
    )


def _is_podhatch(value: object) -> bool:
    if isinstance(value, ModuleType):
        return _top(value.__name__) == "podhatch"
    places = (getattr(value, "__module__", None), type(value).__module__)
    return any(isinstance(each, str) and _top(each) == "podhatch" for each in places)


def _source_file(name: str) -> Path | None:
    """Return the file of a module that is not loaded, without loading the packages around it."""
    path: Any = None
    spec = None
    for part in name.split("."):
        spec = PathFinder.find_spec(part, path)
        if spec is None:
            return None
        path = spec.submodule_search_locations or []
    file = Path(spec.origin) if spec is not None and spec.origin else None
    return file if file is not None and file.suffix == ".py" else None
