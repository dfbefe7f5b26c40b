"""The report of an attempt: how it is built, and how it is cut to fit a termination message.

Pure: `attempt` decides when there is one, and a `Delivery` takes it away.
"""

import json
from collections.abc import Callable

from podhatch.api.pod import (
    MAX_MESSAGE_BYTES,
    MAX_OUTPUT_BYTES,
    MAX_POD_MESSAGE_BYTES,
    ErrorReport,
    Report,
)

MAX_TYPE = 256
MAX_MESSAGE = 2048
MAX_TRACEBACK = 16 * 1024

_SHARED = f"the pod's containers share {MAX_POD_MESSAGE_BYTES} bytes"


class NotDelivered(Exception):  # noqa: N818
    """The report did not leave the pod this way; the text says why in one sentence."""


class TaskFailure(Exception):  # noqa: N818
    """A failure whose type and message say it all, so that no traceback is kept."""

    def __init__(self, kind: str, message: str, trace: str = "") -> None:
        super().__init__(message)
        self.report = error_report(kind, message, trace)


def error_report(kind: str, message: str, trace: str = "") -> ErrorReport:
    """Return an error within the limits of a report: a long traceback keeps its end."""
    report = ErrorReport(type=kind[:MAX_TYPE], message=_unicode(message)[:MAX_MESSAGE])
    if trace:
        report["traceback"] = _unicode(trace)[-MAX_TRACEBACK:]
    return report


def encode(report: Report) -> bytes:
    """Return the report as compact JSON."""
    return json.dumps(report, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def too_large(report: Report, *, room: int, cluster_access: bool) -> ErrorReport | None:
    """Return the error when the output is more than the report may carry, else None.

    `room` is how many bytes the kubelet keeps of the termination message; with `cluster_access` the
    report leaves by a TaskResult too.
    """
    size = len(report.get("output", "").encode())
    if cluster_access and size > MAX_OUTPUT_BYTES:
        return ErrorReport(
            type="OutputTooLarge",
            message=f"the output has {size} bytes as JSON, and the limit is {MAX_OUTPUT_BYTES}: "
            "keep the data in a volume or an object store, and return where it is",
        )
    if not cluster_access and size and len(encode(report)) > room:
        shared = "" if room == MAX_MESSAGE_BYTES else f", as {_SHARED}"
        return ErrorReport(
            type="OutputTooLarge",
            message=f"the output has {size} bytes as JSON, and a pod without access to the cluster "
            f"can report {room} bytes in all{shared}: return less, or set clusterAccess: "
            "report",
        )
    return None


def lost_output(report: Report, reason: str, room: int) -> ErrorReport | None:
    """Return the error when only a TaskResult could hold the output, and it was not written."""
    if "output" not in report or len(encode(report)) <= room:
        return None
    return ErrorReport(
        type="OutputNotDelivered",
        message=f"the task returned {len(report['output'].encode())} bytes, which only a "
        f"TaskResult can hold, and it could not be written: {reason}",
    )


def failed(report: Report, error: ErrorReport) -> Report:
    """Return the report of an attempt whose output cannot be kept."""
    rest = report.copy()
    rest.pop("output", None)
    rest["outcome"] = "Failed"
    rest["error"] = error
    return rest


def termination_message(report: Report, *, room: int, recorded: bool) -> bytes:
    """Return the report within the bytes the kubelet keeps.

    If a TaskResult has `recorded` it too, `truncated` refers the reader to it.
    """
    whole = encode(report)
    if len(whole) <= room:
        return whole
    short = report.copy()
    short.pop("output", None)
    if recorded:
        short["truncated"] = True
    if "error" in short:
        short["error"] = _cut_error(short, short["error"], room)
    return encode(short)


def _cut_error(report: Report, error: ErrorReport, room: int) -> ErrorReport:
    """Keep what fits of the traceback's end, else of the message's start, else of the type."""
    kind, message, trace = error["type"], error["message"], error.get("traceback", "")

    def with_trace(length: int) -> ErrorReport:
        return ErrorReport(type=kind, message=message, traceback=trace[len(trace) - length :])

    def without_trace(length: int) -> ErrorReport:
        return ErrorReport(type=kind, message=message[:length])

    def type_only(length: int) -> ErrorReport:
        return ErrorReport(type=kind[:length], message="")

    def longest(length: int, cut: Callable[[int], ErrorReport]) -> ErrorReport | None:
        """Return the longest cut that fits; None if not even one character does."""
        low, high = 0, length
        while low < high:
            middle = (low + high + 1) // 2
            fits = len(encode({**report, "error": cut(middle)})) <= room
            low, high = (middle, high) if fits else (low, middle - 1)
        return cut(low) if low else None

    return (
        longest(len(trace), with_trace)
        or longest(len(message), without_trace)
        or longest(len(kind), type_only)
        or type_only(0)
    )


def _unicode(text: str) -> str:
    """Replace what UTF-8 cannot hold, such as the odd bytes of a file name."""
    return text.encode("utf-8", "replace").decode("utf-8")
