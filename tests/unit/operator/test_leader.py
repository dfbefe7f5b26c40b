"""One leads; another takes over when the leader is silent, gives up, or goes."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import pytest
from podhatch.api.model import JsonObject
from podhatch.cluster import ApiError, Cluster, ClusterUnreachable
from podhatch_operator.ops.leader import (
    LEASE_SECONDS,
    LOOK_SECONDS,
    RENEW_DEADLINE_SECONDS,
    RENEW_SECONDS,
    Elector,
)

from tests.unit.operator.operator_cluster import OperatorCluster


class TooLong(Exception):  # noqa: N818
    """The candidate would wait for ever."""


@dataclass
class Election:
    """A cluster, and a time that passes only while a candidate sleeps."""

    cluster: OperatorCluster = field(default_factory=OperatorCluster)
    now: float = 1000.0
    until: float = float("inf")
    meanwhile: Callable[[], object] = lambda: None

    def candidate(self, identity: str) -> Elector:
        return Elector(
            cast("Cluster", self.cluster),
            namespace="default",
            name="podhatch",
            identity=identity,
            clock=lambda: self.now,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.meanwhile()
        await asyncio.sleep(0.001)
        if self.now > self.until:
            raise TooLong

    async def holds(self, elector: Elector, seconds: float) -> None:
        """Let a leader lead for so long."""
        self.until = self.now + seconds
        with pytest.raises(TooLong):
            await elector.hold()
        self.until = float("inf")

    def lease(self) -> JsonObject:
        (lease,) = self.cluster.objects("Lease")
        return lease["spec"]


@pytest.fixture
def election() -> Election:
    return Election()


def test_a_takeover_takes_at_most_15_seconds_and_never_overlaps() -> None:
    assert LEASE_SECONDS + LOOK_SECONDS < 15
    assert RENEW_DEADLINE_SECONDS + RENEW_SECONDS < LEASE_SECONDS


async def test_the_first_candidate_leads_at_once(election: Election) -> None:
    first = election.candidate("a")
    await first.acquire()
    assert first.leadership.leads
    assert election.now == 1000
    assert election.lease()["holderIdentity"] == "a"


async def test_a_leader_renews_as_long_as_it_can(election: Election) -> None:
    first = election.candidate("a")
    await first.acquire()
    writes = len(election.cluster.order)
    await election.holds(first, 60)
    assert first.leadership.leads
    assert len(election.cluster.order) - writes == pytest.approx(60 / RENEW_SECONDS, abs=2)


async def test_a_standby_waits_while_the_leader_renews(election: Election) -> None:
    await election.candidate("a").acquire()
    renewals: list[asyncio.Future[None]] = []

    def renew() -> None:
        renewals.append(asyncio.ensure_future(election.candidate("a").acquire()))

    election.meanwhile, election.until = renew, election.now + 60
    with pytest.raises(TooLong):
        await election.candidate("b").acquire()
    await asyncio.gather(*renewals)
    assert election.lease()["holderIdentity"] == "a"


async def test_a_silent_leader_is_replaced_within_15_seconds(election: Election) -> None:
    first, second = election.candidate("a"), election.candidate("b")
    await first.acquire()
    killed_at = election.now
    await second.acquire()
    assert LEASE_SECONDS <= election.now - killed_at < 15
    assert election.lease()["holderIdentity"] == "b"
    assert election.lease()["leaseTransitions"] == 1


async def test_a_released_lease_is_taken_at_the_next_look(election: Election) -> None:
    first, second = election.candidate("a"), election.candidate("b")
    await first.acquire()
    await first.release()
    assert not first.leadership.leads
    await second.acquire()
    assert election.now == 1000


async def test_a_leader_that_was_replaced_ends_at_its_next_renewal(election: Election) -> None:
    first, second = election.candidate("a"), election.candidate("b")
    await first.acquire()
    await second.acquire()
    before = election.now
    election.now -= LEASE_SECONDS  # the first one's renewal was held up, and it does not know
    await first.hold()
    assert election.now < before
    assert not first.leadership.leads
    assert election.lease()["holderIdentity"] == "b"


@pytest.mark.parametrize(
    "failure", [ClusterUnreachable("gone"), ApiError(500, "InternalError", "etcd")]
)
async def test_a_leader_that_cannot_renew_ends_before_another_may_lead(
    election: Election, failure: Exception
) -> None:
    first = election.candidate("a")
    await first.acquire()
    election.cluster.refusals["patch Lease"] = failure  # type: ignore[assignment]
    renewed_at = election.now
    await first.hold()
    assert RENEW_DEADLINE_SECONDS <= election.now - renewed_at < LEASE_SECONDS
    assert not first.leadership.leads


async def test_a_failure_that_passes_costs_nothing(election: Election) -> None:
    first = election.candidate("a")
    await first.acquire()
    election.cluster.refusals["patch Lease"] = ApiError(500, "InternalError", "etcd")
    fails_until = election.now + RENEW_DEADLINE_SECONDS - 2

    def recover() -> None:
        if election.now >= fails_until:
            election.cluster.refusals.clear()

    election.meanwhile = recover
    await election.holds(first, 60)


async def test_a_leader_that_starts_again_under_its_name_goes_on(election: Election) -> None:
    await election.candidate("a").acquire()
    again = election.candidate("a")
    await again.acquire()
    assert election.now == 1000


async def test_of_two_that_want_a_free_lease_one_gets_it(election: Election) -> None:
    first, second = election.candidate("a"), election.candidate("b")
    election.cluster.refusals["create Lease"] = ApiError(409, "AlreadyExists", "there is one")

    def other_was_faster() -> None:
        election.cluster.refusals.clear()

    election.meanwhile = other_was_faster
    await first.acquire()
    election.until = election.now + 5
    with pytest.raises(TooLong):
        await second.acquire()


async def test_why_nobody_leads_is_told(election: Election) -> None:
    first = election.candidate("a")
    election.cluster.refusals["create Lease"] = ApiError(403, "Forbidden", "leases is forbidden")
    election.until = election.now + 5
    with pytest.raises(TooLong):
        await first.acquire()
    assert "leases is forbidden" in first.leadership.problem


async def test_a_lease_that_cannot_be_given_back_ends_by_itself(
    election: Election, caplog: pytest.LogCaptureFixture
) -> None:
    first = election.candidate("a")
    await first.acquire()
    election.cluster.refusals["patch Lease"] = ClusterUnreachable("gone")  # type: ignore[assignment]
    await first.release()
    assert "could not be given back" in caplog.text
    await first.release()
