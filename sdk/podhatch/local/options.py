"""Options of local runs, and the check that their extra is installed.

The test plugin loads this in every pytest run, so it imports little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from podhatch.errors import PodhatchError
from podhatch.local.clock import Clock

Mocks = Mapping[str, object]
"""By the name of a task: what it returns, or a function of `(input, ctx)` that is run for it."""
_NO_MOCKS: Mocks = {}


@dataclass(frozen=True)
class LocalEvent:
    """An event that is pushed while a local run is under way.

    Attributes:
        key: What `UserEventCondition` names.
        payload: What conditions call `input`.
        scope: Conditions that name a scope take events of that scope only.
        after: How long after the start, by the clock of the run.
    """

    key: str
    payload: Mapping[str, Any] = field(default_factory=dict[str, Any])
    scope: str | None = None
    after: timedelta = timedelta()


@dataclass(frozen=True)
class LocalOptions:
    """How local runs are run.

    Attributes:
        processes: Each attempt gets a child process; else a thread of this one.
        clock: The time by which waits, backoffs and schedules are measured; None for the machine's.
        mocks: What stands in for tasks, by their names: a value that the task returns, or a
            function of `(input, ctx)`.
        events: Pushed while the runs are under way.
    """

    processes: bool = False
    clock: Clock | None = None
    mocks: Mocks = field(default_factory=lambda: _NO_MOCKS)
    events: Sequence[LocalEvent] = ()


class ExtraMissing(PodhatchError, ImportError):  # noqa: N818 - it names a state
    """What local runs need beside podhatch itself is not installed."""


def require_extra() -> None:
    """Raise ExtraMissing if a library is missing that the operator's decisions need."""
    from podhatch.evaluation.client import is_installed

    if not is_installed():
        raise ExtraMissing(
            "to run workflows without a cluster, install their extra: pip install 'podhatch[local]'"
        )
