"""Where a workflow is defined: tells a definition that is run again from another of its name.

A notebook cell that is run twice, a module that is reloaded and a function that is called twice
define their workflow anew. Standard library only.
"""

import inspect
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import CodeType


@dataclass(frozen=True)
class Origin:
    """What defines a workflow.

    Attributes:
        file: Of the code.
        module: Its name; `__main__` for all cells of a notebook.
        qualified_name: Of the standalone task's function, or of the code around the definition.
        code: What called podhatch: a new object each time a cell or a module is run.
        line: Where in it.
    """

    file: str
    module: str
    qualified_name: str
    code: CodeType
    line: int

    def is_again(self, other: "Origin") -> bool:
        """Tell whether both are one definition that was run twice."""
        if self.code is other.code and self.line != other.line:
            return False
        near = self.file == other.file or self.module == other.module
        return near and self.qualified_name == other.qualified_name

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"


def origin_of_call(fn: Callable[..., object] | None = None) -> Origin:
    """Return where the function that asks this was called.

    Args:
        fn: The standalone task's function, in a decorator: it names the definition.
    """
    caller = sys._getframe(2)  # pyright: ignore[reportPrivateUsage]
    code, line = caller.f_code, caller.f_lineno
    if fn is None:
        module = str(caller.f_globals.get("__name__"))
        return Origin(code.co_filename, module, code.co_qualname, code, line)
    plain = inspect.unwrap(fn)
    file = getattr(getattr(plain, "__code__", code), "co_filename", code.co_filename)
    module = str(getattr(plain, "__module__", None))
    return Origin(file, module, getattr(plain, "__qualname__", repr(plain)), code, line)
