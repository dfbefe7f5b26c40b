"""A connection to the cluster of this repository, and a namespace for each test."""

import asyncio
import uuid
from collections.abc import AsyncGenerator

import pytest
from podhatch.cluster import Cluster

from tests.kube import KUBECONFIG, kubectl


@pytest.fixture
async def cluster() -> AsyncGenerator[Cluster]:
    """The cluster, with a namespace of the test's own as the default one."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    await asyncio.to_thread(kubectl, "create", "namespace", name)
    connected = await Cluster.connect(kubeconfig=str(KUBECONFIG))
    connected.namespace = name
    yield connected
    await connected.close()
    await asyncio.to_thread(kubectl, "delete", "namespace", name, "--wait=false")
