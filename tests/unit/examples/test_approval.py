"""The approval example, in local runs whose clock jumps from wait to wait."""

from datetime import timedelta
from typing import Any

from podhatch.cli.lint.determinism import suspects
from podhatch.testing import FakeClock, LocalEvent

from examples import approval as example

PURCHASE = example.Purchase(id=7, buyer="Grace")
REMINDER = "Grace waits for approval of purchase 7"


def approved_after(time: timedelta, payload: dict[str, Any]) -> dict[str, Any]:
    event = LocalEvent(example.APPROVED, payload, after=time)
    return example.approve.run_local(PURCHASE, clock=FakeClock(), events=[event])


def test_an_approval_ends_the_wait() -> None:
    result = approved_after(timedelta(hours=2), {"id": 7, "by": "Ada"})
    assert result == {"approved_by": "Ada", "reminders": []}


def test_each_day_without_an_approval_has_a_reminder() -> None:
    result = approved_after(timedelta(days=30, hours=12), {"id": 7, "by": "Ada"})
    assert result == {"approved_by": "Ada", "reminders": [REMINDER] * 30}


def test_its_code_is_deterministic() -> None:
    assert list(suspects(example.approve.task.fn)) == []
