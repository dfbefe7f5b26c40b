"""The benchmark of parked tasks copies one run and its log."""

import pytest
from podhatch.api.model import JsonObject

from tests.bench.parked import Cost, page_of, rows_of
from tests.bench.report import budgets_of

RUN: JsonObject = {"metadata": {"name": "parked-7", "namespace": "here", "uid": "seven"}}
LOG: JsonObject = {
    "apiVersion": "podhatch.dev/v1alpha1",
    "kind": "DurableLog",
    "metadata": {
        "name": "parked-0-nap-abc-log-0",
        "labels": {"podhatch.dev/run": "parked-0", "podhatch.dev/task": "nap"},
        "ownerReferences": [{"kind": "WorkflowRun", "name": "parked-0", "uid": "zero"}],
    },
    "spec": {"run": "parked-0", "task": "nap", "page": 0, "invocation": 1, "calls": [{"node": 1}]},
}


def test_a_copy_of_a_log_belongs_to_the_copy_of_the_run():
    page = page_of(LOG, RUN)
    assert page["metadata"]["name"].startswith("parked-7-nap-")
    assert page["metadata"]["name"].endswith("-log-0")
    assert page["metadata"]["labels"] == {
        "podhatch.dev/run": "parked-7",
        "podhatch.dev/task": "nap",
    }
    [owner] = page["metadata"]["ownerReferences"]
    assert (owner["name"], owner["uid"]) == ("parked-7", "seven")
    assert page["spec"] == {**LOG["spec"], "run": "parked-7"}


def test_the_budgets_are_for_what_a_thousand_tasks_cost_more():
    rows = {row.name: row.value for row in rows_of(Cost(100.0, 4.0), Cost(130.0, 5.0))}
    assert budgets_of("parked").keys() <= rows.keys()
    assert rows["more memory for 1,000 parked tasks"] == pytest.approx(30)
    assert rows["more CPU for 1,000 parked tasks"] == pytest.approx(1)
