"""The log of a durable task as `podhatch get` draws it."""

import time
from collections.abc import Iterator
from datetime import datetime

import pytest
from podhatch.api.durable_log import DurableLog
from podhatch.api.model import JsonObject, format_time
from podhatch.cli.commands import app
from podhatch.cli.rendering.durable_log import MAX_CALLS, durable_log
from podhatch.cli.rendering.tree import run_tree
from podhatch.client import background_loop
from podhatch.cluster import DURABLE_LOG, ApiError, Kind
from typer.testing import CliRunner

from tests.unit.cli.runs import at, run_of, task, text_of
from tests.unit.sdk.conftest import Stage
from tests.unit.sdk.features.logs import create_log


@pytest.fixture(autouse=True)
def in_utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def call(node: int, kind: str, seconds: float = 0, **more: object) -> JsonObject:
    return {"node": node, "kind": kind, "key": "k", "at": format_time(at(seconds)), **more}


def over(node: int, seconds: float, **more: object) -> JsonObject:
    return {"node": node, "overAt": format_time(at(seconds)), **more}


def met(key: str) -> JsonObject:
    return {"key": key, "at": format_time(at(0))}


def page(
    *calls: JsonObject,
    number: int = 0,
    waits: list[JsonObject] | None = None,
    values: list[JsonObject] | None = None,
    **spec: object,
) -> DurableLog:
    return DurableLog.model_validate(
        {
            "metadata": {"name": f"log-{number}", "namespace": "shop"},
            "spec": {
                "run": "orders-1",
                "task": "approve",
                "page": number,
                "invocation": 1,
                "calls": list(calls),
                "values": values or [],
                **spec,
            },
            "status": {"waits": waits or []},
        }
    )


def drawn(*pages: DurableLog, now: datetime | None = None) -> list[str]:
    parts = durable_log("approve", pages, now or at(60))
    return [line for part in parts for line in text_of(part, 140).splitlines() if line]


SLEEP = {"sleepSeconds": 3600}
EVENT = {"event": {"key": "approved"}}


def test_each_call_is_drawn_with_what_came_of_it():
    lines = drawn(
        page(
            call(1, "Memo", label="now"),
            call(2, "Run", 1, label="invoice", child="invoice-1"),
            call(3, "Run", 1, child="parcel-1"),
            call(4, "WaitFor", 2, label="approval", waitFor=[{"or": [EVENT, SLEEP]}]),
            call(5, "WaitFor", 3, waitFor=[{"or": [EVENT, SLEEP]}, {"event": {"key": "paid"}}]),
            call(6, "WaitFor", 4, waitFor=[EVENT]),
            call(7, "Memo", 5, label="fetch"),
            waits=[
                over(2, 6),
                over(4, 32, met=[met("approved")]),
                {"node": 6, "error": "'x >' is not CEL"},
            ],
            values=[{"node": 1, "value": '"2026"'}],
        )
    )
    assert lines == [
        "Log of task approve:",
        "NODE  KIND     STATE    CALLED               TOOK  WHAT",
        "1     Memo     Stored   2026-11-23 12:00:00        now",
        "2     Run      Over     2026-11-23 12:00:01  5.0s  invoice: run invoice-1",
        "3     Run      Waiting  2026-11-23 12:00:01  59s   run parcel-1",
        "4     WaitFor  Over     2026-11-23 12:00:02  30s   approval: approved",
        "5     WaitFor  Waiting  2026-11-23 12:00:03  57s   event approved or sleep until "
        "2026-11-23 13:00:03, and event paid",
        "6     WaitFor  Failed   2026-11-23 12:00:04  56s   'x >' is not CEL",
        "7     Memo     Running  2026-11-23 12:00:05        fetch",
    ]


def test_a_wait_that_the_task_has_cancelled_takes_no_time():
    calls = [call(node, "WaitFor", waitFor=[EVENT]) for node in (1, 2, 3)]
    lines = drawn(
        page(*calls[:2], cancelled=[1]),
        page(calls[2], number=1, cancelled=[2, 3], waits=[over(3, 5)]),
    )
    assert [line.split()[2] for line in lines[2:]] == ["Waiting", "Cancelled", "Cancelled"]
    assert lines[3].split()[5] == "event"


def test_a_memo_may_be_stored_on_a_later_page():
    lines = drawn(
        page(call(1, "Memo", label="slow")),
        page(call(2, "WaitFor", waitFor=[SLEEP]), number=1, values=[{"node": 1, "value": "7"}]),
    )
    assert lines[2].split()[:3] == ["1", "Memo", "Stored"]


