"""The clusters in memory keep the contract that the real API server keeps."""

import pytest
from podhatch.cluster.in_memory import InMemoryCluster
from podhatch.local.cluster import LocalCluster
from podhatch.testing import FakeClock

from tests.fakes.cluster import FakeCluster
from tests.fakes.contract import ClusterContract


class TestFakeCluster(ClusterContract):
    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster()


class TestInMemoryCluster(ClusterContract):
    @pytest.fixture
    def cluster(self) -> InMemoryCluster:
        return InMemoryCluster()


class TestLocalCluster(ClusterContract):
    @pytest.fixture
    def cluster(self) -> LocalCluster:
        return LocalCluster(FakeClock(), lambda _: None)
