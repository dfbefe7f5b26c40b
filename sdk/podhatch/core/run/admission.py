"""May a run start, and may a task's next attempt be made? Limits on concurrency decide.

A grant is written into the run's status before anything is made of it. Until then it counts in the
index alone; from then on every operator finds it in the cluster. So no slot is granted twice, and
none is lost, whenever an operator ends. The last grant of an operator may be stored after its
successor has given the slot to another: of more grants than slots, those of which nothing was made
yet are given back. When a run gives its slots up before it ends is said in `parking.py`. Limits on
rates are to be asked in the same two places.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain

from podhatch.api import labels
from podhatch.api.concurrency import ConcurrencyClaim
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.api.task_status import TaskStatus
from podhatch.core.admission.index import ClaimStanding, Place
from podhatch.core.admission.limits import LimitError, Seat, claims_of
from podhatch.core.common.refusal import RunRefusal
from podhatch.core.common.text import whole_number
from podhatch.core.run.attempts import Attempts
from podhatch.core.run.job import effective_metadata, effective_priority
from podhatch.core.run.position import (
    CONCURRENCY,
    PARENT_OUTPUT_LOST,
    Ended,
    Position,
    Ready,
    Running,
    Standing,
    TaskContext,
    Waiting,
    lost_output,
    output_value,
    wait_in_queue,
)
from podhatch.core.run.status import SLOT_CLAIMS_BYTES, claims_size
from podhatch.core.run.task_status import cancelled, failed, queued

Claims = tuple[ConcurrencyClaim, ...]
SEQUENCE_DIGITS = 18
"""So many fit into 64 bits."""
GIVEN_BACK = "waits for a slot: another run has taken the one that it was to have"
HAS_SLOTS = "has its slots"
NO_ROOM = "too many tasks of this run want slots"
"""Of one that claims nothing yet; short enough for a status without room."""


@dataclass(frozen=True)
class RunAdmission:
    """Whether a run may go on, and what it claims from now on."""

    claims: Claims = ()
    refusal: RunRefusal | None = None
    """Why it does not start yet, or ends."""
    is_new: bool = False
    """The slots are granted now: the run goes on once its status says so."""


def admit_run(context: TaskContext) -> RunAdmission:
    """Return whether a run has the slots that it needs."""
    run, admission = context.run, context.observed.admission
    is_under_way = _is_under_way(run, context.attempts)
    stored = claims_in(run).get("", ())
    if not stored and (not context.revision.spec.concurrency or is_under_way):
        return RunAdmission()
    if stored and _has_started(stored):
        other = admission.standing(place_of(run), "")
        if other and other.superseded_by:
            return RunAdmission(refusal=_superseded(stored, other))
        if other and other.is_surplus and not is_under_way:
            refusal = RunRefusal(CONCURRENCY, GIVEN_BACK)
            return RunAdmission(given_back(stored), refusal)
        return RunAdmission(stored)
    try:
        claims = _claims_of_run(stored, context)
    except LimitError as error:
        return RunAdmission(refusal=RunRefusal(error.reason, str(error), end="Failed"))
    if not claims:  # the limits that it was waiting for were removed
        return RunAdmission()
    standing = admission.standing(place_of(run), "", claims)
    if standing and standing.superseded_by:
        return RunAdmission(refusal=_superseded(claims, standing))
    if standing and standing.is_admitted:
        return RunAdmission(granted(claims), is_new=True)
    old = run.status.message if run.status else None
    claims, message = counted(claims, stored, standing, old)
    return RunAdmission(claims, RunRefusal(CONCURRENCY, message))


def admit_tasks(standing: Standing, context: TaskContext) -> tuple[Standing, Claims]:
    """Return where the tasks stand once limits are asked, and what they claim from now on.

    Only those that move may claim slots: no other does whose entry says all.
    """
    revision, positions = context.revision, standing.positions
    if not revision.limited:
        return standing, ()
    stored = claims_in(context.run)
    admitted = dict(positions)
    limited = [name for name in standing.moving if name in revision.limited]
    claims: dict[str, Claims] = dict.fromkeys(limited, ())
    room = SLOT_CLAIMS_BYTES
    for name in sorted(limited, key=lambda name: name not in stored):
        position = positions[name]
        if isinstance(position, Ready) and name not in stored and room <= 0:
            waiting = _queued(position, NO_ROOM)
            admitted[name] = wait_in_queue(revision.by_name[name], waiting, context.now)
            continue
        admitted[name], claims[name] = _admit_task(name, positions, stored.get(name, ()), context)
        room -= claims_size(claims[name])
    return replace(standing, positions=admitted), tuple(chain.from_iterable(claims.values()))


def without_ended(claims: Claims, moving: Sequence[Position]) -> Claims:
    """Leave out the claims of tasks that could not be built, and so have ended."""
    ended = {each.status.name for each in moving if isinstance(each, Ended)}
    return tuple(each for each in claims if each.task not in ended)


def claims_in(run: WorkflowRun) -> dict[str, Claims]:
    """Return the claims of the stored status by task, those of the run itself as ""."""
    found: dict[str, Claims] = {}
    for claim in run.status.concurrency if run.status else ():
        found[claim.task or ""] = (*found.get(claim.task or "", ()), claim)
    return found


def not_released(run: WorkflowRun, claims: Sequence[ConcurrencyClaim]) -> Claims:
    """Return the slots that the stored status holds and the new one does not: others wait for them.

    They count until the new status is stored, or a plan that failed would hold them again.
    """
    still_held = {each.task for each in claims if each.held}
    stored = run.status.concurrency if run.status else ()
    return tuple(each for each in stored if each.held and each.task not in still_held)


def place_of(run: WorkflowRun) -> Place:
    """Return namespace and name of a run."""
    return run.metadata.namespace, run.metadata.name


def _has_started(claims: Claims) -> bool:
    """Whether a run has had its slots: only its tasks have to wait for them, if it has to again."""
    return claims[0].held or claims[0].parked or claims[0].resumes


def _is_under_way(run: WorkflowRun, attempts: Attempts) -> bool:
    """Whether the run has started, as one may that was made before its workflow had limits."""
    if run.status and run.status.phase == "Running":
        return True
    return any(each.replay == run.asked_replays for each in attempts.values())


def _claims_of_run(stored: Claims, context: TaskContext) -> Claims:
    revision = context.revision
    seat, values = _seat(None, stored, context), _values(context)
    owner, limits = f"workflow/{revision.workflow}", revision.spec.concurrency
    return tuple(claims_of("spec", limits, owner, seat, values, context.questions))


def _seat(task: str | None, stored: Claims, context: TaskContext) -> Seat:
    """Return what puts a claim in order; it stays what it was when the claim was first stored."""
    run, now = context.run, context.now
    priority = effective_priority(run, context.revision.spec) or 1
    if stored:
        return Seat(task, stored[0].since, stored[0].sequence, priority)
    since = run.metadata.creation_timestamp or now
    if run.spec.start_at:
        since = max(since, run.spec.start_at)
    if run.asked_replays:
        since = now
    return Seat(task, since, _sequence(run), priority)


def _sequence(run: WorkflowRun) -> int:
    """Return what puts runs of the same second in order.

    The SDK writes it into its runs. Of others it is the version at first sight, which an edit
    before that changes: Kubernetes keeps nothing finer of the creation.
    """
    written = whole_number(run.metadata.annotations.get(labels.SEQUENCE), SEQUENCE_DIGITS)
    return written or whole_number(run.metadata.resource_version) or 0


def _values(context: TaskContext) -> dict[str, object]:
    run = context.run
    return {
        "input": run.spec.input,
        "additional_metadata": effective_metadata(run, context.revision.spec),
        "workflow_run_id": run.metadata.name,
    }


def granted(claims: Claims) -> Claims:
    """Return claims whose slots are granted."""
    return with_changes(claims, held=True, ahead=None)


def given_back(claims: Claims) -> Claims:
    """Return claims that wait again."""
    return with_changes(claims, held=False)


def with_changes(claims: Claims, **changes: bool | None) -> Claims:
    """Return claims that differ in these fields."""
    return tuple(each.model_copy(update=changes) for each in claims)


def counted(
    claims: Claims, stored: Claims, standing: ClaimStanding | None, old_message: str | None
) -> tuple[Claims, str]:
    """Return the claims with the number of those ahead, and a message.

    Both stay as they are stored until half of those ahead are gone: a queue that moves must not
    have all its statuses written again and again.
    """
    if standing is None:
        return claims, "waits for a slot"
    place, ahead = standing.place, standing.ahead
    known = stored[place].ahead if place < len(stored) else None
    if (known is not None and old_message and known // 2 < ahead) or known == ahead:
        ahead, message = known or 0, old_message or ""
    else:
        message = _message(claims[place], standing)
    noted = claims[place].model_copy(update={"ahead": ahead})
    return (*claims[:place], noted, *claims[place + 1 :]), message


def _message(claim: ConcurrencyClaim, standing: ClaimStanding) -> str:
    shown = standing.taken_by[:3]
    others = standing.taken - len(shown)
    names = [*shown, f"{others} more"] if others > 0 else [*shown]
    listed = " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))
    verb = "is" if standing.taken == 1 else "are"
    slots = f"{standing.taken} of {standing.max_runs} slots of {_group_name(claim)}"
    return f"{slots} {verb} taken by {listed}{behind(standing.ahead)}"


def behind(ahead: int) -> str:
    """Say how many come before somebody who waits."""
    return {0: "", 1: "; 1 is ahead"}.get(ahead, f"; {ahead} are ahead")


def _group_name(claim: ConcurrencyClaim) -> str:
    """Name what shares the slots: a key, or a limit by its name, or else by whose it is."""
    owner, _, rest = claim.limit.partition("/")
    if claim.key or owner == "name":
        return _quoted(claim.key or rest)
    return f"{owner} {_quoted(claim.task or rest.rpartition('/')[0])}"


def _quoted(text: str) -> str:
    return json.dumps(text, ensure_ascii=False)


def _superseded(claims: Claims, standing: ClaimStanding) -> RunRefusal:
    return RunRefusal(CONCURRENCY, _superseded_message(claims, standing), end="Cancelled")


def _superseded_message(claims: Claims, standing: ClaimStanding) -> str:
    claim = next((each for each in claims if each.strategy != "GROUP_ROUND_ROBIN"), claims[0])
    return (
        f"cancelled by {claim.strategy} of {_group_name(claim)}, in favor of "
        f"{standing.superseded_by}"
    )


def _admit_task(
    name: str, positions: Mapping[str, Position], stored: Claims, context: TaskContext
) -> tuple[Position, Claims]:
    task, position = context.revision.by_name[name], positions[name]
    if not isinstance(position, Ready | Running):
        return position, ()
    admission, place = context.observed.admission, place_of(context.run)
    standing = admission.standing(place, task.name)
    if isinstance(position, Running) or (stored and stored[0].held):
        if stored and standing and standing.superseded_by:
            return _end_superseded(position.status, stored, standing, context.now), ()
        if isinstance(position, Ready) and standing and standing.is_surplus:
            waiting = _queued(position, GIVEN_BACK)
            return Waiting(waiting, urgent=True), given_back(stored)
        return position, stored
    try:
        claims = _claims_of_task(task, positions, stored, context)
    except LimitError as error:
        return Ended(failed(position.status, error.reason, str(error), context.now)), ()
    standing = admission.standing(place, task.name, claims)
    if standing and standing.superseded_by:
        return _end_superseded(position.status, claims, standing, context.now), ()
    return _ask_for_task(task, position, claims, stored, standing, context)


def _ask_for_task(
    task: TaskSpec,
    ready: Ready,
    claims: Claims,
    stored: Claims,
    standing: ClaimStanding | None,
    context: TaskContext,
) -> tuple[Position, Claims]:
    """Let the attempt be made, once the grant is stored; or have it wait, but not for ever."""
    old = ready.status
    if standing and standing.is_admitted:
        return Waiting(_queued(ready, HAS_SLOTS), urgent=True), granted(claims)
    old_message = old.message if old.reason == CONCURRENCY else None
    claims, message = counted(claims, stored, standing, old_message)
    position = wait_in_queue(task, _queued(ready, message), context.now)
    return position, claims if isinstance(position, Waiting) else ()


def _queued(ready: Ready, message: str) -> TaskStatus:
    return queued(ready.status, CONCURRENCY, message, ready.queued_at)


def _claims_of_task(
    task: TaskSpec, positions: Mapping[str, Position], stored: Claims, context: TaskContext
) -> Claims:
    """Return what a task's limits ask of it.

    Raises:
        LimitError: an expression fails, or the output of a parent is gone.
    """
    seat = _seat(task.name, stored, context)
    seat = seat._replace(resumes=positions[task.name].status.waits_over is not None)
    values = task_values(task, positions, context)
    place, owner = f"spec.tasks[{task.name}]", f"task/{context.revision.workflow}/{task.name}"
    return tuple(claims_of(place, task.concurrency, owner, seat, values, context.questions))


def task_values(
    task: TaskSpec, positions: Mapping[str, Position], context: TaskContext
) -> dict[str, object]:
    """Return the variables of the expressions of a task's limits.

    Raises:
        LimitError: the output of a parent is gone.
    """
    try:
        outputs = {name: output_value(positions[name], context.observed) for name in task.parents}
    except KeyError as error:
        raise LimitError(lost_output(str(error.args[0])), PARENT_OUTPUT_LOST) from None
    return {**_values(context), "parents": outputs}


def _end_superseded(
    status: TaskStatus, claims: Claims, standing: ClaimStanding, now: datetime
) -> Ended:
    return Ended(cancelled(status, CONCURRENCY, _superseded_message(claims, standing), now))
