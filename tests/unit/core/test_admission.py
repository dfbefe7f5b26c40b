"""The index of limits alone: turns of keys, priorities, and offers that are taken back."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.core.admission.index import AdmissionIndex, ClaimStanding
from podhatch.core.admission.slots import through_first

START = datetime(2026, 11, 28, 12, tzinfo=UTC)


class Index:
    """An index, and who was woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []
        self.index = AdmissionIndex()
        self.index.start(lambda _, run: self.woken.append(run))

    def claim(self, run: str, *limits: tuple[str, str, int], **more: Any) -> None:
        """Have a run claim slots: limit, key and size of each."""
        number = int(run.partition("-")[2] or 0)
        order = {"since": START + timedelta(seconds=number), "sequence": number}
        claims = [
            ConcurrencyClaim.model_validate(
                {"limit": limit, "key": key, "max_runs": size, **order, **more}
            )
            for limit, key, size in limits
        ]
        self.index.put(("team", run), claims)

    def end(self, run: str) -> list[str]:
        """Have a run end; return who was woken by it."""
        self.woken.clear()
        self.index.forget(("team", run))
        return list(self.woken)

    def standing(self, run: str) -> ClaimStanding:
        found = self.index.standing(("team", run), "")
        assert found is not None
        return found

    def is_admitted(self, run: str) -> bool:
        return self.standing(run).is_admitted

    def is_surplus(self, run: str) -> bool:
        return self.standing(run).is_surplus


def test_keys_that_compete_for_a_limit_take_turns() -> None:
    index, shared = Index(), ("all", "", 1)
    index.claim("holder", shared, held=True)
    for number in range(4):
        index.claim(f"a-{number}", ("tenant", "a", 9), shared)
    for number in range(4, 6):
        index.claim(f"b-{number}", ("tenant", "b", 9), shared)
    order, holder = list[str](), "holder"
    for _ in range(6):
        [holder] = index.end(holder)
        order.append(holder)
    assert order == ["a-0", "b-4", "a-1", "b-5", "a-2", "a-3"]


def test_new_keys_do_not_starve_one_that_was_served_before() -> None:
    index, shared = Index(), ("all", "", 1)
    index.claim("a-0", ("tenant", "a", 9), shared)
    index.claim("a-1", ("tenant", "a", 9), shared)
    index.claim("a-2", ("tenant", "a", 9), shared)
    index.claim("b-3", ("tenant", "b", 9), shared)
    order, holder = list[str](), "a-0"
    for number in range(4, 7):
        [holder] = index.end(holder)
        order.append(holder)
        index.claim(f"new-{number}", ("tenant", f"new {number}", 9), shared)
    assert order == ["a-1", "b-3", "a-2"]


NORTH, TENANT = ("region", "north", 1), ("tenant", "a", 1)


def _contended() -> Index:
    """Return two limits of which never both have a free slot, and a run that needs both."""
    index = Index()
    index.claim("north-0", NORTH, held=True)
    index.claim("tenant-0", TENANT, held=True)
    index.claim("both-1", TENANT, NORTH)
    for number in range(2, 14):
        index.claim(f"north-{number}", NORTH)
        index.claim(f"tenant-{number}", TENANT)
    return index


def _end_until(index: Index, run: str) -> tuple[list[str], list[str]]:
    """End in turn who holds slots, until a run is next; return who was before it, and who holds."""
    holders, before = ["north-0", "tenant-0"], list[str]()
    while not index.is_admitted(run):
        woken = index.end(holders.pop(0))
        holders += woken
        before += woken
    return before, holders


def test_who_needs_two_limits_is_not_overtaken_for_ever() -> None:
    before, holders = _end_until(_contended(), "both-1")
    assert before == [
        *(f"{limit}-{number}" for number in range(2, 6) for limit in ("north", "tenant")),
        "north-6",
        "both-1",
    ]
    assert holders == ["both-1"]


def test_the_next_who_needs_two_limits_begins_to_wait_anew() -> None:
    index = _contended()
    index.claim("both-14", TENANT, NORTH)
    _end_until(index, "both-1")
    assert sorted(index.end("both-1")) == ["north-7", "tenant-6"]
    for number in range(6, 8):
        assert index.end(f"tenant-{number}") == [f"tenant-{number + 1}"]
        assert index.end(f"north-{number + 1}") == [f"north-{number + 2}"]


