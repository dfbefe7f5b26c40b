"""The pytest plugin, found by its entry point. Every pytest run loads it, so it stays light."""

from collections.abc import Generator

import pytest

from podhatch.testing.local_runs import LocalRuns


@pytest.fixture
def podhatch_local() -> Generator[LocalRuns]:
    """Run workflows without a cluster, by a clock that does not wait: see `LocalRuns`."""
    from podhatch.testing.local_runs import entered

    with entered() as local:
        yield local
