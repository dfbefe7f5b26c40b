"""Whose cluster runs on this machine: only one can, for it takes fixed ports and addresses.

Called by __main__.py for the lock, and by local.py which writes and reads the owner.
"""

from collections.abc import Generator
from contextlib import contextmanager
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from tests.cluster.paths import MACHINE, REPOSITORY, STATE
from tests.cluster.progress import say

OWNER = MACHINE / "owner"


def owner() -> Path | None:
    """The clone that the cluster of this machine belongs to."""
    return Path(OWNER.read_text()) if OWNER.exists() else None


def take() -> None:
    """Note that the cluster belongs to this clone."""
    OWNER.write_text(str(REPOSITORY))


def release() -> None:
    """Note that there is no cluster."""
    OWNER.unlink(missing_ok=True)


@contextmanager
def alone() -> Generator[None]:
    """Hold the lock under which clusters and images change; wait for it if another has it."""
    MACHINE.mkdir(parents=True, exist_ok=True)
    STATE.mkdir(exist_ok=True)
    with (MACHINE / "lock").open("w") as lock:
        try:
            flock(lock, LOCK_EX | LOCK_NB)
        except BlockingIOError:
            say("  waiting for another command of tests.cluster to end")
            flock(lock, LOCK_EX)
        yield
