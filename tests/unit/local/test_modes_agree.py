"""Threads and child processes come to the same ends; the end-to-end test adds the cluster."""

import pytest
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock

from tests.e2e.flows import same


@pytest.mark.parametrize("case", same.CASES)
def test_threads_and_processes_agree(case: str) -> None:
    with local_runs(LocalOptions(clock=FakeClock())):
        in_threads = same.outcome(case)
    with local_runs(LocalOptions(clock=FakeClock(), processes=True)):
        assert same.outcome(case) == in_threads
