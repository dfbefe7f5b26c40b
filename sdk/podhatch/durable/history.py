"""What earlier invocations of a durable task have recorded, and what a replay does next. Pure.

A log is a sequence of calls, and of results that the code got between them. A replay gives a
result only once the calls before it have been made again, and the next one only once the calls
between have been: so the code, which decides by what it gets, makes the same calls.
"""

from collections import deque
from collections.abc import Iterable

from podhatch.api.durable_log import DurableCall, DurableLogSpec, DurableValue
from podhatch.api.limits import CallKind


class DamagedLog(Exception):  # noqa: N818 - it names a state
    """The log does not hold the calls 1, 2, 3 and so on; the text says what it holds."""


class Deviation(Exception):  # noqa: N818 - it names what happened
    """The code makes another call than it made before; the text says which.

    Attributes:
        node: Number of the call.
    """

    def __init__(self, node: int, message: str) -> None:
        super().__init__(message)
        self.node = node


class History:
    """The calls of a log, and how far an invocation has come in them.

    Attributes:
        calls: Recorded calls in the order of their nodes, which begin with 1.
        values: Values of memos, by their nodes.
        made: How many calls this invocation has made.
    """

    def __init__(self, pages: Iterable[DurableLogSpec]) -> None:
        """Read the pages of a log, in their order.

        Raises:
            DamagedLog: A call is missing, or is there twice.
        """
        self.calls: list[DurableCall] = []
        self.values: dict[int, DurableValue] = {}
        self.made = 0
        self._branch = 1
        self._due: deque[tuple[int, int]] = deque()
        """Results that are to be given next: calls that must be made before, and the node."""
        self._given: list[int] = []
        """Nodes whose results were given since the last call that is recorded or was made."""
        values: dict[tuple[int, int], DurableValue] = {}
        for page in pages:
            self._branch = max(self._branch, page.branch)
            for call in page.calls:
                self._append(call)
            values.update({(each.node, each.branch): each for each in page.values})
        for call in self.calls:
            if (value := values.get((call.node, call.branch))) is not None:
                self.values[call.node] = value

    @property
    def is_replayed(self) -> bool:
        """Whether all recorded calls have been made again."""
        return self.made >= len(self.calls)

    @property
    def branch(self) -> int:
        """The branch of the call that is made next."""
        return self._branch if self.is_replayed else self.calls[self.made].branch

    @property
    def expects_call(self) -> bool:
        """Whether a recorded call must be made again before anything else can happen."""
        if self.is_replayed:
            return False
        return not self._due or self._due[0][0] > self.made

    def make(self, kind: CallKind, key: str) -> tuple[int, DurableCall | None]:
        """Make the next call. Return its node, and the call if it is recorded.

        Raises:
            Deviation: Another call is recorded.
        """
        node = self.made + 1
        if self.is_replayed:
            self.made = node
            return node, None
        recorded = self.calls[self.made]
        if (recorded.kind, recorded.key) != (kind, key):
            now = "with other arguments" if recorded.kind == kind else f"of kind {kind}"
            raise Deviation(node, f"it was {described(recorded)}, and is now one {now}")
        self.made = node
        return node, recorded

    def take_given(self) -> list[int]:
        """Return, for a new call to record, whose results were given since the call before it."""
        given, self._given = self._given, []
        return given

    def next_result(self) -> int | None:
        """Return whose recorded result is to be given next; None if none is recorded."""
        return self._due[0][1] if self._due else None

    def may_give(self, node: int) -> bool:
        """Return whether the code may get the result of a call now."""
        if self._due:
            needed, due = self._due[0]
            return node == due and self.made >= needed
        return self.is_replayed

    def is_given_later(self, node: int) -> bool:
        """Return whether the log says when the code gets the result of a call."""
        return any(node == due for _, due in self._due)

    def give(self, node: int) -> None:
        """Record that the code gets the result of a call."""
        if node == self.next_result():
            self._due.popleft()
        else:
            self._given.append(node)

    def forgo(self, node: int) -> None:
        """Record that the code does not wait for a call any more: its result is not given."""
        if node == self.next_result():
            self._due.popleft()

    def _append(self, call: DurableCall) -> None:
        expected = len(self.calls) + 1
        if call.node != expected:
            raise DamagedLog(f"expected call {expected}, got call {call.node}")
        self._due.extend((len(self.calls), node) for node in call.delivered)
        self.calls.append(call)


def described(call: DurableCall) -> str:
    """Describe a recorded call for people."""
    kinds = {"Run": "a run", "WaitFor": "a wait", "Memo": "a memo"}
    name = call.label or call.child
    return f"{kinds[call.kind]} ({name})" if name else kinds[call.kind]
