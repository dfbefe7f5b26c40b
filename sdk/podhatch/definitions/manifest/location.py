"""Where a pod finds a task's function: module or file, qualified name, and the source's root.

A script that ran as `__main__` is found by the name it has as a module, or by its path.
"""

import inspect
import sys
import sysconfig
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast


@dataclass(frozen=True)
class Location:
    """Where a function is."""

    python: str
    """`package.module:qualified.name`, or `file.py:qualified.name` relative to the root."""
    root: Path | None
    """The folder from which the module is imported; None when it is no plain file."""


def locate(subject: str, fn: Callable[..., object]) -> Location:
    """Return where a function is.

    Raises:
        ValueError: No other process could find it, as it was typed into an interpreter; `subject`
            is named.
    """
    plain = inspect.unwrap(fn)
    module = sys.modules.get(plain.__module__)
    file = getattr(module, "__file__", None)
    if file is not None and not Path(file).is_file():  # `<stdin>`, or inside an archive
        file = None
    name = plain.__module__
    if name == "__main__":
        if file is None:
            raise ValueError(
                f"{subject}: {plain.__qualname__} was typed into an interpreter or a notebook, "
                "where no pod can find it: move it to a file and import it"
            )
        spec = getattr(module, "__spec__", None)
        name = spec.name if spec is not None else Path(file).stem
    if file is None:
        return Location(f"{name}:{plain.__qualname__}", None)
    path = Path(file).resolve()
    root = _root(path, name)
    if root is None or root == path.parent:  # started or imported as a file of its folder
        outer = _outside_packages(path.parent)
        if root is None or outer != root:
            place = path.relative_to(outer).as_posix()
            return Location(f"{place}:{plain.__qualname__}", outer)
    return Location(f"{name}:{plain.__qualname__}", root)


def locate_here(subject: str, fn: Callable[..., object]) -> Location:
    """Return where this machine's processes find a function, given this one's module path.

    What was typed into an interpreter is known to this process alone.
    """
    try:
        location = locate(subject, fn)
    except ValueError:
        return Location(f"__main__:{inspect.unwrap(fn).__qualname__}", None)
    if location.root is None:
        return location
    place, _, name = location.python.partition(":")
    if not place.endswith(".py"):
        if location.root in {Path(folder).resolve() for folder in sys.path}:
            return location
        place = _file_of(location.root, place)
    return Location(f"{location.root}/{place}:{name}", location.root)


def _file_of(root: Path, module: str) -> str:
    file = module.replace(".", "/")
    return f"{file}/__init__.py" if (root / file).is_dir() else f"{file}.py"


def _root(path: Path, module: str) -> Path | None:
    """Return the folder from which `import module` finds the file; None when it would not."""
    parts = tuple(module.split("."))
    importable = all(part.isidentifier() for part in parts)
    if not importable or parts[0] in sys.stdlib_module_names or module == "__main__":
        return None
    stem = path.parent if path.name == "__init__.py" else path.with_suffix("")
    return stem.parents[len(parts) - 1] if stem.parts[-len(parts) :] == parts else None


def _outside_packages(folder: Path) -> Path:
    """Return the folder that holds the outermost package a folder is part of.

    A folder without `__init__.py` is a package where this process has imported it as one.
    """
    for name, module in [*sys.modules.items()]:
        paths = getattr(module, "__path__", None)
        if isinstance(paths, Iterable) and str(folder) in {*cast("Iterable[object]", paths)}:
            return folder.parents[name.count(".")]
    while (folder / "__init__.py").is_file() and folder != folder.parent:
        folder = folder.parent
    return folder


def is_installed(root: Path) -> bool:
    """Tell whether a folder holds installed packages, and not a user's source tree."""
    paths = sysconfig.get_paths()
    return root in {Path(paths[key]).resolve() for key in ("purelib", "platlib", "stdlib")}
