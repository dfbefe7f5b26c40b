"""The pytest plugin, found by its entry point. Every pytest run loads it, so it stays light."""

from collections.abc import Generator
from typing import Any

import pytest

from podhatch.local.clock import FakeClock
from podhatch.local.options import LocalOptions, require_extra
from podhatch.testing.local_runs import LocalRuns


@pytest.fixture
def podhatch_local() -> Generator[LocalRuns]:
    """Run workflows without a cluster, by a clock that does not wait: see `LocalRuns`."""
    require_extra()
    from podhatch.local.session import local_runs

    clock = FakeClock()
    mocks: dict[str, Any] = {}
    with local_runs(LocalOptions(clock=clock, mocks=mocks), everywhere=True) as session:
        yield LocalRuns(session, clock, mocks)
