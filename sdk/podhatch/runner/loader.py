"""Finds the function to run, from where the workflow says it is.

The user's module is imported, not run: a `workflow.run()` at its top level ends the import there.
The source tree that was shipped with the workflow is unpacked first.
"""

import importlib.util
import os
import stat
import sys
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from podhatch.runner.assignment import Assignment
from podhatch.runner.report import TaskFailure
from podhatch.task.loading import RunReachedWhileLoading, while_loading

if TYPE_CHECKING:
    from logging import Logger
    from zipfile import ZipFile

    from podhatch.task.handle import TaskHandle


class LoadedTask(NamedTuple):
    """The user's function, and what its definition says about its input."""

    function: Callable[..., object]
    input_validator: object | None
    """What the workflow declares its input to be; None for a plain function."""
    lifespan: Callable[..., object] | None = None
    """The async generator function that runs around the task."""
    logger: "Logger | None" = None
    """Whose records go to the task's log."""


def load(assignment: Assignment) -> LoadedTask:
    """Import the user's module and return the function of the assigned task.

    Raises:
        TaskFailure: There is no such module or function, or importing the module failed.
    """
    if assignment.source:
        enter_source(assignment.source, assignment.source_name)
    module, name = _module_at(assignment, assignment.location)
    task = find_defined(assignment) or _task_at(assignment, module, name)
    if assignment.lifespan is None:
        return task
    module, name = _module_at(assignment, assignment.lifespan)
    return task._replace(lifespan=_function(assignment, _walk(module, name), module, name))


def find_defined(assignment: Assignment) -> LoadedTask | None:
    """Return the assigned task if code that this process has loaded defined it with podhatch."""
    registry = sys.modules.get("podhatch.task.handle")
    if registry is None:
        return None
    task: TaskHandle[Any] | None = registry.find_task(assignment.workflow, assignment.task)
    return _loaded(task) if task is not None else None


def _loaded(task: "TaskHandle[Any]") -> LoadedTask:
    workflow = task.workflow
    logger = None if workflow.config.disable_log_capture else workflow.config.logger
    return LoadedTask(task.fn, workflow.input_validator, workflow.lifespan, logger)


def _module_at(assignment: Assignment, location: str) -> tuple[ModuleType, str]:
    """Return the imported module of a location, and the qualified name in it."""
    place, _, name = location.rpartition(":")
    if not place or not name:
        reason = "it is not of the form module:function or file.py:function"
        raise _failure(assignment, "InvalidLocation", reason)
    if place.endswith(".py"):
        return _import(assignment, _find_file(assignment, place)), name
    return _import_name(assignment, place), name


def _import_name(assignment: Assignment, name: str) -> ModuleType:
    """Import a module after the packages around it."""
    package = name.rpartition(".")[0]
    if package:
        _import_name(assignment, package)
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # its parent is not a package
        spec = None
    if spec is None:
        raise _failure(
            assignment,
            "ModuleNotFound",
            f"there is no module {name}: it was looked for in {os.getcwd()} and on Python's path. "
            "Put it into the image, or correct the name",
        )
    return _import(assignment, spec)


def _find_file(assignment: Assignment, place: str) -> ModuleSpec:
    """Treat a file as `python file.py` does: its folder comes first on the path."""
    path = os.path.abspath(place)
    if not os.path.isfile(path):
        raise _failure(
            assignment,
            "ModuleNotFound",
            f"there is no file {path}. Put it into the image, or correct the path",
        )
    folder, file = os.path.split(path)
    if sys.path[0] != folder:
        sys.path.insert(0, folder)
    name = file.removesuffix(".py")
    if name in sys.stdlib_module_names:
        name = f"podhatch_task_{name}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None, "a .py file always has a loader"
    return spec


