"""The lock files are closed, and the check of it finds what is missing."""

from dataclasses import replace

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.locks import Lock, Package, installed, locks, problems, read_lines

LOCKS = {lock.name: lock for lock in locks()}
COVERAGE = Package("7.0", (Requirement("tomli>=2; python_version < '3.12' and extra == 'toml'"),))
PACKAGES = {"coverage": COVERAGE, "tomli": Package("2.1"), "plugin": Package("1.0")}


def lock_of(*lines: str, root: str = "coverage[toml]>=7") -> Lock:
    return Lock("x.txt", tuple(map(Requirement, lines)), (Requirement(root),))


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_is_closed(lock: Lock):
    assert lock.lines
    assert problems(lock, installed) == []


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_without_one_of_its_lines_is_not(lock: Lock):
    kept_by_nothing = {"editables"}  # asked for by hatchling when it makes an editable wheel
    for line in lock.lines:
        if line.marker is None and line.name not in kept_by_nothing:
            doctored = replace(lock, lines=tuple(x for x in lock.lines if x is not line))
            found = problems(doctored, installed)
            assert any("which is missing on Python 3.13" in sentence for sentence in found), line


@pytest.mark.parametrize("lock", LOCKS.values(), ids=LOCKS)
def test_a_lock_with_another_version_than_the_installed_is_told(lock: Lock):
    for line in lock.lines:
        if line.marker is None:
            other = Requirement(f"{line.name}==0.0.1")
            lines = tuple(other if x is line else x for x in lock.lines)
            found = problems(replace(lock, lines=lines), installed)
            name = canonicalize_name(line.name)
            assert any(f"{name}==0.0.1 is locked" in sentence.lower() for sentence in found), line


def test_a_requirement_of_an_extra_counts_where_its_marker_holds():
    lock = lock_of("coverage==7.0")
    assert problems(lock, PACKAGES.get) == [
        "requirements/x.txt: coverage requires tomli>=2, which is missing on Python 3.11"
    ]
    assert problems(lock, PACKAGES.get, ["3.12", "3.13"]) == []
    assert problems(replace(lock, roots=(Requirement("coverage"),)), PACKAGES.get) == []


def test_a_version_that_a_package_excludes_is_told():
    packages = {**PACKAGES, "tomli": Package("1.9")}
    assert problems(lock_of("coverage==7.0", "tomli==1.9"), packages.get) == [
        "requirements/x.txt: coverage requires tomli>=2, but 1.9 is locked"
    ]


def test_a_version_that_the_project_excludes_is_told():
    lock = lock_of("coverage==7.0", "tomli==2.1", root="coverage>=8")
    assert problems(lock, PACKAGES.get) == [
        "requirements/x.txt: podhatch requires coverage>=8, but 7.0 is locked"
    ]


def test_a_package_that_drops_a_python_is_told():
    packages = {"coverage": Package("7.0", python=">=3.12")}
    assert problems(lock_of("coverage==7.0", root="coverage"), packages.get) == [
        "requirements/x.txt: coverage 7.0 does not support Python 3.11"
    ]


def test_a_line_without_one_version_is_told():
    assert problems(lock_of("coverage>=7"), PACKAGES.get) == [
        "requirements/x.txt: coverage>=7 is not locked to one version"
    ]


def test_hashes_comments_and_markers_of_a_lock_are_read():
    text = """
a==1 \\
    --hash=sha256:00 \\
    --hash=sha256:11
    # via b
b==2 ; sys_platform == 'win32' \\
    --hash=sha256:22
"""
    assert [str(line) for line in read_lines(text)] == ["a==1", 'b==2; sys_platform == "win32"']
