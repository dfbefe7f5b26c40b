"""Concurrency limits: what users write into a workflow or task, and what a run's status says.

Runs or tasks whose expression gives the same key are a group, and share the slots of the limit.
"""

from typing import Annotated, Literal

from pydantic import Field

from podhatch.api.condition import Expression
from podhatch.api.limits import MAX_LIMIT_NAME, MAX_LIMITS, MAX_RUNS
from podhatch.api.model import Timestamp, WireModel, number_or_expression

LimitStrategy = Literal[
    "GROUP_ROUND_ROBIN",
    "CANCEL_IN_PROGRESS",
    "CANCEL_NEWEST",
    "CANCEL_QUEUED_EXCEPT_NEWEST",
    "CANCEL_QUEUED_EXCEPT_OLDEST",
]
"""What happens to those that find no free slot."""
MAX_KEY = 256
"""Characters of a key."""


class ConcurrencyLimit(WireModel):
    """How many runs, or tasks of runs, with the same key may be under way at the same time."""

    expression: Expression | None = None
    """expression in CEL whose result, a string, is the key of the group. Its variables are input,
    additional_metadata and workflow_run_id, and of a task also parents. By default all are one
    group."""
    max_runs: Annotated[int | Expression, number_or_expression(minimum=1)]
    """maxRuns is the number of slots of each group: a whole number from 1, or an expression in CEL
    that gives one."""
    limit_strategy: LimitStrategy = "GROUP_ROUND_ROBIN"
    """limitStrategy says what happens when no slot is free. GROUP_ROUND_ROBIN: they wait.
    CANCEL_IN_PROGRESS: the oldest is cancelled. CANCEL_NEWEST: the newest is cancelled.
    CANCEL_QUEUED_EXCEPT_NEWEST and CANCEL_QUEUED_EXCEPT_OLDEST: one waits, and the others that wait
    are cancelled."""
    name: Annotated[str | None, Field(min_length=1, max_length=MAX_LIMIT_NAME)] = None
    """name of a limit that all workflows of the namespace share that use it."""


Concurrency = Annotated[list[ConcurrencyLimit], Field(max_length=MAX_LIMITS)]


class ConcurrencyClaim(WireModel):
    """A slot that a run, or a task of it, holds or waits for."""

    task: Annotated[str | None, Field(max_length=63)] = None
    """task that claims it; absent for the run."""
    limit: Annotated[str, Field(max_length=300)]
    """limit is name/NAME, workflow/WORKFLOW/INDEX or task/WORKFLOW/TASK/INDEX."""
    key: Annotated[str, Field(max_length=MAX_KEY)] = ""
    """key of the group."""
    max_runs: Annotated[int, Field(ge=1, le=MAX_RUNS)]
    """maxRuns is the number of slots of the group."""
    strategy: LimitStrategy = "GROUP_ROUND_ROBIN"
    """strategy for those that find no free slot."""
    held: bool = False
    """held is true once the slot is granted."""
    parked: bool = False
    """parked is true while a run has given the slot up, because nothing of it runs and a task waits
    without a pod: it neither holds a slot nor waits for one."""
    resumes: bool = False
    """resumes is true while the slot is wanted, or granted and not used yet, to go on after a wait
    without a pod: nobody is cancelled for having to wait then."""
    since: Timestamp
    """since is when the run was created, or was to start, or was replayed."""
    sequence: Annotated[int, Field(ge=0)] = 0
    """sequence orders claims with the same time."""
    priority: Annotated[int, Field(ge=1, le=3)] = 1
    """priority of the run."""
    ahead: Annotated[int | None, Field(ge=0)] = None
    """ahead is how many waited before it when they were last counted; only for the group that it
    waits in."""
