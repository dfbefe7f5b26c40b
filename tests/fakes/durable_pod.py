"""A durable task's pod without a cluster: `python -m tests.fakes.durable_pod`.

It is the real runner, on a cluster in its own process that outlives it in a file. An operator in
the same process ends the waits.
"""

import asyncio
import json
import os
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

from podhatch.api.labels import API_VERSION
from podhatch.api.model import JsonObject
from podhatch.api.pod import NAMESPACE, RUN, RUN_UID, TASK
from podhatch.client import session_override
from podhatch.client.session import Session
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.core.common.observed import ObservedDurableLog
from podhatch.core.durable.plan import plan_durable_log
from podhatch.runner.__main__ import main

STATE = "TEST_CLUSTER"
"""The variable with the path of the file."""
LOOK_SECONDS = 0.01


class StoredCluster(InMemoryCluster):
    """A cluster whose logs are in a file."""

    def __init__(self, file: Path) -> None:
        super().__init__(os.environ[NAMESPACE])
        self._file = file
        if file.exists():
            for page in json.loads(file.read_text()):
                self.put(page)
        task: JsonObject = {"name": os.environ[TASK], "state": "Running"}
        metadata = {"name": os.environ[RUN], "uid": os.environ[RUN_UID]}
        self.run = self.put(
            {
                "apiVersion": API_VERSION,
                "kind": "WorkflowRun",
                "metadata": metadata,
                "spec": {},
                "status": {"tasks": [task]},
            }
        )

    def changed(self, stored: JsonObject) -> None:
        """Write the file anew."""
        if stored["kind"] == "DurableLog":
            new = self._file.with_suffix(".new")
            new.write_text(json.dumps(self.objects("DurableLog")))
            new.rename(self._file)

    async def operate(self) -> None:
        """End waits in time."""
        while True:
            for page in self.objects("DurableLog"):
                observed = ObservedDurableLog(log=page, run=self.run)
                status = plan_durable_log(observed, datetime.now(UTC)).status
                if status is not None:
                    self.change("DurableLog", page["metadata"]["name"], status=status)
            await asyncio.sleep(LOOK_SECONDS)


@cache
def session() -> Session:
    """Return the pod's session. Called in the loop that the cluster lives in."""
    cluster = StoredCluster(Path(os.environ[STATE]))
    operating.add(asyncio.ensure_future(cluster.operate()))
    return Session(cluster, cluster.namespace)


operating: set[asyncio.Future[None]] = set()

if __name__ == "__main__":
    session_override.set_for_process(session)
    main()
