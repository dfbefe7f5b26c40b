"""The time limit of an attempt that may do nothing but wait."""

from datetime import UTC, datetime, timedelta

from podhatch.local.threads import TimeLimit

NOW = datetime(2030, 1, 1, tzinfo=UTC)
TTL = 15.0


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def begun(ttl: float | None = TTL) -> TimeLimit:
    limit = TimeLimit(ttl)
    limit.begin(NOW)
    return limit


def test_the_time_begins_with_the_function() -> None:
    assert TimeLimit(TTL).deadline(10) is None
    assert TimeLimit(TTL).seconds_left(10) is None
    assert begun().deadline(10) == after(10)
    left = begun().seconds_left(10)
    assert left is not None
    assert 0 < left <= 10
    assert begun().deadline(None) is None


def test_a_wait_that_outlives_the_pod_has_no_deadline() -> None:
    limit = begun()
    limit.parked(True, after(2))
    assert limit.deadline(60) is None
    assert limit.seconds_left(60) is None


def test_a_limit_that_ends_before_the_pod_is_given_up_holds() -> None:
    limit = begun()
    limit.parked(True, after(2))
    assert limit.deadline(10) == after(10)
    assert limit.seconds_left(10) is not None


def test_the_time_begins_anew_after_a_long_wait() -> None:
    limit = begun()
    limit.parked(True, after(2))
    limit.parked(False, after(1000))
    assert limit.deadline(60) == after(1060)


def test_the_time_goes_on_after_a_short_wait() -> None:
    limit = begun()
    limit.parked(True, after(2))
    limit.parked(False, after(2 + TTL))
    assert limit.deadline(60) == after(60)


def test_a_task_that_is_never_given_up_has_its_deadline() -> None:
    limit = begun(ttl=None)
    limit.parked(True, after(2))
    assert limit.deadline(60) == after(60)
    limit.parked(False, after(1000))
    assert limit.deadline(60) == after(60)
