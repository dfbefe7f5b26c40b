"""The protocol of the evaluation server and its clients: one line of JSON per message.

A request asks several questions about the same values, which follow its line. Each gets an answer
with its number, in order. After an answer that defers the rest, or that reports a limit, the client
asks the other questions again.
"""

import json
from collections.abc import Sequence
from typing import Any

from podhatch.core.expressions.evaluation import Answer, Evaluation

SERVER = "podhatch.evaluation.server"
"""The module to start, with the file descriptors of its sockets."""
PATIENCE_SECONDS = 10.0
"""Longer than any evaluation may take, also on a busy node."""
MAX_LOST = 3
"""How often the server may be lost over an evaluation that gives no reason."""
NO_REPLY = Answer(problems=("its process does not answer",), too_expensive=True)
"""The answer when the server was lost that often."""


def encode_request(number: int, batch: Sequence[Evaluation]) -> bytes:
    """Return a request; `number` is that of the first evaluation, and all have the same values."""
    text = batch[0].text
    request = {
        "number": number,
        "check": batch[0].check,
        "codes": [each.code for each in batch],
        "size": None if text is None else len(text),
    }
    return json.dumps(request).encode() + b"\n" + (text or b"")


def encode_answer(number: int, answer: Answer) -> bytes:
    """Return the line of an answer."""
    message = {
        "number": number,
        "holds": answer.holds,
        "value": answer.value,
        "problems": answer.problems,
    }
    return json.dumps(message).encode() + b"\n"


def encode_limit(number: int, limit: str | None) -> bytes:
    """Return the line that says which limit an evaluation met; None if it met none."""
    return json.dumps({"number": number, "limit": limit}).encode() + b"\n"


def encode_later(number: int) -> bytes:
    """Return the line that puts off this evaluation and those after it."""
    return json.dumps({"number": number, "later": True}).encode() + b"\n"


def decode_answer(line: bytes, number: int) -> Answer | None:
    """Return the answer with this number; None when it is put off.

    Raises:
        ValueError, KeyError, TypeError: the line is not that answer.
    """
    message: dict[str, Any] = json.loads(line)
    if message["number"] != number or message.get("limit", "") is None:
        raise ValueError(f"expected the answer {number}, got {message}")
    if message.get("later"):
        return None
    if "limit" in message:
        return Answer(problems=(str(message["limit"]),), too_expensive=True)
    return Answer(message["holds"], message["value"], tuple(message["problems"]))
