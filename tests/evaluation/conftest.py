"""What the tests of measuring share."""

import pytest
from made_up import PixelNetwork, make_generator


@pytest.fixture(scope="session")
def network():
    return PixelNetwork()


@pytest.fixture(scope="session")
def generator():
    return make_generator()
