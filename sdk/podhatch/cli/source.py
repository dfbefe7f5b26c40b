"""Loads workflows from the user's code, `module:name` or `file.py:name`, and publishes them.

A call at the module's top level that needs the cluster ends the loading there, as it does in a pod.
"""

import importlib.util
import os
import sys
import sysconfig
import traceback
from contextlib import redirect_stdout
from importlib.machinery import ModuleSpec
from itertools import accumulate
from types import ModuleType
from typing import Any, cast

import podhatch
from podhatch.cli.errors import CommandError
from podhatch.cli.options import with_defaults
from podhatch.cli.rendering.console import print_error
from podhatch.client.manifest import Manifest
from podhatch.client.target import Target
from podhatch.definitions.graph import Project
from podhatch.definitions.workflow import Standalone, Workflow
from podhatch.hatchet import Hatchet
from podhatch.task.loading import RunReachedWhileLoading, while_loading
from podhatch.values.parsing import did_you_mean

_NOT_USER_CODE = (*podhatch.__path__, sysconfig.get_path("stdlib"))


def find_workflow(what: str, target: Target) -> Workflow[Any]:
    """Return the workflow that `module:name` names, or the workflow of a standalone task."""
    found = load(what)
    if isinstance(found, Standalone):
        found = cast("Standalone[Any, Any]", found).workflow
    if not isinstance(found, Workflow):
        raise CommandError(f"{what} is neither a workflow nor a task made by @hatchet.task()")
    workflow = cast("Workflow[Any]", found)
    _set_target(workflow.project, target)
    return workflow


def find_workflows(what: str, target: Target) -> list[Workflow[Any]]:
    """Return the workflows of the Hatchet that `module:name` names, or the workflow it names."""
    found = load(what)
    if not isinstance(found, Hatchet):
        return [find_workflow(what, target)]
    workflows = [each for each in found.definitions if each.all_tasks]
    if not workflows:
        raise CommandError(f"{what} defines no workflow with a task")
    _set_target(workflows[0].project, target)
    return workflows


def _set_target(project: Project, target: Target) -> None:
    """Set cluster and namespace of the workflows; options win over the code."""
    for workflow in project.workflows.values():
        workflow.target = with_defaults(target, workflow.target)


def manifest(workflow: Workflow[Any]) -> Manifest:
    """Return the objects that make up a workflow, or raise CommandError."""
    try:
        return workflow.manifest()
    except ValueError as error:
        raise CommandError(str(error)) from None


def load(place: str) -> object:
    """Return the object that `module:name` or `file.py:name` names."""
    path, _, name = place.rpartition(":")
    if not path or not name:
        raise CommandError(
            f"expected module:name or file.py:name, such as orders:hatchet, got {place!r}"
        )
    module = load_module(path)
    found: object = module
    for part in name.split("."):
        if not hasattr(found, part):
            question = did_you_mean(part, vars(module))
            raise CommandError(f"{path} has nothing named {name}{question}")
        found = getattr(found, part)
    return found


def load_module(path: str) -> ModuleType:
    """Import a module by its name from this folder, or a file as `python file.py` does."""
    if path.endswith(".py"):
        return _import(path, _spec_of_file(path))
    _add_to_path(os.getcwd())
    *packages, _ = accumulate(path.split("."), "{}.{}".format)
    for package in packages:
        _import(path, _spec_of_name(path, package))
    return _import(path, _spec_of_name(path, path))


def _spec_of_file(path: str) -> ModuleSpec:
    absolute = os.path.abspath(path)
    if not os.path.isfile(absolute):
        raise CommandError(f"there is no file {path}")
    folder, file = os.path.split(absolute)
    _add_to_path(folder)
    name = file.removesuffix(".py")
    taken = name in sys.stdlib_module_names or name in sys.modules
    spec = importlib.util.spec_from_file_location(f"podhatch_{name}" if taken else name, absolute)
    assert spec is not None, "a .py file always has a loader"
    return spec


def _spec_of_name(path: str, name: str) -> ModuleSpec:
    try:
        spec = importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # the parent is not a package
        spec = None
    if spec is None:
        raise CommandError(
            f"there is no module {path} in {os.getcwd()} or on Python's path; name a file with its "
            ".py"
        )
    return spec


def _add_to_path(folder: str) -> None:
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _import(path: str, spec: ModuleSpec) -> ModuleType:
    """Import a module; if its top level reaches a run, keep what it has defined until there."""
    if spec.name in sys.modules:
        return sys.modules[spec.name]
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        # A program may read the command's standard output.
        with while_loading(), redirect_stdout(sys.stderr):
            if spec.loader:  # a folder without __init__.py has none
                spec.loader.exec_module(module)
    except RunReachedWhileLoading as error:
        print_error(
            f"note: loading {path} ended at {line_of(error)}, which needs the cluster; workflows "
            "defined below it are not loaded"
        )
    except (Exception, SystemExit) as error:
        sys.modules.pop(spec.name, None)
        where = f" ({line})" if (line := line_of(error)) else ""
        what = f"{type(error).__name__}: {error}"
        raise CommandError(f"importing {path} failed: {what}{where}") from error
    return module


def line_of(error: BaseException) -> str:
    """Return file and line of the innermost call in the user's code; empty if there is none.

    A file below the current folder is named relative to it.
    """
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if os.path.isabs(frame.filename) and not frame.filename.startswith(_NOT_USER_CODE):
            return f"{frame.filename.removeprefix(os.getcwd() + os.sep)}:{frame.lineno}"
    return ""
