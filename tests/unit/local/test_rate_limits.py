"""Rate limits in local runs, by a clock that jumps."""

from datetime import UTC, datetime, timedelta

from podhatch import Context, EmptyModel, Hatchet, RateLimitDuration
from podhatch import RateLimit as Limit
from podhatch.api.model import ObjectMeta
from podhatch.api.rate_limit import RateLimit, RateLimitClaim, RateLimitSpec, RateLimitStatus
from podhatch.api.run import WorkflowRun, WorkflowRunSpec, WorkflowRunStatus
from podhatch.core.admission.rate_limits import RateLimitIndex
from podhatch.local.cluster import NAMESPACE, LocalCluster
from podhatch.local.engine import grant_units
from podhatch.testing import FakeClock

START = datetime(2026, 1, 1, tzinfo=UTC)


def test_a_task_waits_for_units_of_a_dynamic_key() -> None:
    clock, hatchet = FakeClock(START), Hatchet()
    moments: list[datetime] = []
    limit = Limit(dynamic_key="'api'", limit=1, duration=RateLimitDuration.HOUR)

    @hatchet.task(name="call", rate_limits=[limit], retries=2, schedule_timeout="2h")
    def call(input: EmptyModel, ctx: Context) -> int:
        moments.append(clock.now())
        if ctx.attempt_number < 3:
            raise ValueError("again")
        return ctx.attempt_number

    assert call.run_local(clock=clock) == 3
    assert [round((each - START) / timedelta(hours=1)) for each in moments] == [0, 1, 2]


def test_a_static_key_has_no_bound() -> None:
    @Hatchet().task(name="call", rate_limits=[Limit(static_key="api", units=1000)])
    def call(input: EmptyModel, ctx: Context) -> str:
        return "called"

    assert call.run_local() == "called"


def test_a_window_that_nobody_waits_for_is_no_reason_for_the_clock_to_jump() -> None:
    index = RateLimitIndex()
    observers = {"RateLimit": index.observe_limit, "WorkflowRun": index.observe_run}
    cluster = LocalCluster(FakeClock(START), lambda raw: observers[raw["kind"]](raw))
    status = RateLimitStatus(used=1, left=0, window_start=START)
    spec = RateLimitSpec(key="api", limit=1, duration="YEAR")
    cluster.put(RateLimit(metadata=ObjectMeta(name="api"), spec=spec, status=status).to_wire())
    assert grant_units(cluster, index.of(NAMESPACE), START) is None
    claim = RateLimitClaim(task="a", job="a-1", limit="api", units=1, since=START)
    cluster.put(
        WorkflowRun(
            metadata=ObjectMeta(name="run"),
            spec=WorkflowRunSpec(workflow="flow"),
            status=WorkflowRunStatus(phase="Running", rate_limits=[claim]),
        ).to_wire()
    )
    assert grant_units(cluster, index.of(NAMESPACE), START) == START + timedelta(days=365)
