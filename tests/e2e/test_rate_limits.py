"""Rate limits on a real node, while the operator is killed."""

from datetime import datetime, timedelta
from itertools import pairwise

from podhatch.api.model import JsonObject

from tests.e2e.killing import operator_killed
from tests.kube import Namespace, eventually, run_manifest, workflow_manifest

RUNS, UNITS, KILLS = 24, 8, 2
WORK: JsonObject = {"name": "work", "python": "platform:python_version"}


def put(namespace: Namespace, key: str, units: int, duration: str) -> None:
    spec = {"key": key, "limit": units, "duration": duration}
    manifest = {"apiVersion": "podhatch.dev/v1alpha1", "kind": "RateLimit"}
    namespace.apply({**manifest, "metadata": {"name": key}, "spec": spec})


def test_no_window_has_more_units_than_the_limit_while_the_operator_is_killed(
    namespace: Namespace,
) -> None:
    put(namespace, "api", UNITS, "MINUTE")
    limited = {**WORK, "rateLimits": [{"staticKey": "api"}], "scheduleTimeoutSeconds": 600}
    namespace.apply(workflow_manifest("calls", limited))
    runs = [run_manifest(f"calls-{number}", "calls") for number in range(RUNS)]
    with operator_killed(KILLS):
        namespace.apply({"apiVersion": "v1", "kind": "List", "items": runs})
    used: dict[str, int] = {}
    eventually(lambda: all_ended(namespace, used), 240, "all runs to end")
    assert used == dict.fromkeys(used, UNITS)
    assert len(used) == RUNS / UNITS
    starts = sorted(map(datetime.fromisoformat, used))
    assert all(later - one >= timedelta(minutes=1) for one, later in pairwise(starts))


def all_ended(namespace: Namespace, used: dict[str, int]) -> bool:
    """Note what was used in the present window. Return whether all runs have succeeded."""
    status = namespace.get("rl", "api")["status"]
    if start := status.get("windowStart"):
        used[start] = max(used.get(start, 0), status.get("used", 0))
    phases = [run.get("status", {}).get("phase") for run in namespace.list("wfr")]
    assert not {"Failed", "Cancelled"} & {*phases}
    return phases == ["Succeeded"] * RUNS


def test_a_waiting_task_says_for_what(namespace: Namespace) -> None:
    limited = {
        **WORK,
        "rateLimits": [{"dynamicKey": "input.tenant", "limit": 1, "duration": "HOUR"}],
    }
    namespace.apply(workflow_manifest("tenants", limited))
    namespace.run("tenants-1", "tenants", input={"tenant": "acme"})
    namespace.wait("tenants-1", "Succeeded")
    namespace.run("tenants-2", "tenants", input={"tenant": "acme"})
    entry = namespace.wait_for_reason("tenants-2", "work", "RateLimit")
    assert entry["message"].startswith("needs 1 unit of 'acme': 0 of 1 are left until ")
    namespace.run("tenants-3", "tenants", input={"tenant": "zenith"})
    namespace.wait("tenants-3", "Succeeded")
    shown = namespace.kubectl("get", "rl")
    assert [line.split()[1:5] for line in shown.splitlines()[1:]] == [
        ["acme", "1", "HOUR", "0"],
        ["zenith", "1", "HOUR", "0"],
    ]
