"""For tests of workflows: a pytest fixture, `podhatch_local`, and a clock that does not wait.

With the fixture, whatever a test or the code under test runs, it runs without a cluster.
"""

from podhatch.local.clock import FakeClock
from podhatch.local.options import LocalEvent
from podhatch.testing.local_runs import LocalRuns

__all__ = ["FakeClock", "LocalEvent", "LocalRuns"]
