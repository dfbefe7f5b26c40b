"""An operator that is killed again and again."""

import threading
from collections.abc import Generator
from contextlib import contextmanager

from tests.kube import OPERATOR_NAMESPACE, KubectlError, eventually, kubectl, operator_pod


@contextmanager
def operator_killed(times: int) -> Generator[None]:
    """Kill each operator that leads, until the block has ended and so many were killed."""
    stop, killed = threading.Event(), list[str]()

    def kill() -> None:
        while not stop.wait(1):
            leader = operator_pod()
            if not leader or leader in killed:
                continue
            now = ("--grace-period=0", "--force", "--wait=false")
            try:
                kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", leader, *now)
            except KubectlError:
                continue
            killed.append(leader)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
        eventually(lambda: len(killed) >= times, 90, f"{times} kills")
    finally:
        stop.set()
        killer.join()
