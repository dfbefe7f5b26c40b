"""The attempts of a run that exist: each a Job of ours with its pods and its report.

They are indexed once for each plan. Names and labels are anybody's to choose, so a Job counts only
if this very run controls it, a pod only if that Job controls it, and a report only if it has the
Job's name and says that it is of this attempt.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from podhatch.api import labels
from podhatch.api.model import JsonObject
from podhatch.api.run import WorkflowRun
from podhatch.core.common.observed import Observed
from podhatch.core.common.text import whole_number
from podhatch.core.pod.pods import controller_uid, has_job_ended, is_controlled_by, newest

MAX_NUMBER_DIGITS = 9
"""Of an attempt, or of a replay."""
AttemptKey = tuple[str, int]
"""The name of the task and the number of the attempt."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """What is observed of an attempt."""

    key: AttemptKey
    name: str
    """Name of its Job."""
    job: JsonObject
    pods: tuple[JsonObject, ...] = ()
    """Those that the Job has made: more than one where a queue took one back."""
    result: JsonObject | None = None
    """Its TaskResult."""

    @property
    def task(self) -> str:
        """The task's name."""
        return self.key[0]

    @property
    def number(self) -> int:
        """Which attempt of the task this is, from 1."""
        return self.key[1]

    @property
    def revision(self) -> str | None:
        """The revision of the workflow that it was made from."""
        return _labels(self.job).get(labels.REVISION)

    @property
    def pod(self) -> JsonObject | None:
        """Its newest pod."""
        return newest(self.pods)

    @property
    def replay(self) -> int:
        """Which replay of the run it was made for; 0 for the first time."""
        return self._number_in(labels.REPLAY)

    @property
    def waits_over(self) -> int:
        """Of a durable task: how many waits of its log were over when the attempt was made."""
        return self._number_in(labels.WAITS_OVER)

    @property
    def is_active(self) -> bool:
        """Whether the Job has not ended and is not being deleted."""
        return not (self.job["metadata"].get("deletionTimestamp") or has_job_ended(self.job))

    def _number_in(self, annotation: str) -> int:
        annotations: dict[str, str] = self.job["metadata"].get("annotations") or {}
        return whole_number(annotations.get(annotation), MAX_NUMBER_DIGITS) or 0


class Attempts(dict[AttemptKey, AttemptView]):
    """The run's attempts by task and number. Of two Jobs that say they are one, the older one is.

    Their order is that in which they became known, and nothing may depend on it.
    """

    def __init__(self, views: Iterable[AttemptView] = ()) -> None:
        super().__init__()
        self._active: dict[AttemptKey, AttemptView] = {}
        for view in views:
            self.add(view)

    @property
    def active(self) -> list[AttemptView]:
        """Those whose Job has not ended and is not being deleted, by task and number."""
        return [self._active[key] for key in sorted(self._active)]

    def add(self, view: AttemptView) -> None:
        """Add an attempt."""
        if (other := self.get(view.key)) is not None:
            view = min(other, view, key=_age)
        self[view.key] = view
        if view.is_active:
            self._active[view.key] = view
        else:
            self._active.pop(view.key, None)

    def discard(self, view: AttemptView) -> None:
        """Remove the attempt, if it is this very view of it."""
        if self.get(view.key) is view:
            del self[view.key]
            self._active.pop(view.key, None)


def view_attempt(run: WorkflowRun, name: str, observed: Observed) -> AttemptView | None:
    """Return the attempt that the Job of this name is; None if it is none of this run's."""
    job = observed.jobs[name]
    names = _labels(job)
    task = names.get(labels.TASK)
    number = whole_number(names.get(labels.ATTEMPT), MAX_NUMBER_DIGITS)
    if not task or not number or controller_uid(job) != run.metadata.uid:
        return None
    result = observed.results.get(name)
    if result is not None and not _is_of(result, run, task, number):
        result = None
    pods = observed.pods.get(name)
    own_pods = tuple(pod for pod in pods if is_controlled_by(pod, job)) if pods else ()
    return AttemptView((task, number), name, job, own_pods, result)


def _is_of(result: JsonObject, run: WorkflowRun, task: str, number: int) -> bool:
    spec: JsonObject = result["spec"]
    said = spec.get("run"), spec.get("task"), spec.get("attempt")
    return said == (run.metadata.name, task, number)


def _age(view: AttemptView) -> tuple[str, str]:
    return view.job["metadata"].get("creationTimestamp", ""), view.name


def _labels(job: JsonObject) -> dict[str, str]:
    return job["metadata"].get("labels") or {}
