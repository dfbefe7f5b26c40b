"""Runs that are in the cluster before the tests and must be the same after them.

`.ci/run` calls `python -m tests.bystanders start` before `make test`, and `check` afterwards.
"""

import json
import sys
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from podhatch.api.model import JsonObject

from tests.cluster.paths import STATE
from tests.kube import KubectlError, Namespace, eventually, kubectl, shell, tasks, workflow_manifest

RECORD = STATE / "bystanders.json"
NAMESPACE = Namespace("bystanders")
KINDS = "workflows.podhatch.dev,workflowruns.podhatch.dev,cronworkflows.podhatch.dev"
States = dict[str, JsonObject]


def start() -> None:
    """Start a run of each kind, and write down what all runs of the cluster look like."""
    kubectl("create", "namespace", NAMESPACE.name)
    going = shell("going", "exec sleep 7200", executionTimeoutSeconds=7200)
    done = shell("done", 'echo "{}" > $PODHATCH_OUTPUT')
    NAMESPACE.apply(workflow_manifest("done", done), workflow_manifest("going", going))
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    NAMESPACE.run("done-1", "done")
    NAMESPACE.run("going-1", "going")
    NAMESPACE.run("later-1", "done", startAt=tomorrow.strftime("%Y-%m-%dT%H:%M:%SZ"))
    NAMESPACE.wait("done-1", "Succeeded")
    eventually(going_is_running, 60, "the run going-1 to run")
    RECORD.write_text(json.dumps(states()))


def going_is_running() -> bool:
    return tasks(NAMESPACE.get("wfr", "going-1")).get("going", {}).get("state") == "Running"


def states() -> States:
    """Return what must not change of each run, workflow, cron and running pod, by its path."""
    found: States = {}
    objects = json.loads(kubectl("get", KINDS, "-A", "-o", "json"))["items"]
    for each in [*objects, *NAMESPACE.list("pods", "podhatch.dev/run=going-1")]:
        metadata, status = each["metadata"], each.get("status", {})
        found[f"{each['kind']} {metadata['namespace']}/{metadata['name']}"] = {
            "uid": metadata["uid"],
            "spec": each["spec"] if each["kind"] != "Pod" else {},
            "deleted": metadata.get("deletionTimestamp"),
            "phase": status.get("phase"),
            "tasks": {name: [t["state"], t.get("attempt")] for name, t in tasks(each).items()},
        }
    return found


def differences(before: Mapping[str, JsonObject], after: Mapping[str, JsonObject]) -> list[str]:
    """Say which objects are gone or changed. More of them are fine."""
    return [
        f"{path} is gone" if path not in after else f"{path}: {field} was {old}, is {new}"
        for path, state in before.items()
        for field, old in state.items()
        if (new := after.get(path, {}).get(field)) != old and (path in after or field == "uid")
    ]


def main(command: str) -> int:
    """Start the runs, or check them."""
    if command == "start":
        start()
        return 0
    before: States = json.loads(RECORD.read_text())
    try:
        found = differences(before, states())
    except KubectlError as error:
        found = [f"the cluster does not answer: {error}"]
    print("\n".join(found or [f"{len(before)} objects are as they were before the tests"]))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
