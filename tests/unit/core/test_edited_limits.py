"""Limits of a workflow that are edited while its runs wait for slots."""

from podhatch.api.model import JsonObject
from podhatch.core.admission.index import AdmissionIndex
from podhatch.core.common.observed import Observed
from podhatch.core.expressions.evaluate import IN_PROCESS
from podhatch.core.run.plan import plan_admitted

from tests.fakes.objects import DEFAULTS, NOW, run, task, workflow

OF_TENANT = {"expression": "input.tenant", "maxRuns": 1}


class Runs:
    """Runs of a workflow, of which each is planned and stored when told."""

    def __init__(self, *limits: JsonObject) -> None:
        self.woken: list[str] = []
        self.index = AdmissionIndex()
        self.index.start(lambda _, name: self.woken.append(name))
        self.runs: dict[str, JsonObject] = {}
        self.edit(*limits)

    def edit(self, *limits: JsonObject) -> None:
        """Somebody gives the workflow other limits."""
        self.flow = workflow(task("work"), concurrency=list(limits))

    def create(self, *names: str, tenant: str = "acme") -> None:
        for name in names:
            raw = run(input={"tenant": tenant})
            sequence = str(len(self.runs) + 1)
            metadata = {**raw["metadata"], "name": name, "resourceVersion": sequence}
            self.runs[name] = {**raw, "metadata": metadata}
            self.plan(name)

    def plan(self, name: str) -> str:
        """Plan a run, store its status, and return its phase."""
        observed = Observed(self.runs[name], self.flow, answers=IN_PROCESS, admission=self.index)
        status = plan_admitted(observed, DEFAULTS, NOW).status
        if status is not None:
            self.runs[name] = {**self.runs[name], "status": status}
            self.index.observe(self.runs[name])
        phase: str = self.runs[name]["status"]["phase"]
        return phase

    def end(self, name: str) -> None:
        self.runs[name] = {**self.runs[name], "status": {"phase": "Succeeded"}}
        self.index.observe(self.runs[name])

    def is_granted(self, name: str) -> bool:
        claims: list[JsonObject] = self.runs[name]["status"].get("concurrency", [])
        return bool(claims) and all(claim.get("held") for claim in claims)


def test_a_run_starts_when_the_limits_that_it_waits_for_are_removed() -> None:
    runs = Runs(OF_TENANT)
    runs.create("one", "two", "three")
    runs.edit()
    assert runs.plan("two") == "Running"
    assert "concurrency" not in runs.runs["two"]["status"]


def test_a_run_waits_for_the_new_limit_though_the_old_one_has_a_slot_for_it() -> None:
    runs = Runs(OF_TENANT)
    runs.create("one", "two")
    runs.edit({"maxRuns": 1})
    runs.create("other", tenant="zenith")
    runs.end("one")
    assert runs.woken[-1] == "two"
    assert runs.plan("two") == "Pending"
    assert not runs.is_granted("two")
    runs.end("other")
    runs.plan("two")
    assert runs.is_granted("two")


def test_a_run_that_waits_for_the_second_limit_goes_on_with_the_first_alone() -> None:
    runs = Runs(OF_TENANT, {"maxRuns": 1})
    runs.create("one")
    runs.create("two", tenant="zenith")
    runs.edit(OF_TENANT)
    runs.plan("two")
    assert runs.is_granted("two")


def test_a_slot_that_an_edit_leaves_goes_to_the_next() -> None:
    runs = Runs(OF_TENANT)
    runs.create("one", "two", "three")
    runs.end("one")
    runs.woken.clear()
    runs.edit({"expression": "'other'", "maxRuns": 1})
    runs.plan("two")
    assert runs.is_granted("two")
    assert set(runs.woken) == {"two", "three"}


def test_more_slots_are_used_by_those_that_wait() -> None:
    runs = Runs(OF_TENANT)
    runs.create("one", "two", "three")
    runs.edit({**OF_TENANT, "maxRuns": 3})
    for name in ("two", "three"):  # the change of the workflow wakes them
        runs.plan(name)
    for name in dict.fromkeys(runs.woken):
        runs.plan(name)
    assert runs.is_granted("two")
    assert runs.is_granted("three")
