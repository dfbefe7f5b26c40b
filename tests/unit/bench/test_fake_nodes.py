"""Fake nodes take the pods of benchmarks and no others."""

from podhatch.api.workflow import Workflow

from tests.bench.throughput import fake_workflow
from tests.cluster import kwok


def test_a_fake_node_keeps_off_pods_that_do_not_tolerate_it():
    node = kwok.node("kwok-0")
    assert node["spec"] == {"taints": [kwok.TAINT]}
    assert kwok.TAINT["effect"] == "NoSchedule"


def test_the_pods_of_benchmarks_tolerate_fake_nodes():
    assert kwok.TAINT.items() <= kwok.TOLERATION.items()
    workflow = Workflow.model_validate(fake_workflow())
    assert workflow.spec.pod is not None
    assert workflow.spec.pod.tolerations == [kwok.TOLERATION]
