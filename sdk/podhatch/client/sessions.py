"""The session that a call uses: the override's, or this process's own for its target."""

import asyncio
import os

from podhatch.api.pod import RUN_UID
from podhatch.client import background_loop, session_override
from podhatch.client.explain import NO_ACCESS
from podhatch.client.session import Session
from podhatch.client.target import Target
from podhatch.cluster import Cluster, ClusterUnreachable

_sessions: dict[tuple[asyncio.AbstractEventLoop, Target], Session] = {}


async def session_of(target: Target) -> Session:
    """Return the session for a target, and connect when first asked. In the background loop."""
    if (override := session_override.current()) is not None:
        return override
    if os.environ.get(RUN_UID):  # in a task's pod, which starts children beside its own run
        target = Target()
    loop = asyncio.get_running_loop()
    if (loop, target) not in _sessions:
        cluster = await _connect(target)
        if (loop, target) in _sessions:  # another run was faster
            await cluster.close()
        else:
            _sessions[loop, target] = Session(cluster, target.namespace or cluster.namespace)
            resources = background_loop.get().resources
            resources.push_async_callback(cluster.close)
            resources.callback(_sessions.pop, (loop, target))
    return _sessions[loop, target]


async def _connect(target: Target) -> Cluster:
    try:
        return await Cluster.connect(kubeconfig=target.kubeconfig, context=target.context)
    except ClusterUnreachable:
        if not os.environ.get(RUN_UID):
            raise
        raise ClusterUnreachable(NO_ACCESS) from None
