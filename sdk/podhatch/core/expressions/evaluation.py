"""What a plan asks of expressions and schemas that users wrote: the core never runs these itself.

A plan asks through its `Questions`, which know some answers already. Any other question gets a
placeholder, and the plan comes to nothing but a list of the evaluations it needs. Whoever asked for
the plan has them done elsewhere, within limits, and plans again.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, Protocol

Check = Literal["Condition", "Filter", "Schema", "Input"]
"""A CEL expression over a task's variables or over an event's; a JSON Schema, or an input's fit."""
TOO_EXPENSIVE = "ExpressionTooExpensive"


@dataclass(frozen=True)
class Value:
    """JSON that an expression or a schema is evaluated on: one of its variables."""

    text: bytes = field(compare=False, repr=False)
    digest: bytes

    @classmethod
    def of(cls, text: bytes) -> "Value":
        """Return the value that this JSON text is."""
        return cls(text, hashlib.sha256(text).digest())


@dataclass(frozen=True)
class Evaluation:
    """One question: is this code valid or, given values, what does it say of them?"""

    check: Check
    code: str
    values: tuple[tuple[str, Value], ...] | None = None
    """By name; None only asks whether the code is valid."""

    @cached_property
    def key(self) -> bytes:
        """The same for the same question, and short."""
        names = None if self.values is None else [name for name, _ in self.values]
        parts = [f"{self.check} {names}".encode()]
        parts += [value.digest for _, value in self.values or ()]
        parts.append(self.code.encode(errors="surrogatepass"))
        return hashlib.sha256(b"\0".join(parts)).digest()

    @property
    def text(self) -> bytes | None:
        """The JSON object of the values; None where there are none."""
        if self.values is None:
            return None
        members = (b'"%b":%b' % (name.encode(), value.text) for name, value in self.values)
        return b"{%b}" % b",".join(members)

    @property
    def size(self) -> int:
        """Bytes that it holds."""
        return len(self.code) + sum(len(value.text) for _, value in self.values or ())


@dataclass(frozen=True)
class Answer:
    """What came of an evaluation."""

    holds: bool = False
    """Whether the expression is true."""
    problems: tuple[str, ...] = ()
    """Why there is no answer, or how the input differs from its schema."""
    too_expensive: bool = False
    """The evaluation was stopped; the problem says by which limit."""


class Answers(Protocol):
    """The answers known so far."""

    def get(self, evaluation: Evaluation, /) -> Answer | None:
        """Return the answer, or None if it is not known."""
        ...


class _NoAnswers:
    def get(self, evaluation: Evaluation, /) -> Answer | None:
        """Know nothing."""
        del evaluation


NO_ANSWERS: Answers = _NoAnswers()
_PLACEHOLDER = Answer()


class Questions:
    """The questions of one plan."""

    def __init__(self, known: Answers) -> None:
        self._known = known
        self._missing: dict[Evaluation, None] = {}
        self.met_limit = False
        """Whether an evaluation was too expensive."""

    @property
    def missing(self) -> tuple[Evaluation, ...]:
        """The evaluations that the plan waits for; while there are any, it must not be used."""
        return tuple(self._missing)

    def ask(self, evaluation: Evaluation) -> Answer:
        """Return the answer, or a placeholder."""
        answer = self._known.get(evaluation)
        if answer is None:
            self._missing[evaluation] = None
            return _PLACEHOLDER
        self.met_limit |= answer.too_expensive
        return answer


def json_text(value: object) -> bytes:
    """Return a value as compact JSON in UTF-8. Half surrogate pairs are kept as they are."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.encode(errors="surrogatepass")
