import pytest

from tests.unit.operator.operator import Operator


@pytest.fixture
def operator() -> Operator:
    return Operator()
