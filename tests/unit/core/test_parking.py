"""When a run gives its own slots up, and what its status says until it has them again."""

from datetime import timedelta

import pytest
from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.model import JsonObject
from podhatch.api.task_status import TaskStatus
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.common.plan import Plan
from podhatch.core.run.parking import can_give_up_slots
from podhatch.core.run.position import Ended, Position, Ready, Running, Waiting

from tests.fakes.durable import awaits, by_name, over, page, sleep, wait
from tests.fakes.objects import NOW, ago, attempt_name, event, job, task, workflow
from tests.unit.core.planning import entries, jobs, plan, reported, stored

PLACE = ("team", "flow-1")
ONE: JsonObject = {"maxRuns": 1}
FLOW = workflow(
    task("a", clusterAccess="spawn", durable={}),
    task("b", waitFor=[awaits("go")]),
    task("c", "a"),
    concurrency=[ONE],
)
OPEN = page(wait(1, sleep(60)), waits=[])
OVER = page(wait(1, sleep(60)), waits=[over(1)])
CLAIM: JsonObject = {
    "limit": "workflow/flow/0",
    "key": "",
    "maxRuns": 1,
    "strategy": "GROUP_ROUND_ROBIN",
    "since": ago(99),
    "sequence": 7,
    "priority": 1,
}
PARKED = [{**CLAIM, "parked": True}]
RESUMES = [{**CLAIM, "resumes": True, "ahead": 0}]
GRANTED = [{**CLAIM, "resumes": True, "held": True}]


def entry(**fields: object) -> JsonObject:
    return {"name": "a", "state": "Waiting", "attempt": 1, "waitsOver": 0, **fields}


def status(claims: list[JsonObject], first: JsonObject, **fields: object) -> JsonObject:
    others = [
        {"name": "b", "state": "Pending", "reason": "WaitingForConditions"},
        {"name": "c", "state": "Pending", "reason": "WaitingForParents"},
    ]
    return {
        "phase": "Running",
        "startedAt": ago(99),
        "tasks": [first, *others],
        "conditions": [],
        "concurrency": claims,
        **fields,
    }


def index(*claims: JsonObject, **others: JsonObject) -> AdmissionIndex:
    """Return an index that knows the claims of the run, and of other runs."""
    found = AdmissionIndex()
    woken: list[str] = []
    found.start(lambda _, run: woken.append(run))
    for name, claim in others.items():
        found.put(("team", name), [ConcurrencyClaim.model_validate(claim)])
    found.put(PLACE, [ConcurrencyClaim.model_validate(each) for each in claims])
    return found


def claims_of(made: Plan) -> list[tuple[bool, bool, bool]]:
    """Return of each claim in the status whether it is held, parked, and resumes."""
    claims = [ConcurrencyClaim.model_validate(each) for each in stored(made)["concurrency"]]
    assert all((each.since, each.sequence) == (NOW - timedelta(seconds=99), 7) for each in claims)
    return [(each.held, each.parked, each.resumes) for each in claims]


def _at(state: str) -> TaskStatus:
    return TaskStatus.model_validate({"name": "a", "state": state})


WITHOUT_POD = Waiting(_at("Waiting"))
PENDING = Waiting(_at("Pending"))
DONE = Ended(_at("Succeeded"))


@pytest.mark.parametrize(
    ("positions", "gives_up"),
    [
        ([WITHOUT_POD], True),
        ([WITHOUT_POD, WITHOUT_POD, PENDING, DONE], True),
        ([DONE, PENDING, WITHOUT_POD], True),
        ([WITHOUT_POD, Running(_at("Queued"))], False),
        ([WITHOUT_POD, Running(_at("Running"))], False),
        ([WITHOUT_POD, Ready(_at("Pending"), 1, NOW)], False),
        ([Ready(_at("Waiting"), 2, NOW)], False),
        ([WITHOUT_POD, Waiting(_at("Queued"))], False),
        ([PENDING], False),
        ([PENDING, DONE], False),
        ([DONE], False),
        ([], False),
    ],
    ids=[
        *("one without a pod", "many without pods", "in any order", "a pod is made", "a pod runs"),
        *("one is ready", "one resumes", "backoff", "conditions alone", "conditions and an end"),
        *("all ended", "no tasks"),
    ],
)
def test_a_run_gives_its_slots_up_if_nothing_of_it_could_have_a_pod(
    positions: list[Position], gives_up: bool
) -> None:
    assert can_give_up_slots(positions) is gives_up


def test_the_status_that_says_that_a_task_waits_gives_the_slots_up_too() -> None:
    running = entry(state="Running", job=attempt_name("a"), startedAt=ago(5), waitsOver=None)
    held = [{**CLAIM, "held": True}]
    made = plan(
        FLOW, status(held, running), results=reported("a", "Evicted"), durable_logs=by_name(OPEN)
    )
    assert (claims_of(made), made.urgent) == ([(False, True, False)], True)
    assert [each.held for each in made.claims] == [True], "it holds them until that is stored"


def test_a_parked_run_claims_nothing() -> None:
    admission = index(*PARKED)
    made = plan(FLOW, status(PARKED, entry()), durable_logs=by_name(OPEN), admission=admission)
    assert claims_of(made) == [(False, True, False)]
    admission.put(PLACE, made.claims)
    assert admission.standing(PLACE, "") is None
    assert admission.count(held=False) == 0