def _with_a_slot_kept() -> Index:
    """Return limits of which one keeps its slot for the run that needs both."""
    index, number = _contended(), 0
    index.end("north-0")
    while index.end(f"tenant-{number}"):
        number = number + 2 if number == 0 else number + 1
        index.end(f"north-{number}")
    return index


def test_a_slot_that_is_kept_says_for_whom() -> None:
    index = _with_a_slot_kept()
    last = index.standing("tenant-13")
    assert (last.taken, last.max_runs, last.taken_by) == (1, 1, ("both-1",))
    assert index.end("both-1") == ["tenant-6"]


def test_one_that_is_to_be_cancelled_if_it_had_to_wait_does_not_wait_for_a_kept_slot() -> None:
    index = _with_a_slot_kept()
    index.claim("new-14", TENANT, strategy="CANCEL_NEWEST")
    assert index.standing("new-14").superseded_by == "both-1"


def test_no_slot_is_kept_while_another_limit_gives_none_for_long() -> None:
    """The one of the region is used on; the one of the tenant, which is rare, is kept."""
    index, north = _contended(), 0
    index.end("north-0")
    for tenant in (0, 2, 3, 4):
        index.end(f"tenant-{tenant}")
        index.end(f"north-{north + 2}")
        index.end(f"north-{north + 3}")
        north += 2
    for number in range(north + 2, 13):
        assert index.end(f"north-{number}") == [f"north-{number + 1}"]
    assert index.end("tenant-5") == []
    assert index.end("north-13") == ["both-1"]


@pytest.mark.parametrize(("short", "kept"), [("abc", "a"), ("bc", "ab"), ("", "abc")])
def test_slots_are_kept_in_all_limits_up_to_the_first_without_one(short: str, kept: str) -> None:
    assert through_first(lambda limit: limit in short, "abc") == tuple(kept)


def test_a_priority_counts_like_an_hour_of_waiting() -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("holder", only, held=True)
    index.claim("low-0", only)
    index.claim("high-3599", only, priority=2)
    index.claim("late-3601", only, priority=2)
    assert index.end("holder") == ["high-3599"]
    assert index.end("high-3599") == ["low-0"]
    assert index.end("low-0") == ["late-3601"]


def test_an_offer_is_taken_back_when_a_slot_turns_out_to_be_held() -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("waits-1", only)
    assert index.is_admitted("waits-1")
    index.claim("holds-0", only, held=True)
    assert not index.is_admitted("waits-1")
    assert index.end("holds-0") == ["waits-1"]


def test_the_newest_claim_says_how_many_slots_there_are() -> None:
    index = Index()
    index.claim("old-1", ("all", "", 1), held=True)
    index.claim("old-2", ("all", "", 1))
    assert not index.is_admitted("old-2")
    index.claim("new-3", ("all", "", 3))
    assert index.is_admitted("old-2")
    assert index.is_admitted("new-3")


def test_who_waits_for_two_limits_blocks_nobody_who_needs_one() -> None:
    index, north, tenant = Index(), ("region", "north", 1), ("tenant", "a", 1)
    index.claim("holder", north, held=True)
    index.claim("both-1", tenant, north)
    index.claim("one-2", tenant)
    assert not index.is_admitted("both-1")
    assert index.is_admitted("one-2")


def test_more_slots_than_there_are_make_all_that_are_held_surplus() -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("first-1", only, held=True)
    assert not index.is_surplus("first-1")
    index.claim("second-2", only, held=True)
    assert index.is_surplus("first-1")
    assert index.is_surplus("second-2")
    assert index.end("second-2") == []
    assert not index.is_surplus("first-1")


def test_claims_of_another_version_are_ignored() -> None:
    index = AdmissionIndex()
    status = {"phase": "Running", "concurrency": [{"limit": 7}]}
    index.observe({"metadata": {"namespace": "team", "name": "run"}, "status": status})
    assert index.standing(("team", "run"), "") is None


def test_grants_and_waits_are_counted_once() -> None:
    index, only = Index(), ("all", "", 1)
    for _ in range(2):
        index.claim("holder", only, held=True)
        index.claim("waits-1", only)
    assert (index.index.grants, index.index.waits) == (1, 1)
    assert (index.index.count(held=True), index.index.count(held=False)) == (1, 1)


