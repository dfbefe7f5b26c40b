"""Starts, records and stops the cluster's programs, each by its own process id.

Called by the control plane, the node and `down`. A record holds the start time and the boot too, so
that a number which the kernel has given to another program is never killed.
"""

import contextlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.cluster.paths import LOGS, RECORDS
from tests.cluster.progress import ClusterError, wait_until

# An API server whose etcd has gone would wait for minutes.
STOP_GRACE = 2


@dataclass(frozen=True)
class Component:
    """A long-running program and how to know that it serves."""

    name: str
    command: Sequence[str]
    ready: Callable[[], bool]
    seconds: float = 60
    # Written at the start alone: kube-proxy ends itself when its file is touched.
    files: Mapping[Path, str] = field(default_factory=dict[Path, str])

    @property
    def log(self) -> Path:
        """What it prints, kept in the clone's state."""
        return LOGS / f"{self.name}.log"


@dataclass(frozen=True)
class Record:
    """Which process is which component."""

    name: str
    pid: int
    start_ticks: int
    boot: str

    def alive(self) -> bool:
        """Whether this very process still runs."""
        return self.boot == _boot() and _start_ticks(self.pid) == self.start_ticks

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless the process has gone."""
        if self.alive():
            try:
                os.kill(self.pid, number)
            except ProcessLookupError:
                return


_started: list[subprocess.Popen[bytes]] = []
"""Kept, since a program that outlives its Popen object is a ResourceWarning."""


def start(component: Component) -> None:
    """Start a component and wait until it serves; a running one is left alone."""
    if running(component.name):
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    RECORDS.mkdir(parents=True, exist_ok=True)
    for path, content in component.files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    with component.log.open("ab") as sink:
        process = subprocess.Popen(
            list(component.command),
            stdin=subprocess.DEVNULL,
            stdout=sink,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _started.append(process)
    record = Record(component.name, process.pid, _start_ticks(process.pid) or 0, _boot())
    _path(component.name).write_text(json.dumps(asdict(record)))

    def settled() -> bool:
        return process.poll() is not None or component.ready()

    try:
        wait_until(settled, component.seconds, component.name)
    except ClusterError as error:
        raise ClusterError(
            f"{component.name} did not become ready within {component.seconds:.0f} seconds:"
            f" see {component.log}."
        ) from error
    if process.poll() is not None:
        raise ClusterError(f"{component.name} could not start: see {component.log}.")


def stop(names: Iterable[str], *, grace: float = STOP_GRACE) -> None:
    """Ask all of them to end at once, wait for each, and end the deaf ones."""
    records = [record for name in names if (record := _read(name))]
    for record in records:
        record.signal(signal.SIGTERM)
    with contextlib.suppress(ClusterError):
        wait_until(lambda: not any(record.alive() for record in records), grace, "their end")
    for record in records:
        record.signal(signal.SIGKILL)
    wait_until(lambda: not any(record.alive() for record in records), 20, "The end of all programs")
    for record in records:
        _path(record.name).unlink(missing_ok=True)


def running(name: str) -> bool:
    """Whether the recorded process of a component runs."""
    record = _read(name)
    return record is not None and record.alive()


def recorded() -> list[str]:
    """Every component that has a record, alive or not."""
    return sorted(path.stem for path in RECORDS.glob("*.json"))


def command_lines() -> dict[int, list[str]]:
    """Every process of this machine with its words."""
    found: dict[int, list[str]] = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
            except OSError:
                continue
            found[int(folder.name)] = words
    return found


def kill(pid: int) -> None:
    """End a process at once and wait for it."""
    ticks = _start_ticks(pid)
    if ticks is None:
        return
    record = Record(f"process {pid}", pid, ticks, _boot())
    record.signal(signal.SIGKILL)
    wait_until(lambda: not record.alive(), 10, f"the end of process {pid}")


def _path(name: str) -> Path:
    return RECORDS / f"{name}.json"


def _read(name: str) -> Record | None:
    try:
        return Record(**json.loads(_path(name).read_text()))
    except (OSError, ValueError, TypeError):
        return None


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def _start_ticks(pid: int) -> int | None:
    """When the process began, or None when it has ended, even if nobody collected it yet."""
    with contextlib.suppress(ChildProcessError):  # most are not our children
        os.waitpid(pid, os.WNOHANG)
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[19])
