"""A durable task that tests invoke."""

import pytest

from tests.unit.durable.invocations import Task


@pytest.fixture
def task() -> Task:
    return Task()