def test_what_is_ready_waits_until_its_run_has_its_slots() -> None:
    logs = by_name(OVER)
    asked = plan(FLOW, status(PARKED, entry()), durable_logs=logs)
    assert (claims_of(asked), jobs(asked)) == ([(False, False, True)], [])
    noted = entries(asked)["a"]
    assert (noted["state"], noted["reason"], noted["waitsOver"]) == ("Queued", "Concurrency", 0)
    assert noted["message"] == "waits for a slot"
    offered = plan(FLOW, asked.status, durable_logs=logs, admission=index(*RESUMES))
    assert (claims_of(offered), jobs(offered)) == ([(True, False, True)], [])
    assert offered.urgent
    made = plan(FLOW, offered.status, durable_logs=logs, admission=index(*GRANTED))
    assert jobs(made) == [attempt_name("a", 2)]
    assert entries(made)["a"]["resumes"] == 1
    assert stored(made)["phase"] == "Running"


def test_what_its_conditions_let_go_on_waits_for_the_slots_too() -> None:
    went = event("go", seenAt=ago(0))
    made = plan(FLOW, status(PARKED, entry()), durable_logs=by_name(OPEN), events=(went,))
    assert (claims_of(made), jobs(made)) == ([(False, False, True)], [])
    assert {name: each["state"] for name, each in entries(made).items()} == {
        "a": "Waiting",
        "b": "Queued",
        "c": "Pending",
    }
    granted = plan(FLOW, {**stored(made), "concurrency": GRANTED}, durable_logs=by_name(OPEN))
    assert jobs(granted) == [attempt_name("b")]


@pytest.mark.parametrize(
    ("ahead", "message"),
    [
        (2, "told before"),
        (1, '1 of 1 slots of workflow "flow" is taken by holder; 1 is ahead'),
    ],
)
def test_a_message_stays_until_half_of_those_ahead_are_gone(ahead: int, message: str) -> None:
    told = entry(state="Queued", reason="Concurrency", message="told before")
    claims = [{**CLAIM, "resumes": True, "ahead": 3}]
    older = {**CLAIM, "since": ago(199)}
    others = {f"older-{number}": older for number in range(ahead)}
    admission = index(*claims, holder={**older, "held": True}, **others)
    made = plan(FLOW, status(claims, told), durable_logs=by_name(OVER), admission=admission)
    assert entries(made)["a"]["message"] == message


def test_slots_that_are_granted_twice_are_given_back_while_nothing_has_a_pod() -> None:
    admission = index(*GRANTED, other={**CLAIM, "held": True})
    queued = entry(state="Queued", reason="Concurrency", message="has its slots")
    made = plan(FLOW, status(GRANTED, queued), durable_logs=by_name(OVER), admission=admission)
    assert (claims_of(made), jobs(made)) == ([(False, False, True)], [])
    assert "another run has taken" in entries(made)["a"]["message"]


def test_slots_of_a_run_with_a_pod_are_not_given_back() -> None:
    admission = index(*GRANTED, other={**CLAIM, "held": True})
    name = attempt_name("a", 2)
    queued = entry(state="Queued", attempt=2, job=name, waitsOver=None)
    made = plan(FLOW, status(GRANTED, queued), jobs={name: job("a", number=2)}, admission=admission)
    assert claims_of(made) == [(True, False, False)], "no plan to come gives them back"
    assert [each.held for each in made.claims] == [True]


def test_slots_that_were_used_are_not_given_back_between_two_attempts() -> None:
    held = {**CLAIM, "held": True}
    backoff = entry(
        state="Queued", reason="Retrying", attempt=2, waitsOver=None, nextAttemptAt=ago(-60)
    )
    made = plan(FLOW, status([held], backoff), admission=index(held, other=held))
    assert [(each.held, each.parked) for each in made.claims] == [(True, False)]


def test_a_run_is_parked_again() -> None:
    name = attempt_name("a", 2)
    running = entry(state="Running", attempt=2, job=name, startedAt=ago(5), waitsOver=None)
    made = plan(
        FLOW,
        status(GRANTED, running),
        results=reported("a", "Evicted", 2),
        durable_logs=by_name(OPEN),
    )
    assert claims_of(made) == [(False, True, False)]


@pytest.mark.parametrize("claims", [PARKED, RESUMES], ids=["parked", "resumes"])
def test_a_cancelled_run_gives_its_place_up(claims: list[JsonObject]) -> None:
    cancel = {"desiredState": "Cancelled"}
    made = plan(
        FLOW, status(claims, entry()), durable_logs=by_name(OPEN), spec=cancel, admission=index()
    )
    assert (stored(made)["phase"], made.claims) == ("Cancelled", ())
    assert "concurrency" not in stored(made)


def test_a_replay_of_a_parked_run_waits_in_its_place() -> None:
    made = plan(
        FLOW, status(PARKED, entry()), durable_logs=by_name(OPEN), spec={"replay": {"count": 1}}
    )
    assert (claims_of(made), jobs(made)) == ([(False, False, True)], [])
    assert stored(made)["replays"] == 1
    assert entries(made)["a"]["state"] == "Queued"


def test_a_run_without_limits_is_resumed_as_ever() -> None:
    flow = workflow(task("a", clusterAccess="spawn", durable={}))
    noted = {**status([], entry()), "tasks": [entry()]}
    del noted["concurrency"]
    made = plan(flow, noted, durable_logs=by_name(OVER))
    assert jobs(made) == [attempt_name("a", 2)]
    assert "concurrency" not in stored(made)
