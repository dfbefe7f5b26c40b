"""The names that compiled code uses: of variables, of attributes, and of what it imports.

Code inside it, such as lambdas and functions in functions, counts as its own.
"""

import dis
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType
from typing import cast

_IN_CLASSES = ("LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTES = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR")


@dataclass(frozen=True)
class Import:
    """An import statement inside a function."""

    level: int
    """How many dots stand before the module."""
    module: str
    names: tuple[str, ...]
    """What is taken from it; empty for `import module`."""


@dataclass(frozen=True)
class CodeNames:
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
        constants: list[object] = []
        for step in dis.get_instructions(each):
            if step.opname == "LOAD_GLOBAL":
                certain.add(step.argval)
            elif step.opname in _IN_CLASSES:
                variables.add(step.argval)
            elif step.opname == "IMPORT_NAME":
                imports.append(_import(step.argval, constants))
            elif step.opname in _ATTRIBUTES:
                attributes.add(step.argval)
            if step.opname in ("LOAD_CONST", "LOAD_SMALL_INT"):
                constants.append(step.argval)
    return CodeNames(
        frozenset(variables | certain), frozenset(certain), frozenset(attributes), tuple(imports)
    )


def _import(module: str, constants: list[object]) -> Import:
    """Return the import whose dots and names were the last two constants."""
    level, names = constants[-2:]
    return Import(
        level if isinstance(level, int) else 0,
        module,
        tuple(map(str, cast("tuple[object, ...]", names))) if isinstance(names, tuple) else (),
    )


def _with_inner(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _with_inner(constant)
