"""Paused workflows in local runs."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch import Context, Hatchet
from podhatch.errors import RunCancelled
from podhatch.local.options import LocalOptions
from podhatch.local.session import local_runs
from podhatch.testing import FakeClock

START = datetime(2030, 1, 1, tzinfo=UTC)
hatchet = Hatchet()


def test_a_run_of_a_paused_workflow_waits_and_starts_when_it_is_unpaused() -> None:
    @hatchet.task()
    def price(input: Any, ctx: Context) -> int:
        return 7

    clock = FakeClock(START)
    with local_runs(LocalOptions(clock=clock)):
        assert price.run() == 7
        price.pause()
        waiting = price.run_no_wait()
        assert hatchet.runs.get_status(waiting.workflow_run_id) == "QUEUED"
        price.unpause()
        assert waiting.result() == 7


def test_a_run_of_a_paused_workflow_is_cancelled_at_its_queue_ttl() -> None:
    @hatchet.task()
    def late(input: Any, ctx: Context) -> int:
        return 7

    clock = FakeClock(START)
    with local_runs(LocalOptions(clock=clock)):
        late.run()
        late.pause(queue_ttl="2h")
        begin = clock.now()
        with pytest.raises(RunCancelled, match="is paused, and the run waited 7200 s"):
            late.run()
        assert timedelta(hours=2) <= clock.now() - begin < timedelta(hours=2, seconds=10)
