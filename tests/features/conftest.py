"""Weights and images that feature_networks.npz was made with, by the recipes in its config."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import pytest


class RandomWeights(Mapping[str, np.ndarray]):
    """Tensors by name, each made when it is asked for, so that few are in memory at a time."""

    def __init__(self, shapes: dict[str, list[int]]) -> None:
        self._shapes = shapes

    def __getitem__(self, name: str) -> np.ndarray:
        shape = self._shapes[name]
        random = np.random.RandomState(zlib.crc32(name.encode()))
        if name.startswith("lin"):
            values = random.uniform(0, 1, shape)
        elif name.endswith("running_var") or (name.endswith(".weight") and len(shape) == 1):
            values = random.uniform(0.5, 1.5, shape)
        elif len(shape) == 1:
            values = 0.1 * random.standard_normal(shape)
        else:
            values = random.standard_normal(shape) * np.sqrt(2 / np.prod(shape[1:]))
        return values.astype(np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._shapes)

    def __len__(self) -> int:
        return len(self._shapes)


@pytest.fixture(scope="session")
def published(reference: Callable[[str], Any]) -> Any:
    """The outputs of published networks with random weights."""
    return reference("feature_networks")


@pytest.fixture(scope="session")
def random_weights(published: Any) -> Callable[[str], RandomWeights]:
    """`random_weights(name)`: the weights of one of those networks."""
    return lambda name: RandomWeights(published.config["shapes"][name])


@pytest.fixture(scope="session")
def random_image() -> Callable[[int, int, int], np.ndarray]:
    """`random_image(seed, height, width)`: uint8 `[1, height, width, 3]`."""
    return lambda seed, height, width: (
        np.random.RandomState(seed).randint(0, 256, (1, height, width, 3)).astype(np.uint8)
    )
