"""An operator that is killed again and again."""

import threading

from tests.kube import OPERATOR_NAMESPACE, KubectlError, kubectl, operator_pod


def kill_until(stop: threading.Event, kills: list[str]) -> None:
    """Kill each operator that leads, when it has led for a moment."""
    while not stop.wait(1):
        leader = operator_pod()
        if not leader or leader in kills:
            continue
        now = ("--grace-period=0", "--force", "--wait=false")
        try:
            kubectl("-n", OPERATOR_NAMESPACE, "delete", "pod", leader, *now)
        except KubectlError:
            continue
        kills.append(leader)