def _import(assignment: Assignment, spec: ModuleSpec) -> ModuleType:
    """Import a module as `import` would, but keep it when it stops at a run."""
    if spec.name in sys.modules:
        return sys.modules[spec.name]
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        with while_loading():
            if spec.loader:  # a folder without __init__.py has none
                spec.loader.exec_module(module)
    except RunReachedWhileLoading:
        pass
    except BaseException as error:
        sys.modules.pop(spec.name, None)
        raise _import_failure(assignment, error) from error
    package, _, name = spec.name.rpartition(".")
    if package in sys.modules:
        setattr(sys.modules[package], name, module)
    return module


def _walk(module: ModuleType, qualified_name: str) -> object:
    """Follow a qualified name from the module; None where it leads nowhere."""
    found: object = module
    for name in qualified_name.split("."):
        found = getattr(found, name, None)
    return found


def _task_at(assignment: Assignment, module: ModuleType, qualified_name: str) -> LoadedTask:
    """Return the task or the plain function of a name."""
    found = _walk(module, qualified_name)
    definitions = sys.modules.get("podhatch.definitions.task")
    task: Any = getattr(found, "task", found)  # a standalone task has one
    if definitions and isinstance(task, definitions.Task):
        return _loaded(task)
    return LoadedTask(_function(assignment, found, module, qualified_name), None)


def _function(
    assignment: Assignment, found: object, module: ModuleType, qualified_name: str
) -> Callable[..., object]:
    """Return what was found if it can be called."""
    if callable(found):
        return found
    raise _failure(
        assignment,
        "FunctionNotFound",
        f"the module {module.__name__} ({getattr(module, '__file__', None)}) has no function "
        f"{qualified_name}. Correct the name, or define the function at the module's top level",
    )


def _failure(assignment: Assignment, kind: str, reason: str, trace: str = "") -> Exception:
    who = f"task {assignment.task} of workflow {assignment.workflow}"
    return TaskFailure(kind, f"{who}, python: {assignment.location!r}: {reason}", trace)


def _import_failure(assignment: Assignment, error: BaseException) -> Exception:
    from podhatch.runner.failure import describe

    report = describe(error)
    reason = f"importing it failed: {report['type']}: {report['message']}"
    return _failure(assignment, report["type"], reason, report.get("traceback", ""))


def enter_source(archive: str, name: str) -> None:
    """Extract the zip to a fresh folder, work there, and import from there first.

    If the SDK named the ConfigMap that it is in, the content must have the hash in that name.
    """
    import io
    import tempfile
    import zipfile

    try:
        with open(archive, "rb") as file:
            packed = file.read()
        _check_hash(packed, name)
        folder = tempfile.mkdtemp(prefix="podhatch-source-")
        with zipfile.ZipFile(io.BytesIO(packed)) as source:
            _extract(source, folder)
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        message = f"the workflow's source {archive} could not be unpacked: {error}"
        raise TaskFailure("SourceUnreadable", message) from error
    os.chdir(folder)
    sys.path.insert(0, folder)


def _extract(source: "ZipFile", folder: str) -> None:
    """Extract files, then links, which `extractall` writes as files; nothing leaves the folder."""
    links: list[tuple[str, str]] = []
    for entry in source.infolist():
        mode = entry.external_attr >> 16
        if stat.S_ISLNK(mode):
            links.append((entry.filename, source.read(entry).decode()))
            continue
        path = source.extract(entry, folder)
        if stat.S_ISREG(mode) and mode & stat.S_IXUSR:
            os.chmod(path, 0o755)
    for name, target in links:
        path = os.path.normpath(os.path.join(folder, name))
        end = os.path.normpath(os.path.join(os.path.dirname(path), target))
        if not (path.startswith(folder + os.sep) and f"{end}/".startswith(f"{folder}/")):
            raise ValueError(f"the link {name} leads out of it")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(target, path)


def _check_hash(packed: bytes, name: str) -> None:
    from podhatch.api.names import is_source_name, source_name

    if is_source_name(name) and source_name(packed) != name:
        message = (
            f"ConfigMap {name} does not hold the source that was shipped: its content does not "
            "have the hash in its name; delete the ConfigMap, and run or publish the workflow again"
        )
        raise TaskFailure("SourceChanged", message)
