"""What callers give by keyword, to a decorator, a run or a feature client. Stdlib only."""

from collections.abc import Mapping


def refuse_unknown(subject: str, options: Mapping[str, object], known: type) -> None:
    """Refuse options that a function does not take: silently left out, they would mislead.

    Args:
        subject: What is named in the error.
        options: What was given.
        known: The TypedDict that lists the options.

    Raises:
        TypeError: There is no such option; `subject` and the option are named.
    """
    for name in options.keys() - known.__annotations__.keys():
        raise TypeError(f"{subject}: there is no option {name!r}")
