"""A container's log as the API server sends it, turned into lines. Used by `Cluster.log`."""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime

from podhatch.cluster.errors import ApiError


@dataclass(frozen=True)
class LogLine:
    """One line, without its end.

    Attributes:
        time: When it was written by the node's clock, to the microsecond.
        text: What the container printed; what is no UTF-8 in it is replaced.
    """

    time: datetime
    text: str


async def log_lines(chunks: AsyncIterator[bytes]) -> AsyncGenerator[LogLine, None]:
    """Split a log that was asked for with timestamps; its last line may have no end.

    Raises:
        ApiError: 404 NotFound: in place of the log came the node's word that it is gone.
    """
    rest = b""
    async for chunk in chunks:
        *ended, rest = (rest + chunk).split(b"\n")
        for line in ended:
            yield _log_line(line.decode(errors="replace"))
    if rest:
        yield _log_line(rest.decode(errors="replace"))


def _log_line(line: str) -> LogLine:
    stamp, _, text = line.partition(" ")
    try:
        return LogLine(datetime.fromisoformat(stamp).astimezone(UTC), text.removesuffix("\r"))
    except ValueError:
        raise ApiError(404, "NotFound", line) from None
