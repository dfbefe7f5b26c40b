"""When a run gives up the slots of its own limits before it ends, and takes them again.

A run is parked while a task of it waits without a pod, and each of the others has ended, or waits
for such a task or for its conditions: nothing of it has a pod, and nothing could have one. Its
claims stay in the status, so that it keeps its place. As soon as a task could have a pod, the run
asks for its slots again as at its start, and what is ready waits until the status says that it has
them.
"""

from collections.abc import Iterable
from dataclasses import replace

from podhatch.api.run import WorkflowRun
from podhatch.core.admission.index import ClaimStanding
from podhatch.core.run.admission import (
    GIVEN_BACK,
    HAS_SLOTS,
    Claims,
    counted,
    given_back,
    granted,
    place_of,
    with_changes,
)
from podhatch.core.run.position import (
    CONCURRENCY,
    Ended,
    Position,
    Ready,
    Running,
    Standing,
    TaskContext,
    Waiting,
)
from podhatch.core.run.task_status import queued


def can_give_up_slots(positions: Iterable[Position]) -> bool:
    """Return whether nothing of a run whose tasks stand there has a pod, or could have one."""
    some_wait_without_pod = False
    for position in positions:
        if isinstance(position, Ended):
            continue
        state = position.status.state
        if not isinstance(position, Waiting) or state not in ("Waiting", "Pending"):
            return False
        some_wait_without_pod |= state == "Waiting"
    return some_wait_without_pod


def park_or_resume(
    standing: Standing, claims: Claims, context: TaskContext
) -> tuple[Standing, Claims]:
    """Return where the tasks stand once their run's slots are asked for, and the run's claims.

    Args:
        standing: where all tasks stand.
        claims: the claims of the run itself, which has started.
        context: the run.
    """
    if not claims or not context.revision.has_durable_tasks:
        return standing, claims
    positions = standing.positions.values()
    if can_give_up_slots(positions):
        return standing, with_changes(claims, held=False, parked=True, resumes=False, ahead=None)
    claimed = context.observed.admission.standing(place_of(context.run), "")
    if not claims[0].held:
        return _ask(claims, standing, claimed, context.run)
    if any(isinstance(each, Running) for each in positions):  # they are not given back any more
        return standing, with_changes(claims, resumes=False)
    if claims[0].resumes and claimed and claimed.is_surplus:
        return _held_back(standing, GIVEN_BACK, urgent=True), given_back(claims)
    return standing, claims


def _ask(
    stored: Claims, standing: Standing, claimed: ClaimStanding | None, run: WorkflowRun
) -> tuple[Standing, Claims]:
    """Let the tasks go on once the grant is stored; until then they wait, however long it takes."""
    claims = with_changes(stored, parked=False, resumes=True, ahead=None)
    if claimed and claimed.is_admitted:
        return _held_back(standing, HAS_SLOTS, urgent=True), granted(claims)
    told = _told(run)
    claims, message = counted(claims, stored if told else (), claimed, told)
    return _held_back(standing, message), claims


def _told(run: WorkflowRun) -> str | None:
    entries = run.status.tasks if run.status else ()
    waiting = (each for each in entries if each.state == "Queued" and each.reason == CONCURRENCY)
    return next((each.message for each in waiting), None)


def _held_back(standing: Standing, message: str, *, urgent: bool = False) -> Standing:
    """Have all that is ready wait for the slots of the run."""
    held_back: dict[str, Position] = {
        name: Waiting(queued(ready.status, CONCURRENCY, message), urgent=urgent)
        for name in standing.moving
        if isinstance(ready := standing.positions[name], Ready)
    }
    return replace(standing, positions={**standing.positions, **held_back})
