import pytest
from podhatch import Hatchet


@pytest.fixture
def hatchet() -> Hatchet:
    return Hatchet()
