"""Which revisions runs hold on to, kept with every change of a run. Read by the clean-up."""

from collections import Counter

from podhatch.api.model import JsonObject

from podhatch_operator.runtime.lean import is_over
from podhatch_operator.runtime.store import Place

UNDECIDED = ""
"""In place of a revision: the run is under way, and its status does not name one yet."""


class Pins:
    """For each workflow how many runs hold which of its revisions."""

    def __init__(self) -> None:
        self._of_run: dict[Place, tuple[Place, str]] = {}
        self._counts: dict[Place, Counter[str]] = {}

    def put(self, place: Place, run: JsonObject) -> None:
        """The run is as it is now."""
        self.drop(place)
        revision: str | None = run.get("status", {}).get("revision")
        if revision is None and is_over(run):
            return
        workflow = (place[0], run["spec"]["workflow"])
        self._of_run[place] = workflow, revision or UNDECIDED
        self._counts.setdefault(workflow, Counter())[revision or UNDECIDED] += 1

    def drop(self, place: Place) -> None:
        """The run is gone."""
        if place not in self._of_run:
            return
        workflow, revision = self._of_run.pop(place)
        counts = self._counts[workflow]
        counts[revision] -= 1
        if not counts[revision]:
            del counts[revision]
        if not counts:
            del self._counts[workflow]

    def held(self, namespace: str, workflow: str) -> frozenset[str]:
        """Return the revisions that runs of the workflow hold, UNDECIDED among them."""
        return frozenset(self._counts.get((namespace, workflow), ()))
