"""Public docstrings document each parameter in the arguments section, and what is raised."""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property

import podhatch
import pytest
from podhatch import Hatchet

TWIN = re.compile(r"^Do what `(\w+)` does")
"""The docstring of an async method, which refers to the sync one."""
ARGUMENTS = re.compile(r"^Args:\n((?:[ ]+.*\n|\n)*)", re.MULTILINE)
RAISES = re.compile(r"^\s+raise \w", re.MULTILINE)


def public_classes() -> Iterator[type]:
    """Yield the classes of the public names, and those of the feature clients."""
    hatchet = Hatchet()
    for name in dir(podhatch):
        public: object = getattr(podhatch, name)
        if inspect.isclass(public) and public.__module__.startswith("podhatch."):
            yield public
    for name, member in inspect.getmembers_static(Hatchet):
        if isinstance(member, cached_property):
            yield type(getattr(hatchet, name))


def public_callables() -> dict[str, Callable[..., object]]:
    """Return the functions, methods and properties, by where they are defined."""
    found: dict[str, Callable[..., object]] = {}
    for name in dir(podhatch):
        public: object = getattr(podhatch, name)
        if inspect.isfunction(public):
            found[f"{public.__module__}.{public.__qualname__}"] = public
    for owner in public_classes():
        for name, member in inspect.getmembers_static(owner):
            function: object = getattr(member, "__func__", None) or member
            function = getattr(function, "fget", None) or getattr(function, "func", function)
            if name.startswith("_") or not inspect.isfunction(function):
                continue
            if function.__module__.startswith("podhatch."):
                found[f"{function.__module__}.{function.__qualname__}"] = function
    return found


CALLABLES = public_callables()


def faults(function: Callable[..., object]) -> list[str]:
    """Return what a docstring lacks: a text, the arguments, what is raised."""
    text = inspect.getdoc(function) or ""
    if not text:
        return ["no docstring"]
    if twin := TWIN.search(text):
        owner = function.__qualname__.rpartition(".")[0]
        known = f"{function.__module__}.{owner}.{twin[1]}" in CALLABLES
        return [] if known else [f"there is no method {twin[1]}"]
    arguments = ARGUMENTS.search(f"{text}\n")
    documented = re.findall(r"^ {4}(\w+):", arguments[1], re.MULTILINE) if arguments else []
    parameters = [each for each in inspect.signature(function).parameters if each != "self"]
    found = [f"no argument {each}" for each in parameters if each not in documented]
    found += [f"unknown argument {each}" for each in documented if each not in parameters]
    if RAISES.search(inspect.getsource(function)) and not re.search("^Raises:", text, re.MULTILINE):
        found.append("no raised exception")
    return found


def test_the_tests_find_public_docstrings() -> None:
    assert len(CALLABLES) > 200
    assert "podhatch.client.runs.client.RunsClient.get" in CALLABLES


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_a_docstring_names_the_arguments_and_what_is_raised(name: str) -> None:
    assert faults(CALLABLES[name]) == []


class Mutants:
    """Methods whose docstrings lack something."""

    def nothing(self) -> None: ...

    def in_prose(self, text: str) -> str:
        """Return the text, which another section documents.

        Attributes:
            text: The text.
        """
        return text

    def renamed(self, text: str) -> str:  # noqa: D417
        """Return the text.

        Args:
            string: The text.
        """
        return text

    def silent(self) -> None:
        """Raise ValueError. Raises: in the middle of a line is not a section."""
        raise ValueError

    def twin(self) -> None:
        """Do what `missing` does."""


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        (Mutants.nothing, ["no docstring"]),
        (Mutants.in_prose, ["no argument text"]),
        (Mutants.renamed, ["no argument text", "unknown argument string"]),
        (Mutants.silent, ["no raised exception"]),
        (Mutants.twin, ["there is no method missing"]),
    ],
)
def test_an_incomplete_docstring_is_found(
    method: Callable[..., object], expected: list[str]
) -> None:
    assert faults(method) == expected
