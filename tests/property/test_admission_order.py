"""Who gets the next slots when somebody always waits: nobody is starved, whatever the limits.

Those that need the same limits are a lane, and in each lane somebody always waits. In a round, all
who hold slots end, one after the other.
"""

from datetime import UTC, datetime, timedelta
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st
from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.admission.slots import MAX_PASSES

NAMESPACE = "team"
START = datetime(2026, 11, 28, 12, tzinfo=UTC)
LIMITS = ("north", "south", "acme")
Lane = tuple[str, ...]

lanes = st.lists(
    st.lists(st.sampled_from(LIMITS), min_size=1, unique=True).map(tuple),
    min_size=2,
    max_size=6,
    unique=True,
)
sizes = st.fixed_dictionaries({limit: st.integers(1, 2) for limit in LIMITS})


class Crowd:
    """Runs of which each takes the slots that are offered to it, as their plans do."""

    def __init__(self, sizes: dict[str, int]) -> None:
        self.sizes = sizes
        self.runs: dict[str, Lane] = {}
        self.holders: list[str] = []
        self.served: list[Lane] = []
        """The lane of each that got slots, in order."""
        self.count = 0
        self.index = AdmissionIndex()
        self.woken: list[str] = []
        self.index.start(lambda _, run: self.woken.append(run))

    def add(self, lane: Lane) -> None:
        """Somebody else wants slots."""
        self.count += 1
        run = f"run-{self.count:04}"
        self.runs[run] = lane
        self._claim(run, held=False)
        self._take()

    def end(self, run: str) -> None:
        """One that holds slots ends, and another of its lane comes."""
        self.holders.remove(run)
        lane = self.runs.pop(run)
        self.index.forget((NAMESPACE, run))
        self._take()
        self.add(lane)

    def _take(self) -> None:
        while self.woken:
            run = self.woken.pop(0)
            standing = self.index.standing((NAMESPACE, run), "")
            if standing and standing.is_admitted and run not in self.holders:
                self.holders.append(run)
                self.served.append(self.runs[run])
                self._claim(run, held=True)
                self._check(self.runs[run])

    def _check(self, lane: Lane) -> None:
        for limit in lane:
            assert self.taken(limit) <= self.sizes[limit]

    def taken(self, limit: str) -> int:
        """Return how many slots of a limit are held."""
        return sum(limit in self.runs[run] for run in self.holders)

    def _claim(self, run: str, *, held: bool) -> None:
        self.index.put(
            (NAMESPACE, run),
            [
                ConcurrencyClaim(
                    limit=f"name/{limit}",
                    max_runs=self.sizes[limit],
                    since=START + timedelta(seconds=int(run.partition("-")[2])),
                    held=held,
                )
                for limit in self.runs[run]
            ],
        )


def crowd_of(sizes: dict[str, int], lanes: list[Lane]) -> Crowd:
    """Return limits of these sizes with two runs in each lane."""
    crowd = Crowd(sizes)
    for lane in lanes:
        crowd.add(lane)
        crowd.add(lane)
    return crowd


@settings(max_examples=40)
@given(sizes, lanes, st.randoms(use_true_random=False))
def test_no_lane_is_starved_whoever_ends_first(
    sizes: dict[str, int], lanes: list[Lane], random: Random
) -> None:
    crowd = crowd_of(sizes, lanes)
    crowd.served.clear()
    order = random.sample(lanes, len(lanes))
    for _ in range(2 * (MAX_PASSES + len(lanes))):
        for run in sorted(crowd.holders, key=lambda run: order.index(crowd.runs[run])):
            crowd.end(run)
    assert set(crowd.served) == set(lanes)


@settings(max_examples=30)
@given(sizes, lanes, st.randoms(use_true_random=False))
def test_slots_are_kept_free_only_while_others_are_taken(
    sizes: dict[str, int], lanes: list[Lane], random: Random
) -> None:
    crowd = crowd_of(sizes, lanes)
    for _ in range(30):
        crowd.end(random.choice(crowd.holders))
        assert any(crowd.taken(limit) == size for limit, size in sizes.items())


@settings(max_examples=60)
@given(sizes, lanes, st.randoms(use_true_random=False))
def test_a_limit_is_used_on_while_a_rarer_one_gives_no_slot(
    sizes: dict[str, int], lanes: list[Lane], random: Random
) -> None:
    """Those that need north alone end ten times as often as others, and then only they end."""
    crowd = crowd_of(sizes, [("north",), *(lane for lane in lanes if lane != ("north",))])
    for _ in range(3 * MAX_PASSES):
        others = [run for run in crowd.holders if crowd.runs[run] != ("north",)]
        if others:
            crowd.end(random.choice(others))
        end_some(crowd, ("north",), 10)
    for _ in range(MAX_PASSES):
        end_some(crowd, ("north",), 1)
        assert crowd.taken("north") == sizes["north"]


def end_some(crowd: Crowd, lane: Lane, count: int) -> None:
    """End runs of a lane, while one of them holds slots."""
    for _ in range(count):
        run = next((run for run in crowd.holders if crowd.runs[run] == lane), None)
        if run is not None:
            crowd.end(run)
