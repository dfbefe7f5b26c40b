"""Tests of workflows, to copy. `pip install 'podhatch[local]'` installs the fixture."""

import checkout
import pytest
from podhatch import FailedTaskRunExceptionGroup
from podhatch.testing import FakeClock, LocalEvent, LocalRuns

ORDER = checkout.Order(id=7, euros=9.5)


def pay(order: checkout.Order) -> str:
    return f"B{order.id}"


def test_one_task(monkeypatch: pytest.MonkeyPatch) -> None:
    """The function of a task, without a run."""
    monkeypatch.setattr(checkout, "call_the_bank", pay)
    assert checkout.charge.mock_run(ORDER) == checkout.Payment(reference="B7")


async def test_one_async_task() -> None:
    said = await checkout.ship.aio_mock_run(ORDER, parent_outputs={"charge": {"reference": "B2"}})
    assert said == "order 7, paid by B2"


def test_the_whole_workflow() -> None:
    """A whole run in this process; the clock skips its waits."""
    result = checkout.checkout.run_local(
        ORDER,
        clock=FakeClock(),
        mocks={"charge": checkout.Payment(reference="B3")},
        events=[LocalEvent("parcel:packed")],
    )
    assert result["ship"] == "order 7, paid by B3"


def test_code_that_runs_workflows(podhatch_local: LocalRuns) -> None:
    """With the fixture, all runs of the tested code are local."""
    podhatch_local.mocks["charge"] = {"reference": "B4"}
    podhatch_local.push_event("parcel:packed")
    assert checkout.place(ORDER) == "order 7, paid by B4"
    assert podhatch_local.attempts("charge") == 1


def test_a_failure(podhatch_local: LocalRuns) -> None:
    """The bank does not answer: four attempts, after 10, 100 and 1000 seconds."""
    began = podhatch_local.clock.now()
    with pytest.raises(FailedTaskRunExceptionGroup, match="checkout"):
        checkout.place(ORDER)
    assert podhatch_local.attempts("charge") == 4
    assert podhatch_local.states() == {"charge": "Failed", "ship": "Cancelled"}
    assert (podhatch_local.clock.now() - began).total_seconds() == 1110
