"""The features that published numbers of metrics belong to."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture(scope="session")
def metrics(reference: Callable[[str], Any]) -> Any:
    return reference("metrics")


@pytest.fixture(scope="session")
def real(metrics: Any) -> np.ndarray:
    return metrics.inputs["feat_real"]


@pytest.fixture(scope="session")
def fake(metrics: Any) -> np.ndarray:
    return metrics.inputs["feat_gen"]
