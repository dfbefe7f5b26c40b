import pytest

from tests.unit.runtime.operator import Operator


@pytest.fixture
def operator() -> Operator:
    return Operator()
