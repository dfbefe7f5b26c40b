"""The revisions that runs use, updated with every change of a run."""

from datetime import UTC, datetime, timedelta

from podhatch.api.model import JsonObject
from podhatch.api.run import is_over
from podhatch.core.common.observed import UNDECIDED

from podhatch_operator.cache.store import Place

START_MARGIN = timedelta(minutes=1)
"""A scheduled run may be starting from this long before its time on."""
_ALWAYS = datetime.min.replace(tzinfo=UTC)


class Pins:
    """For each workflow which runs hold which of its revisions, and from when on.

    A scheduled run holds none before its time: it takes the one that is there then.
    """

    def __init__(self) -> None:
        self._of_run: dict[Place, tuple[Place, str]] = {}
        self._runs: dict[Place, dict[str, dict[Place, datetime]]] = {}
        """For each workflow and revision the runs that hold it."""

    def put(self, place: Place, run: JsonObject) -> None:
        """The run is as it is now."""
        self.drop(place)
        revision: str | None = run.get("status", {}).get("revision")
        if revision is None and is_over(run):
            return
        workflow = (place[0], run["spec"]["workflow"])
        start: str | None = None if revision else run["spec"].get("startAt")
        self._of_run[place] = workflow, revision or UNDECIDED
        runs = self._runs.setdefault(workflow, {}).setdefault(revision or UNDECIDED, {})
        runs[place] = _begin(start) if start else _ALWAYS

    def drop(self, place: Place) -> None:
        """The run is gone."""
        if place not in self._of_run:
            return
        workflow, revision = self._of_run.pop(place)
        revisions = self._runs[workflow]
        del revisions[revision][place]
        if not revisions[revision]:
            del revisions[revision]
        if not revisions:
            del self._runs[workflow]

    def held(self, namespace: str, workflow: str, now: datetime) -> frozenset[str]:
        """Return the revisions that runs of the workflow hold now, UNDECIDED among them."""
        revisions = self._runs.get((namespace, workflow), {})
        return frozenset(
            name
            for name, runs in revisions.items()
            if name != UNDECIDED or any(begin <= now for begin in runs.values())
        )


def _begin(start: str) -> datetime:
    """Return from when on a scheduled run may hold a revision; a time we cannot read is any."""
    try:
        return datetime.fromisoformat(start).astimezone(UTC) - START_MARGIN
    except (OverflowError, ValueError):
        return _ALWAYS
