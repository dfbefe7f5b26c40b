"""`make test` takes down the cluster that it brought up, and no other."""

from collections.abc import Sequence

import pytest

from tests import __main__ as stages


class Machine:
    """A machine on which the stages change nothing but this object."""

    def __init__(self, *, up: bool, failing: str = "") -> None:
        self.up = up
        self.failing = failing
        self.ran: list[str] = []

    def run(self, name: str) -> bool:
        self.ran.append(name)
        if name.startswith("cluster-"):
            self.up = name == "cluster-up"
        return name != self.failing


def run(machine: Machine, monkeypatch: pytest.MonkeyPatch, named: Sequence[str] = ()) -> int:
    monkeypatch.setattr(stages, "run_stage", machine.run)
    monkeypatch.setattr(stages, "cluster_is_up", lambda: machine.up)
    return stages.main(named)


@pytest.mark.parametrize("failing", ["", "verify", "charts", "integration", "e2e"])
@pytest.mark.parametrize("up", [True, False])
def test_a_run_of_all_stages_leaves_the_cluster_as_it_was(
    up: bool, failing: str, monkeypatch: pytest.MonkeyPatch
):
    machine = Machine(up=up, failing=failing)
    assert run(machine, monkeypatch) == (1 if failing else 0)
    assert machine.up is up
    assert not (up and "cluster-down" in machine.ran)
    assert machine.ran.index(failing or "e2e") >= machine.ran.index("verify")


def test_a_cluster_that_does_not_come_up_is_taken_down(monkeypatch: pytest.MonkeyPatch):
    machine = Machine(up=False, failing="cluster-up")
    assert run(machine, monkeypatch) == 1
    assert machine.ran[-2:] == ["cluster-up", "cluster-down"]


@pytest.mark.parametrize("up", [True, False])
def test_a_named_stage_leaves_the_cluster_up(up: bool, monkeypatch: pytest.MonkeyPatch):
    machine = Machine(up=up)
    assert run(machine, monkeypatch, ["e2e"]) == 0
    assert machine.ran == ["cluster-up", "e2e"]


def test_a_stage_that_is_named_is_run(monkeypatch: pytest.MonkeyPatch):
    machine = Machine(up=True)
    assert run(machine, monkeypatch, ["cluster-down"]) == 0
    assert not machine.up
