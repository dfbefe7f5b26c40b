"""The feature clients keep their promises against the fake cluster."""

import pytest
from podhatch.api.model import JsonObject
from podhatch.client import background_loop

from tests.fakes.features import Create, FeatureContract
from tests.unit.sdk.conftest import Stage


class TestFeatures(FeatureContract):
    @pytest.fixture
    def create(self, stage: Stage) -> Create:
        def create(manifest: JsonObject) -> None:
            placed = {**manifest, "metadata": {**manifest["metadata"], "namespace": "default"}}
            background_loop.wait(stage.cluster.create(placed))

        return create

    @pytest.fixture(autouse=True)
    def _on_stage(self, stage: Stage) -> None:
        """Every client speaks to the fake."""
