"""May a task's next attempt be made? Its rate limits decide, once all else lets it.

An attempt claims its units in the run's status. It is made once every RateLimit that it needs says
in its own status that it has granted them.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain

from podhatch.api.rate_limit import RateLimitClaim
from podhatch.api.run import WorkflowRun
from podhatch.api.task import TaskSpec
from podhatch.core.admission.limits import LimitError
from podhatch.core.admission.rate_limits import turn_of
from podhatch.core.admission.units import UnitQueues
from podhatch.core.common.plan import Apply
from podhatch.core.rate_limit.claims import Need, needs_of
from podhatch.core.run.acceptance import in_words
from podhatch.core.run.admission import behind, task_values
from podhatch.core.run.job import AttemptSpec, effective_priority
from podhatch.core.run.position import (
    CONCURRENCY,
    RATE_LIMIT,
    REFUSED,
    Ended,
    Position,
    Ready,
    Standing,
    TaskContext,
    Waiting,
    wait_in_queue,
)
from podhatch.core.run.status import UNIT_CLAIMS_BYTES, claims_size
from podhatch.core.run.task_status import failed, queued

NO_ROOM = "too many tasks of this run want units"
"""Of one that claims nothing yet; short enough for a status without room."""


@dataclass(frozen=True)
class Asked:
    """Where the tasks stand once rate limits are asked, and what is asked of them."""

    standing: Standing
    claims: tuple[RateLimitClaim, ...] = ()
    limits: tuple[Apply, ...] = ()
    """RateLimits of dynamic keys that are to be made or changed."""


def ask_rate_limits(standing: Standing, context: TaskContext) -> Asked:
    """Return where the tasks stand once the rate limits of those that are ready are asked."""
    revision, positions = context.revision, standing.positions
    if not revision.rate_limited:
        return Asked(standing)
    asked = dict(positions)
    limits: list[Apply] = []
    limited = [
        name
        for name in standing.moving
        if name in revision.rate_limited
        and positions[name].status.waits_over is None  # one that goes on has taken its units
    ]
    ready = {name: each for name in limited if isinstance(each := positions[name], Ready)}
    claims = {name: _kept_claims(positions[name], context) for name in limited}
    stored = {claim.task for claim in _stored(context.run)}
    room = UNIT_CLAIMS_BYTES - sum(map(claims_size, claims.values()))
    for name in sorted(ready, key=lambda name: name not in stored):
        task, position = revision.by_name[name], ready[name]
        if name not in stored and room <= 0:
            waiting = queued(position.status, RATE_LIMIT, NO_ROOM, position.queued_at)
            asked[name] = wait_in_queue(task, waiting, context.now)
            continue
        try:
            values = task_values(task, positions, context)
            place = f"spec.tasks[{task.name}]"
            needs = needs_of(place, task.rate_limits, values, context.questions)
        except LimitError as error:
            asked[name] = Ended(failed(position.status, error.reason, str(error), context.now))
            continue
        wanted = _claims(task, position, needs, context)
        asked[name] = _ask(task, position, needs, wanted, context)
        if isinstance(asked[name], Waiting):
            claims[name] = wanted
            namespace = context.run.metadata.namespace
            made = (need.manifest(namespace, context.observed.queues) for need in needs)
            limits += [Apply(each) for each in made if each]
            room -= claims_size(claims[name])
    claimed = tuple(chain.from_iterable(claims.values()))
    return Asked(replace(standing, positions=asked), claimed, tuple(limits))


def _kept_claims(position: Position, context: TaskContext) -> list[RateLimitClaim]:
    """Return the stored claims of an attempt whose Job is refused, or that has lost its slots.

    Units that are granted to it stay its own, until it can be made after all.
    """
    status = position.status
    if not isinstance(position, Waiting) or status.reason not in (REFUSED, CONCURRENCY):
        return []
    return [each for each in _stored(context.run) if each.task == status.name]


def _ask(
    task: TaskSpec,
    ready: Ready,
    needs: Sequence[Need],
    claims: Sequence[RateLimitClaim],
    context: TaskContext,
) -> Position:
    """Let the attempt be made if it has its units; or have it wait, but not for ever."""
    queues = context.observed.queues
    lacking = [
        (need, claim)
        for need, claim in zip(needs, claims, strict=True)
        if claim.job not in queues.granted(need.name)
    ]
    if not lacking:
        return ready
    waiting = queued(ready.status, RATE_LIMIT, _message(lacking, queues), ready.queued_at)
    is_stored = any(each.job == claims[0].job for each in _stored(context.run))
    return wait_in_queue(task, waiting, context.now, urgent=not is_stored)


def _stored(run: WorkflowRun) -> Sequence[RateLimitClaim]:
    return run.status.rate_limits if run.status else ()


def _message(lacking: Sequence[tuple[Need, RateLimitClaim]], queues: UnitQueues) -> str:
    """Say which limits have too few units; or, if all have enough, that others are first."""
    problems = [text for need, claim in lacking if (text := _shortage(need, claim, queues))]
    if problems:
        return "; ".join(problems)
    needed = " and ".join(f"{_units(need.units)} of {need.key!r}" for need, _ in lacking)
    ahead = max(queues.ahead(need.name, turn_of(claim)) for need, claim in lacking)
    return f"needs {needed}: it waits for its turn{behind(ahead)}"


def _shortage(need: Need, claim: RateLimitClaim, queues: UnitQueues) -> str | None:
    if not queues.has_limit(need.name):
        if need.dynamic:
            return f"needs {_units(need.units)} of {need.key!r}, a new limit"
        return (
            f"there is no RateLimit {need.name} for the key {need.key!r} in the namespace: create "
            "it with hatchet.rate_limits.put or kubectl"
        )
    limit = queues.limit(need.name)
    if limit is None:
        return f"the RateLimit with the key {need.key!r} cannot be read: see its conditions"
    most, status = limit.spec.limit, limit.status
    if need.units > most:
        return f"needs {_units(need.units)} of {need.key!r}, and the limit is {most}"
    left = most if status is None or status.left is None else status.left
    if need.units <= left:
        return None
    until = f" until {in_words(status.refills_at)}" if status and status.refills_at else ""
    place = behind(queues.ahead(need.name, turn_of(claim)))
    return f"needs {_units(need.units)} of {need.key!r}: {left} of {most} are left{until}{place}"


def _units(number: int) -> str:
    return f"{number} unit" if number == 1 else f"{number} units"


def _claims(
    task: TaskSpec, ready: Ready, needs: Sequence[Need], context: TaskContext
) -> list[RateLimitClaim]:
    run = context.run
    return [
        RateLimitClaim(
            task=task.name,
            job=AttemptSpec(run, task, ready.number).name,
            limit=need.name,
            units=need.units,
            since=ready.queued_at,
            priority=effective_priority(run, context.revision.spec) or 1,
        )
        for need in needs
    ]