def test_a_result_of_an_earlier_branch_does_not_count():
    lines = drawn(
        page(
            call(1, "WaitFor", branch=2, waitFor=[SLEEP]),
            call(2, "Memo", branch=2),
            waits=[over(1, 3)],
            values=[{"node": 2, "value": "1"}],
        )
    )
    assert [line.split()[2] for line in lines[2:]] == ["Waiting", "Running"]


def test_of_a_long_log_the_last_calls_are_drawn():
    count = MAX_CALLS + 7
    lines = drawn(page(*(call(node, "Memo") for node in range(1, count + 1))))
    assert lines[0] == f"Log of task approve, the last {MAX_CALLS} of {count} calls:"
    assert (lines[2].split()[0], lines[-1].split()[0]) == ("8", str(count))


def test_a_log_without_a_call_is_not_drawn():
    assert drawn(page()) == []


def test_what_a_pod_wrote_stays_on_its_line():
    many = [{"event": {"key": f"e{number}"}} for number in range(9)]
    lines = drawn(
        page(
            call(1, "Memo", label="red \x1b[31m\nline"),
            call(2, "WaitFor", waitFor=[{"or": many}]),
            call(3, "Memo", label="x" * 253),
        ),
    )
    assert lines[2].endswith("red \\x1b[31m line")
    assert lines[3].endswith("event e0 or event e1 or event e2 or event e3 or event e4 or 4 more")
    assert "".join(lines).count("x" * 80)
    assert "x" * 253 not in "".join(lines).replace(" ", "")


def test_a_task_without_a_pod_says_what_it_waits_for():
    run = run_of(
        "Running",
        task(
            "approve",
            "Waiting",
            reason="Evicted",
            message="waits for event approved; sleeps until 13:00",
            attempt=4,
            resumes=2,
            disruptions=1,
            attempts=[{"attempt": 2, "reason": "NodeLost", "message": "node-0 is gone"}],
        ),
    )
    lines = text_of(run_tree(run, {}, at(60)), 140).splitlines()
    [line] = [line for line in lines if line.startswith("◔")]
    assert line.split("  ")[0] == "◔ approve"
    assert "Waiting" in line
    assert "2 (1 lost, 2 resumed)" in line
    assert line.endswith("waits for event approved; sleeps until 13:00")
    assert "Evicted" not in line
    [record] = [line for line in lines if "NodeLost" in line]
    assert record.split()[:2] == ["approve", "1"]


WAITING = task("approve", "Waiting", reason="Evicted", message="waits for event paid", attempt=1)


def got(stage: Stage, *pages: JsonObject) -> str:
    """Return what `podhatch get` prints of a run with this log."""
    background_loop.wait(create_log(stage.cluster, {"phase": "Running"}, WAITING, *pages))
    result = CliRunner().invoke(app, ["get", "one"])
    assert result.exit_code == 0, result.stderr
    return result.stdout


def test_get_draws_the_log_below_the_tasks(stage: Stage):
    wait = call(2, "WaitFor", waitFor=[{"event": {"key": "paid"}}])
    lines = got(stage, {"calls": [call(1, "Memo")], "closed": True}, {"calls": [wait]}).splitlines()
    title = lines.index("Log of task approve:")
    assert any("waits for event paid" in line for line in lines[:title])
    assert [line.split()[0] for line in lines[title + 1 : title + 4]] == ["NODE", "1", "2"]


def test_get_reads_no_more_pages_than_it_draws(stage: Stage):
    full = {"calls": [call(node, "Memo") for node in range(1, MAX_CALLS + 1)], "closed": True}
    last = {"calls": [call(node, "Memo") for node in range(MAX_CALLS + 1, 2 * MAX_CALLS + 1)]}
    assert f"the last {MAX_CALLS} of {2 * MAX_CALLS} calls" in got(stage, full, last)
    assert stage.cluster.requests["get DurableLog"] == 1


def test_get_works_without_permission_to_read_logs(stage: Stage, monkeypatch: pytest.MonkeyPatch):
    requested = stage.cluster.requested

    def refused(verb: str, kind: Kind, *, dry_run: bool = False) -> None:
        if verb == "list" and kind == DURABLE_LOG:
            raise ApiError(403, "Forbidden", "no")
        requested(verb, kind, dry_run=dry_run)

    monkeypatch.setattr(stage.cluster, "requested", refused)
    text = got(stage, {"calls": [call(1, "Memo")]})
    assert "waits for event paid" in text
    assert "Log of task" not in text
