"""The fake cluster keeps the contract that the real API server keeps."""

import pytest

from tests.fakes.cluster import FakeCluster
from tests.fakes.contract import ClusterContract


class TestFakeCluster(ClusterContract):
    @pytest.fixture
    def cluster(self) -> FakeCluster:
        return FakeCluster()
