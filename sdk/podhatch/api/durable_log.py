"""The DurableLog object: what a durable task has called and waits for, in the order of its calls.

The task's pod writes the spec, and the operator the status: it alone says which wait is over, and
by what. A long log continues in further objects, its pages.
"""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from podhatch.api.condition import Condition
from podhatch.api.limits import MAX_CONDITIONS, CallKind
from podhatch.api.model import ApiObject, CheckedStatus, GivenTime, Rule, Timestamp, WireModel
from podhatch.api.names import MAX_RUN_NAME
from podhatch.api.task import TaskName

MAX_PAGE_ENTRIES = 250
MAX_PAGE_BYTES = 192 * 1024
"""Of the spec as stored. A page that reaches it is closed, and another one follows."""
MAX_ENTRY_BYTES = 400 * 1024
"""Of one call or value as stored: six times the longest value. It may need a page of its own."""
MAX_PAGES = 200
MAX_STORED_VALUE_BYTES = 64 * 1024
"""Of a memo's value, or of the payload of an event, as JSON."""
MAX_STATUS_BYTES = 512 * 1024
"""Of a page's status as stored, so that the operator can hold a page: at most 1 MiB in all. An
event whose payload does not fit ends its wait with an error."""
MAX_CALL_LABEL = 253


class DurableCall(WireModel):
    """A call that the task made: it waits for something, starts a child run, or keeps a value."""

    node: Annotated[int, Field(ge=1)]
    """node is the number of the call, from 1, on all pages."""
    branch: Annotated[int, Field(ge=1)] = 1
    """branch is 1, and more after the task was reset to a node."""
    kind: CallKind
    """kind of the call."""
    key: Annotated[str, Field(max_length=64)]
    """key is a hash of what was called: on replay it must be the same."""
    label: Annotated[str | None, Field(max_length=MAX_CALL_LABEL)] = None
    """label that the task gave it."""
    at: GivenTime
    """at is when the task made the call."""
    delivered: list[int] = Field(default_factory=list[int], max_length=MAX_PAGE_ENTRIES * MAX_PAGES)
    """delivered lists the nodes whose results the task got between the call before and this one, in
    this order. A replay keeps to it."""
    wait_for: list[Condition] = Field(default_factory=list[Condition], max_length=MAX_CONDITIONS)
    """waitFor lists conditions that must all hold before the wait is over."""
    child: Annotated[str | None, Field(max_length=MAX_RUN_NAME)] = None
    """child is the run it waits for."""


class DurableValue(WireModel):
    """The value of a memo."""

    node: Annotated[int, Field(ge=1)]
    """node of the memo."""
    branch: Annotated[int, Field(ge=1)] = 1
    """branch of the memo."""
    value: Annotated[str, Field(max_length=MAX_STORED_VALUE_BYTES)] = "null"
    """value as JSON."""
    at: GivenTime | None = None
    """at is when the memo's function returned it."""


class DurableLogSpec(WireModel):
    """The calls of one task in one run. Pages are numbered from 0."""

    rules: ClassVar[list[Rule]] = [
        Rule(
            "self.run == oldSelf.run && self.task == oldSelf.task && self.page == oldSelf.page",
            "run, task and page of a DurableLog cannot change",
        ),
        Rule(
            "self.invocation >= oldSelf.invocation",
            "invocation cannot decrease: a later pod of the task has taken over the log",
        ),
    ]

    run: Annotated[str, Field(min_length=1, max_length=MAX_RUN_NAME)]
    """run of the task."""
    task: TaskName
    """task that writes the log."""
    page: Annotated[int, Field(ge=0, lt=MAX_PAGES)]
    """page is the number of this object."""
    invocation: Annotated[int, Field(ge=1)]
    """invocation is the number in the name of the Job that writes. A pod of an earlier one cannot
    write any more."""
    branch: Annotated[int, Field(ge=1)] = 1
    """branch of the calls to come. On the last page it counts: it grows when the task is reset to a
    node."""
    closed: bool = False
    """closed says that the log continues on the next page."""
    cancelled: Annotated[list[int], Field(max_length=MAX_PAGE_ENTRIES)] = Field(
        default_factory=list[int]
    )
    """cancelled lists the nodes of calls that the task does not wait for any more. Their ends do
    not resume it. The list of the last page counts."""
    calls: list[DurableCall] = Field(default_factory=list[DurableCall], max_length=MAX_PAGE_ENTRIES)
    """calls in the order of their nodes."""
    values: Annotated[list[DurableValue], Field(max_length=MAX_PAGE_ENTRIES)] = Field(
        default_factory=list[DurableValue]
    )
    """values of memos, of any page."""


class MetCondition(WireModel):
    """A condition of a wait that holds."""

    key: Annotated[str, Field(max_length=1200)]
    """key of the condition."""
    at: Timestamp
    """at is since when it holds."""
    value: Annotated[str | None, Field(max_length=MAX_STORED_VALUE_BYTES)] = None
    """value as JSON: an event's payload."""


class DurableWait(WireModel):
    """What the operator knows of a call that waits."""

    node: Annotated[int, Field(ge=1)]
    """node of the call."""
    branch: Annotated[int, Field(ge=1)] = 1
    """branch of the call."""
    since: Timestamp | None = None
    """since is when the operator saw the call, if that was before the time that the task's clock
    gave it. The wait counts from then on."""
    met: Annotated[list[MetCondition], Field(max_length=MAX_CONDITIONS * MAX_CONDITIONS)] = Field(
        default_factory=list[MetCondition]
    )
    """met conditions."""
    over_at: Timestamp | None = None
    """overAt is when the wait was over; absent before."""
    error: Annotated[str | None, Field(max_length=2048)] = None
    """error that ends the wait, such as of an expression."""


class DurableLogStatus(CheckedStatus):
    """Which waits of the page are over."""

    waits: list[DurableWait] = Field(default_factory=list[DurableWait], max_length=MAX_PAGE_ENTRIES)
    """waits that are over, or of which some condition holds."""
    waiting: Annotated[str | None, Field(max_length=1024)] = None
    """waiting describes what the task waits for."""
    next_at: Timestamp | None = None
    """nextAt is when the next sleep of the page is over."""


class DurableLog(ApiObject):
    """What a durable task has called, and which of its waits are over."""

    kind: Literal["DurableLog"] = "DurableLog"
    spec: DurableLogSpec
    """spec is written by the task's pod."""
    status: DurableLogStatus | None = None
    """status is written by the operator."""
