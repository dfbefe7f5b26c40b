"""Times and values as people read them in a terminal: short, on one line, without surprises.

Pure. What is printable is decided here. Tables and trees are laid out from printable text, and the
console lets nothing else through to a terminal.
"""

import re
from datetime import datetime


def duration(begin: datetime | None, end: datetime) -> str:
    """Return the time between two moments, such as 1.2s, 3m05s or 2h10m; empty without a begin.

    The kubelet knows whole seconds only: between two such moments, tenths would be invented.
    """
    if begin is None:
        return ""
    exact = bool(begin.microsecond or end.microsecond)
    # Clocks of two machines: a moment from the cluster may lie in our future.
    seconds = max(0.0, (end - begin).total_seconds())
    whole = round(seconds)
    if exact and seconds < 9.95:
        return f"{seconds:.1f}s"
    if whole == 0:
        return "<1s"
    if whole < 60:
        return f"{whole}s"
    if whole < 3600:
        return f"{whole // 60}m{whole % 60:02}s"
    if whole < 48 * 3600:
        return f"{whole // 3600}h{whole % 3600 // 60:02}m"
    return f"{whole // 86400}d"


def moment(time: datetime | None) -> str:
    """Return a moment in the reader's own time zone, to the second."""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that steer a terminal or change the order in which a line is read."""


def printable(text: str) -> str:
    """Return the text with each character that steers a terminal written as its escape."""
    return UNPRINTABLE.sub(lambda match: escaped(match[0]), text)


def escaped(character: str) -> str:
    r"""Return the character by its number, such as \x1b."""
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}"


def shortened(text: str, length: int, ellipsis: str = "…") -> str:
    """Return the text on one line of at most `length` characters."""
    line = " ".join(printable(text).split())
    return line if len(line) <= length else line[: length - len(ellipsis)] + ellipsis
