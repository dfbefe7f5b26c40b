"""Rate limits in local runs, by a clock that jumps."""

from datetime import UTC, datetime, timedelta

from podhatch import Context, EmptyModel, Hatchet, RateLimit, RateLimitDuration
from podhatch.testing import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_task_waits_for_units_of_a_dynamic_key() -> None:
    clock, hatchet = FakeClock(START), Hatchet()
    moments: list[datetime] = []
    limit = RateLimit(dynamic_key="'api'", limit=1, duration=RateLimitDuration.HOUR)

    @hatchet.task(name="call", rate_limits=[limit], retries=2, schedule_timeout="2h")
    def call(input: EmptyModel, ctx: Context) -> int:
        moments.append(clock.now())
        if ctx.attempt_number < 3:
            raise ValueError("again")
        return ctx.attempt_number

    assert call.run_local(clock=clock) == 3
    assert [round((each - START) / timedelta(hours=1)) for each in moments] == [0, 1, 2]


def test_a_static_key_has_no_bound() -> None:
    @Hatchet().task(name="call", rate_limits=[RateLimit(static_key="api", units=1000)])
    def call(input: EmptyModel, ctx: Context) -> str:
        return "called"

    assert call.run_local() == "called"
