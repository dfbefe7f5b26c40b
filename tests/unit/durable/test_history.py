"""What a replay does next, from what the log says."""

from datetime import UTC, datetime

import pytest
from podhatch.api.durable_log import DurableCall, DurableLogSpec, DurableValue
from podhatch.durable.history import DamagedLog, Deviation, History

AT = datetime(2026, 1, 1, tzinfo=UTC)


def wait(node: int, *delivered: int, branch: int = 1) -> DurableCall:
    return DurableCall(
        node=node, branch=branch, kind="WaitFor", key=f"key-{node}", at=AT, delivered=[*delivered]
    )


def page(*calls: DurableCall, number: int = 0, branch: int = 1, **values: str) -> DurableLogSpec:
    return DurableLogSpec(
        run="orders-1",
        task="approve",
        page=number,
        invocation=1,
        branch=branch,
        calls=[*calls],
        values=[DurableValue(node=int(node[1:]), value=text) for node, text in values.items()],
    )


def test_a_new_task_makes_new_calls() -> None:
    history = History([])
    assert history.make("WaitFor", "any") == (1, None)
    assert history.is_replayed


def test_a_replay_gives_a_result_only_after_the_calls_before_it() -> None:
    history = History([page(wait(1), wait(2), wait(3, 2), wait(4, 1))])
    history.make("WaitFor", "key-1")
    assert history.next_result() == 2
    assert not history.may_give(2)
    history.make("WaitFor", "key-2")
    assert history.may_give(2)
    assert not history.may_give(1)
    history.give(2)
    assert not history.may_give(1)
    history.make("WaitFor", "key-3")
    assert history.may_give(1)


def test_results_that_no_call_follows_come_in_any_order_once_all_calls_are_made() -> None:
    history = History([page(wait(1), wait(2))])
    history.make("WaitFor", "key-1")
    assert not history.may_give(1)
    history.make("WaitFor", "key-2")
    assert history.may_give(2)
    assert history.may_give(1)


def test_a_new_call_records_which_results_came_before_it() -> None:
    history = History([page(wait(1), wait(2), wait(3, 2))])
    for node in (1, 2):
        history.make("WaitFor", f"key-{node}")
    history.give(2)
    history.make("WaitFor", "key-3")
    history.give(3)
    history.give(1)
    assert history.take_given() == [3, 1]
    assert history.take_given() == []


def test_a_result_that_nobody_waits_for_holds_up_no_other() -> None:
    history = History([page(wait(1), wait(2), wait(3, 1, 2))])
    for node in (1, 2):
        history.make("WaitFor", f"key-{node}")
    history.forgo(1)
    assert history.next_result() == 2


@pytest.mark.parametrize(("kind", "key"), [("Memo", "key-1"), ("WaitFor", "another")])
def test_another_call_than_the_recorded_one_is_refused(kind: str, key: str) -> None:
    history = History([page(wait(1))])
    with pytest.raises(Deviation) as raised:
        history.make(kind, key)  # pyright: ignore[reportArgumentType]
    assert raised.value.node == 1
    assert history.make("WaitFor", "key-1")[0] == 1


def test_a_log_continues_on_its_next_page() -> None:
    history = History([page(wait(1)), page(wait(2), number=1, n2="7")])
    assert [call.node for call in history.calls] == [1, 2]
    assert {node: each.value for node, each in history.values.items()} == {2: "7"}


def test_values_of_calls_that_were_reset_do_not_count() -> None:
    history = History([page(wait(1), wait(2, branch=2), branch=3, n1="1", n2="2")])
    assert {node: each.value for node, each in history.values.items()} == {1: "1"}


def test_a_reset_log_gives_its_branch_to_the_calls_that_follow() -> None:
    history = History([page(wait(1), branch=2)])
    assert history.branch == 1
    history.make("WaitFor", "key-1")
    assert history.branch == 2


def test_a_log_with_a_gap_is_damaged() -> None:
    with pytest.raises(DamagedLog, match="expected call 2, got call 3"):
        History([page(wait(1), wait(3))])


def test_a_replay_expects_a_call_until_a_result_is_due() -> None:
    history = History([page(wait(1), wait(2, 1))])
    assert history.expects_call
    history.make("WaitFor", "key-1")
    assert not history.expects_call
    history.give(1)
    assert history.expects_call
    history.make("WaitFor", "key-2")
    assert not history.expects_call
