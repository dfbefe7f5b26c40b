"""Evaluations that a plan needs of expressions and schemas: the core does not evaluate these.

A plan asks through its `Questions`, which know some answers already. Any other question gets a
placeholder, and the plan consists of the list of evaluations that it needs. The caller has these
done elsewhere, within limits, and plans again.
"""

import hashlib
import json
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final, Literal, Protocol

Check = Literal["Condition", "Filter", "IdempotencyKey", "RunLimit", "TaskLimit", "Schema", "Input"]
"""A CEL expression over the variables of a task, an event or a run; a JSON Schema, or an input's
fit."""
TOO_EXPENSIVE: Final = "ExpressionTooExpensive"
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


@dataclass(frozen=True)
class Value:
    """The JSON text of a variable that an expression or a schema is evaluated on."""

    text: bytes = field(compare=False, repr=False)
    digest: bytes

    @classmethod
    def of(cls, text: bytes) -> "Value":
        """Return the value of a JSON text."""
        return cls(text, hashlib.sha256(text).digest())


@dataclass(frozen=True)
class Evaluation:
    """One question: is this code valid or, given values, what is its result?"""

    check: Check
    code: str
    values: tuple[tuple[str, Value], ...] | None = None
    """By name; None only asks whether the code is valid."""

    @cached_property
    def key(self) -> bytes:
        """A short hash that is equal for equal questions."""
        names = None if self.values is None else [name for name, _ in self.values]
        parts = [f"{self.check} {names}".encode()]
        parts += [value.digest for _, value in self.values or ()]
        parts.append(self.code.encode(errors="surrogatepass"))
        return hashlib.sha256(b"\0".join(parts)).digest()

    @property
    def text(self) -> bytes | None:
        """The JSON object of the values; None without values."""
        if self.values is None:
            return None
        members = (b'"%b":%b' % (name.encode(), value.text) for name, value in self.values)
        return b"{%b}" % b",".join(members)

    @property
    def size(self) -> int:
        """The bytes of its code and values."""
        return len(self.code) + sum(len(value.text) for _, value in self.values or ())


@dataclass(frozen=True)
class Answer:
    """The result of an evaluation."""

    holds: bool = False
    """Whether the expression is true."""
    value: str | int | float | None = None
    """What an expression gives that is to give a short string, or a number."""
    problems: tuple[str, ...] = ()
    """Why there is no answer, or how the input differs from its schema."""
    too_expensive: bool = False
    """Whether a limit stopped the evaluation; the problem names the limit."""


class Answers(Protocol):
    """The answers known so far."""

    def get(self, evaluation: Evaluation, /) -> Answer | None:
        """Return the answer, or None if it is not known."""
        ...


class _NoAnswers:
    def get(self, evaluation: Evaluation, /) -> Answer | None:
        """Return None."""
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
        """The evaluations that the plan waits for. A plan that misses any must not be used."""
        return tuple(self._missing)

    def ask(self, evaluation: Evaluation) -> Answer:
        """Return the answer, or a placeholder."""
        answer = self._known.get(evaluation)
        if answer is None:
            self._missing[evaluation] = None
            return _PLACEHOLDER
        self.met_limit |= answer.too_expensive
        return answer


def json_text(value: object) -> str:
    """Return a value as compact JSON."""
    return _encode(value)


def json_bytes(value: object) -> bytes:
    """Return a value as compact JSON in UTF-8. Half surrogate pairs are kept as they are."""
    return json_text(value).encode(errors="surrogatepass")
