"""Checks that the lock files are closed: `python -m tests.locks`, part of make verify.

Locks are installed with `pip install --no-deps`, so pip does not notice a package that is missing
from one. This does: each requirement of each locked package, and of the project itself, must be in
the lock at a version that fits, on each Python that the project supports. What a package requires
is read from its installed metadata, so the check needs no network.
"""

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from podhatch.api.model import JsonObject

ROOT = Path(__file__).resolve().parent.parent
PYTHONS = ("3.11", "3.12", "3.13")


@dataclass(frozen=True)
class Package:
    """What a package says about itself."""

    version: str
    requires: tuple[Requirement, ...] = ()
    python: str = ""


Packages = Callable[[str], Package | None]


@dataclass(frozen=True)
class Lock:
    """A lock file, and the requirements that it was made for."""

    name: str
    lines: tuple[Requirement, ...]
    roots: tuple[Requirement, ...]


def read_lines(text: str) -> tuple[Requirement, ...]:
    """Return the requirements of a lock file, without their hashes."""
    lines = (line.split("#")[0].strip() for line in text.splitlines())
    logical = "\n".join(line for line in lines if line).replace("\\\n", " ").splitlines()
    return tuple(Requirement(line.split("--hash")[0]) for line in logical)


def problems(lock: Lock, packages: Packages, pythons: Iterable[str] = PYTHONS) -> list[str]:
    """Say what keeps a lock from being closed, a sentence each."""
    loose = [line for line in lock.lines if not _pinned(line)]
    found = [f"{line} is not locked to one version" for line in loose] or [
        sentence for python in pythons for sentence in _problems(lock, packages, python)
    ]
    return list(dict.fromkeys(f"requirements/{lock.name}: {sentence}" for sentence in found))


def _problems(lock: Lock, packages: Packages, python: str) -> Iterator[str]:
    locked = {_name(line): line for line in lock.lines if _applies(line, python)}
    extras: dict[str, set[str]] = {name: set() for name in locked}
    for root in lock.roots:
        yield from _check(root, "podhatch", locked, extras, python)
    checked: set[tuple[str, str]] = set()
    while todo := {(name, extra) for name in extras for extra in ("", *extras[name])} - checked:
        checked |= todo
        for name, extra in sorted(todo):
            package = packages(name)
            if package is None:
                if _applies(locked[name]):
                    yield f"{name} is not installed: run `make install`"
                continue
            if not locked[name].specifier.contains(package.version, prereleases=True):
                yield f"{locked[name]} is locked, {package.version} is installed"
            if not SpecifierSet(package.python).contains(python):
                yield f"{name} {package.version} does not support Python {python}"
            for wanted in package.requires:
                if _applies(wanted, python, extra):
                    yield from _check(wanted, name, locked, extras, python)


def _check(
    wanted: Requirement,
    by: str,
    locked: Mapping[str, Requirement],
    extras: dict[str, set[str]],
    python: str,
) -> Iterator[str]:
    name = _name(wanted)
    if name not in locked:
        yield f"{by} requires {wanted.name}{wanted.specifier}, which is missing on Python {python}"
        return
    extras[name] |= wanted.extras
    [pin] = locked[name].specifier
    if not wanted.specifier.contains(pin.version, prereleases=True):
        yield f"{by} requires {wanted.name}{wanted.specifier}, but {pin.version} is locked"


def _applies(requirement: Requirement, python: str | None = None, extra: str = "") -> bool:
    """Whether a requirement counts for an extra, on a Python of Linux or else on this one."""
    if requirement.marker is None:
        return not extra
    names = {**_environment(python), "extra": extra}
    return requirement.marker.evaluate(names)


@cache
def _environment(python: str | None) -> dict[str, str]:
    names: dict[str, str] = {**default_environment()}  # pyright: ignore
    if python is None:
        return names
    return names | {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "implementation_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
    }


def _pinned(line: Requirement) -> bool:
    return [specifier.operator for specifier in line.specifier] == ["=="]


def _name(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


@cache
def installed(name: str) -> Package | None:
    """Return a package of this environment."""
    try:
        found = metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None
    return Package(
        found.version,
        tuple(Requirement(text) for text in found.requires or ()),
        str(found.metadata.json.get("requires_python", "")),
    )


def locks(root: Path = ROOT) -> list[Lock]:
    """Return the project's lock files with the requirements in pyproject.toml that each is for."""
    settings: JsonObject = tomllib.loads((root / "pyproject.toml").read_text())
    run: list[str] = settings["project"]["dependencies"]
    extras: dict[str, list[str]] = settings["project"]["optional-dependencies"]
    every_extra = [text for texts in extras.values() for text in texts]
    roots: dict[str, list[str]] = {
        "build.txt": settings["build-system"]["requires"],
        "dev.txt": [*run, *every_extra, *settings["dependency-groups"]["dev"]],
        "operator.txt": [*run, *extras["operator"]],
        "runner.txt": [*run, *extras["local"]],
    }
    files = sorted((root / "requirements").glob("*.txt"))
    return [
        Lock(
            file.name,
            read_lines(file.read_text()),
            tuple(Requirement(text) for text in roots[file.name]),
        )
        for file in files
    ]


def main() -> int:
    """Print what is wrong with the lock files."""
    found = [sentence for lock in locks() for sentence in problems(lock, installed)]
    print("\n".join(found), end="\n" if found else "")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
