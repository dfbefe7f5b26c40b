"""An operator that ends itself at a chosen write: `python -m tests.fakes.dying_operator`.

PODHATCH_FAULT says at which, as in `status:2`, `before create Job:3`, `after delete:1`, `event:1`
or `extend:1`: before or (by default) after the n-th write of that kind.
"""

import os
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import NoReturn, TypeVar

from podhatch.api.model import JsonObject
from podhatch.cluster import EVENT, WORKFLOW_RUN, Cluster, Connection, Kind
from podhatch_operator.__main__ import main

T = TypeVar("T")
VARIABLE = "PODHATCH_FAULT"
_FORM = re.compile(
    r"(?:(before|after) )?(status(?: [A-Za-z]+)?|event|delete|extend|create [A-Za-z]+):([1-9]\d*)"
)


class BadFault(Exception):  # noqa: N818 - it names what is bad
    """The variable cannot be understood."""


@dataclass
class Fault:
    """The write at which to die."""

    before: bool
    write: str
    writes_left: int

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> "Fault":
        """Return the fault that the environment asks for.

        Raises:
            BadFault: it cannot be understood.
        """
        text = environment.get(VARIABLE, "")
        if (form := _FORM.fullmatch(text)) is None:
            raise BadFault(f"{VARIABLE} is {text!r}: use for example 'before create Job:3'")
        moment, write, number = form.groups()
        return cls(moment == "before", write, int(number))


def die() -> NoReturn:
    """End the process at once, as a kill from outside would."""
    os.kill(os.getpid(), signal.SIGKILL)
    os._exit(128 + signal.SIGKILL)  # the first process of a container does not hear its own signals


class FaultyCluster(Cluster):
    """A connection on which the chosen write is the last."""

    def __init__(self, connection: Connection, fault: Fault, end: Callable[[], None] = die) -> None:
        super().__init__(connection)
        self._fault = fault
        self._end = end

    async def create(self, manifest: JsonObject, *, dry_run: bool = False) -> JsonObject:
        """Create, unless it is too late."""
        kind: str = manifest["kind"]
        write = "event" if kind == EVENT.kind else f"create {kind}"
        return await self._write(write, partial(super().create, manifest, dry_run=dry_run))

    async def replace_status(
        self, manifest: JsonObject, *, metadata_only: bool = False
    ) -> JsonObject:
        """Replace the status: `status` is that of a run, `status Job` that of a Job."""
        kind: str = manifest["kind"]
        write = "status" if kind == WORKFLOW_RUN.kind else f"status {kind}"
        return await self._write(
            write, partial(super().replace_status, manifest, metadata_only=metadata_only)
        )

    async def merge_patch(
        self, kind: Kind, namespace: str, name: str, body: JsonObject
    ) -> JsonObject:
        """Patch: the deadline of a Job."""
        request = partial(super().merge_patch, kind, namespace, name, body)
        return await self._write("extend", request)

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        uid: str | None = None,
        resource_version: str | None = None,
    ) -> None:
        """Delete."""
        expected = {"uid": uid, "resource_version": resource_version}
        request = partial(super().delete, kind, namespace, name, **expected)
        await self._write("delete", request)

    async def _write(self, write: str, request: Callable[[], Awaitable[T]]) -> T:
        fault = self._fault
        fault.writes_left -= write == fault.write
        is_last = write == fault.write and fault.writes_left == 0
        if is_last and fault.before:
            self._end()
        answer = await request()
        if is_last:
            self._end()
        return answer


if __name__ == "__main__":
    sys.exit(main(lambda connection: FaultyCluster(connection, Fault.read())))
