"""Of which kind the values of options are: another is refused where it is written.

Standard library only, since definitions are loaded in every pod.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from podhatch.definitions.options.pod import Pod
from podhatch.definitions.options.retrying import TaskDefaults


@dataclass(frozen=True)
class _Kind:
    type: type
    otherwise: str
    """What is said of a value that is none of it."""

    def holds(self, value: object) -> bool:
        # A bool is an int too, but nobody means a number by it.
        return isinstance(value, self.type) and (self.type is bool or not isinstance(value, bool))


_TEXT = _Kind(str, "is no text")
_NUMBER = _Kind(int, "is no whole number")
_KINDS: Mapping[str, _Kind] = {
    "description": _TEXT,
    "image": _TEXT,
    "pod": _Kind(Pod, "is no Pod: write pod=Pod(...)"),
    "run_as_user": _NUMBER,
    "slot_cost": _NUMBER,
    "task_defaults": _Kind(TaskDefaults, "is no TaskDefaults: write task_defaults=TaskDefaults()"),
    "ttl_seconds_after_finished": _Kind(int, "is no whole number of seconds"),
    "version": _TEXT,
}


def check_kinds(subject: str, options: Mapping[str, object]) -> None:
    """Refuse options whose values are of another kind; None stands for the default.

    Raises:
        ValueError: One is; `subject`, the option and its value are named.
    """
    for name, kind in _KINDS.items():
        value = options.get(name)
        if value is not None and not kind.holds(value):
            raise ValueError(f"{subject}: {name}: {value!r} {kind.otherwise}")
