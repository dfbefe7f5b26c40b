"""Loads what a user wrote, from `module:name` or `file.py:name`, for run, deploy, render and lint.

A run at the module's top level ends its loading there, as it does in a pod.
"""

import importlib.util
import os
import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from importlib.machinery import ModuleSpec
from types import ModuleType

from podhatch.cli.console import complain
from podhatch.cli.errors import Refused, did_you_mean
from podhatch.cli.user_code import line_of
from podhatch.task.loading import RunReachedWhileLoading, while_loading


def load(place: str) -> object:
    """Return the object that `module:name` or `file.py:name` names.

    Raises:
        Refused: There is none, or importing the module failed.
    """
    path, _, name = place.rpartition(":")
    if not path or not name:
        raise Refused(
            f"{place!r}: write module:name or file.py:name, such as orders:hatchet, where the name "
            "is what the module calls it"
        )
    module = load_module(path)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            question = did_you_mean(part, vars(module))
            raise Refused(f"{path} has nothing named {name}{question}")
        found = getattr(found, part)
    return found


def load_module(path: str) -> ModuleType:
    """Import a module by its name from this folder, or a file as `python file.py` finds it.

    Raises:
        Refused: There is none, or importing it failed.
    """
    if path.endswith(".py"):
        return _import(path, _spec_of_file(path))
    _search(os.getcwd())
    *packages, _ = _prefixes(path.split("."))
    for package in packages:
        _import(path, _spec_of_name(path, package))
    return _import(path, _spec_of_name(path, path))


def _prefixes(parts: Sequence[str]) -> list[str]:
    return [".".join(parts[: count + 1]) for count in range(len(parts))]


def _spec_of_file(path: str) -> ModuleSpec:
    absolute = os.path.abspath(path)
    if not os.path.isfile(absolute):
        raise Refused(f"there is no file {path}")
    folder, file = os.path.split(absolute)
    _search(folder)
    name = file.removesuffix(".py")
    taken = name in sys.stdlib_module_names or name in sys.modules
    spec = importlib.util.spec_from_file_location(f"podhatch_{name}" if taken else name, absolute)
    assert spec is not None, "a .py file always has a loader"
    return spec


def _spec_of_name(path: str, name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # what stands around it is no package
        spec = None
    if spec is None:
        raise Refused(
            f"there is no module {path} in {os.getcwd()} or on Python's path; a file is named with "
            "its .py"
        )
    return spec


def _search(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _import(path: str, spec: ModuleSpec) -> ModuleType:
    """Import a module, and keep what it has defined when it comes to a run."""
    if spec.name in sys.modules:
        return sys.modules[spec.name]
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        # The command's own output may be read by a program.
        with while_loading(), redirect_stdout(sys.stderr):
            if spec.loader:  # a folder without __init__.py has none
                spec.loader.exec_module(module)
    except RunReachedWhileLoading as error:
        complain(
            f"note: loading {path} ended at {line_of(error)}, which asks the cluster for "
            "something: what follows is not loaded, so workflows belong above it"
        )
    except (Exception, SystemExit) as error:
        sys.modules.pop(spec.name, None)
        where = f" ({line})" if (line := line_of(error)) else ""
        what = f"{type(error).__name__}: {error}"
        raise Refused(f"importing {path} failed: {what}{where}") from error
    return module
