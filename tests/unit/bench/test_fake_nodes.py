"""Fake nodes take the pods of benchmarks and no others."""

import pytest
from podhatch.api.workflow import Workflow

from tests.bench.large import lattice, rows_of
from tests.bench.metrics import Snapshot
from tests.bench.report import budgets_of
from tests.bench.throughput import Burst, fake_workflow
from tests.cluster import kwok


def test_a_fake_node_keeps_off_pods_that_do_not_tolerate_it():
    node = kwok.node("kwok-0")
    assert node["spec"] == {"taints": [kwok.TAINT]}
    assert kwok.TAINT["effect"] == "NoSchedule"


def test_the_pods_of_benchmarks_tolerate_fake_nodes():
    assert kwok.TAINT.items() <= kwok.TOLERATION.items()
    for raw in (fake_workflow(), lattice("few", 10, 5)):
        workflow = Workflow.model_validate(raw)
        assert workflow.spec.pod is not None
        assert workflow.spec.pod.tolerations == [kwok.TOLERATION]


def test_the_cost_of_a_task_in_a_large_run_is_compared_with_that_in_small_runs():
    few = [Burst(1.0, [1.0] * 8, Snapshot(cpu_seconds=0.8)) for _ in range(3)]
    rows = rows_of(few, Burst(60.0, [60.0], Snapshot(cpu_seconds=12.0)))
    [row] = [each for each in rows if each.name in budgets_of("large")]
    assert row.value == pytest.approx(12)
    assert row.ratio == pytest.approx(1.2)


def test_each_task_of_a_lattice_has_two_parents_in_the_layer_above():
    tasks = lattice("few", 10, 5)["spec"]["tasks"]
    assert [each.get("parents") for each in tasks[:6]] == [None] * 5 + [["task-0000", "task-0001"]]
    assert tasks[9]["parents"] == ["task-0004", "task-0000"]