def test_nothing_is_offered_before_everything_is_known() -> None:
    index = AdmissionIndex()
    claim = ConcurrencyClaim(limit="all", key="", max_runs=1, since=START)
    assert index.put(("team", "run"), [claim])
    standing = index.standing(("team", "run"), "")
    assert standing
    assert not standing.is_admitted
    woken: list[str] = []
    index.start(lambda _, run: woken.append(run))
    assert woken == ["run"]


def test_one_that_another_limit_would_cancel_is_woken_to_learn_it() -> None:
    index, own, shared = Index(), ("own", "", 1), ("shared", "", 1)
    index.claim("own-0", own, held=True)
    index.claim("waits-1", own, shared, strategy="CANCEL_NEWEST")
    index.claim("shared-2", shared, held=True)
    assert index.end("own-0") == ["waits-1"]


STRATEGIES = (
    "GROUP_ROUND_ROBIN",
    "CANCEL_IN_PROGRESS",
    "CANCEL_NEWEST",
    "CANCEL_QUEUED_EXCEPT_NEWEST",
    "CANCEL_QUEUED_EXCEPT_OLDEST",
)


def superseded(index: Index, *runs: str) -> list[str]:
    """Return which of these runs are to be cancelled."""
    standings = {run: index.index.standing(("team", run), "") for run in runs}
    return [run for run, each in standings.items() if each and each.superseded_by]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_resumes_is_cancelled_for_a_newer_one_in_progress_alone(strategy: str) -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("new-2", only, held=True, strategy=strategy)
    index.claim("old-1", only, resumes=True, strategy=strategy)
    lost = ["old-1"] if strategy == "CANCEL_IN_PROGRESS" else []
    assert superseded(index, "old-1", "new-2") == lost


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_what_resumes_cancels_an_older_one_in_progress_alone(strategy: str) -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("old-1", only, held=True, strategy=strategy)
    index.claim("new-2", only, resumes=True, strategy=strategy)
    lost = ["old-1"] if strategy == "CANCEL_IN_PROGRESS" else []
    assert superseded(index, "old-1", "new-2") == lost
    assert index.woken == lost


@pytest.mark.parametrize(
    ("strategy", "lost"),
    [
        ("GROUP_ROUND_ROBIN", []),
        ("CANCEL_NEWEST", ["old-1", "new-3"]),
        ("CANCEL_QUEUED_EXCEPT_NEWEST", ["old-1"]),
        ("CANCEL_QUEUED_EXCEPT_OLDEST", ["new-3"]),
    ],
)
def test_what_resumes_is_none_of_those_that_are_queued(strategy: str, lost: list[str]) -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("holds-0", only, held=True, strategy=strategy)
    index.claim("old-1", only, strategy=strategy)
    for number in (0, 2, 4):  # older, between, and newer
        index.claim(f"resumes-{number}", only, resumes=True, strategy=strategy)
    index.claim("new-3", only, strategy=strategy)
    runs = ("resumes-0", "old-1", "resumes-2", "new-3", "resumes-4")
    assert superseded(index, *runs) == lost
    if strategy == "CANCEL_QUEUED_EXCEPT_NEWEST":
        assert "old-1" in index.woken, "it has to learn it"
    for run in lost:
        index.index.forget(("team", run))
    assert index.end("holds-0") == ["resumes-0"]


def test_what_resumes_waits_in_the_place_of_its_first_claim() -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("holder-2", only, held=True)
    index.claim("waits-3", only)
    index.claim("older-0", only)
    index.claim("resumes-1", only, resumes=True)
    order, holder = list[str](), "holder-2"
    for _ in range(3):
        [holder] = index.end(holder)
        order.append(holder)
    assert order == ["older-0", "resumes-1", "waits-3"]


def test_a_parked_run_neither_holds_a_slot_nor_waits_for_one() -> None:
    index, only = Index(), ("all", "", 1)
    index.claim("parks-0", only, held=True)
    index.claim("waits-1", only)
    index.woken.clear()
    index.claim("parks-0", only, parked=True)
    assert index.woken == ["waits-1"]
    assert index.is_admitted("waits-1")
    assert index.index.standing(("team", "parks-0"), "") is None
    assert (index.index.count(held=True), index.index.count(held=False)) == (0, 1)
