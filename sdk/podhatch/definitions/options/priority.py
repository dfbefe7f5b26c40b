"""How urgent a run is, against others that wait for room in the cluster. Standard library only."""

from enum import IntEnum


class Priority(IntEnum):
    """Of a run's pods; where it is given, the plain number will do as well."""

    LOW = 1
    MEDIUM = 2
    HIGH = 3


def check_priority(subject: str, priority: object) -> int | None:
    """Return the priority as a number; None stays None.

    Raises:
        ValueError: It is none from 1 to 3; `subject` names the option.
    """
    if priority is None:
        return None
    if not isinstance(priority, int) or isinstance(priority, bool) or not 1 <= priority <= 3:
        raise ValueError(f"{subject}: {priority!r} is not a priority from 1 (low) to 3 (high)")
    return int(priority)
