"""What the public docstrings must say: each parameter by its name, and what is raised."""

import inspect
import re
from collections.abc import Callable, Iterator
from functools import cached_property

import podhatch
import pytest
from podhatch import Hatchet

TWIN = re.compile(r"Do what `\w+` does")
"""Of a method in an event loop: the other one says it."""
RAISES = re.compile(r"^\s+raise \w", re.MULTILINE)


def public_classes() -> Iterator[type]:
    """Yield the classes of the public names, and those of the feature clients."""
    hatchet = Hatchet()
    for name in podhatch.__all__:
        public: object = getattr(podhatch, name)
        if inspect.isclass(public) and public.__module__.startswith("podhatch."):
            yield public
    for name, member in inspect.getmembers_static(Hatchet):
        if isinstance(member, cached_property):
            yield type(getattr(hatchet, name))


def public_callables() -> dict[str, Callable[..., object]]:
    """Return the functions, methods and properties, by where they are defined."""
    found: dict[str, Callable[..., object]] = {}
    for name in podhatch.__all__:
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


def test_the_tests_find_public_docstrings() -> None:
    assert len(CALLABLES) > 200
    assert "podhatch.features.runs.RunsClient.get" in CALLABLES


@pytest.mark.parametrize("name", sorted(CALLABLES))
def test_a_docstring_names_what_goes_in_and_what_is_raised(name: str) -> None:
    function = CALLABLES[name]
    told = inspect.getdoc(function) or ""
    assert told, "it has none"
    if TWIN.search(told):
        return
    parameters = [each for each in inspect.signature(function).parameters if each != "self"]
    assert [each for each in parameters if not re.search(rf"\b{each}\b", told)] == []
    if RAISES.search(inspect.getsource(function)):
        assert "Raises:" in told
