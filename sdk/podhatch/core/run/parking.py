"""When a run gives up the slots of its own limits before it ends, and takes them again.

A run is parked while a task of it waits without a pod, and each of the others has ended, or waits
for such a task or for its conditions: nothing of it has a pod, and nothing could have one. Its
claims stay in the status, so that it keeps its place. As soon as a task could have a pod, the run
asks for its slots again as at its start, and what is ready waits until the status says that it has
them.
"""

from collections.abc import Iterable, Mapping, Sequence

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
)
from podhatch.core.run.position import (
    CONCURRENCY,
    Ended,
    Position,
    Ready,
    Running,
    TaskContext,
    Waiting,
)
from podhatch.core.run.task_status import bounded, kept
from podhatch.core.workflow.revision import Revision


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
    revision: Revision,
    claims: Claims,
    positions: Mapping[str, Position],
    moving: Sequence[str],
    context: TaskContext,
) -> tuple[Mapping[str, Position], Claims]:
    """Return where the tasks stand once their run's slots are asked for, and the run's claims.

    Args:
        revision: the workflow.
        claims: the claims of the run itself, which has started.
        positions: where all tasks stand.
        moving: the tasks of which some may be ready.
        context: the run.
    """
    if not claims or not revision.has_durable_tasks:
        return positions, claims
    if can_give_up_slots(positions.values()):
        return positions, _parked(claims)
    standing = context.observed.admission.standing(place_of(context.run), "")
    if not claims[0].held:
        return _ask(claims, positions, moving, standing, context.run)
    if any(isinstance(each, Running) for each in positions.values()):
        return positions, _used(claims)
    if claims[0].resumes and standing and standing.is_surplus:
        return _held_back(positions, moving, GIVEN_BACK, urgent=True), given_back(claims)
    return positions, claims


def _ask(
    stored: Claims,
    positions: Mapping[str, Position],
    moving: Sequence[str],
    standing: ClaimStanding | None,
    run: WorkflowRun,
) -> tuple[Mapping[str, Position], Claims]:
    """Let the tasks go on once the grant is stored; until then they wait, however long it takes."""
    claims = _resuming(stored)
    if standing and standing.is_admitted:
        return _held_back(positions, moving, HAS_SLOTS, urgent=True), granted(claims)
    told = _told(run)
    claims, message = counted(claims, stored if told else (), standing, told)
    return _held_back(positions, moving, message), claims


def _parked(claims: Claims) -> Claims:
    changes = {"held": False, "parked": True, "resumes": False, "ahead": None}
    return tuple(each.model_copy(update=changes) for each in claims)


def _resuming(claims: Claims) -> Claims:
    changes = {"parked": False, "resumes": True, "ahead": None}
    return tuple(each.model_copy(update=changes) for each in claims)


def _used(claims: Claims) -> Claims:
    """Return claims whose slots something runs with: they are not given back any more."""
    return tuple(each.model_copy(update={"resumes": False}) for each in claims)


def _told(run: WorkflowRun) -> str | None:
    """Return what the status says of the tasks that wait for the slots of their run."""
    entries = run.status.tasks if run.status else ()
    waiting = (each for each in entries if each.state == "Queued" and each.reason == CONCURRENCY)
    return next((each.message for each in waiting), None)


def _held_back(
    positions: Mapping[str, Position], moving: Sequence[str], message: str, *, urgent: bool = False
) -> Mapping[str, Position]:
    """Have all that is ready wait for the slots of the run."""
    held_back: dict[str, Position] = {
        name: Waiting(
            kept(ready.status, state="Queued", reason=CONCURRENCY, message=bounded(message)),
            urgent=urgent,
        )
        for name in moving
        if isinstance(ready := positions[name], Ready)
    }
    return {**positions, **held_back}
