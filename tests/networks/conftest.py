"""What tests of networks share: networks with published weights."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest

from stylegan_tf.pretrained.published_names import load_published_critic, load_published_generator


class Published(NamedTuple):
    """A network with published weights, and what the published code made of its inputs.

    Attributes:
        network: A generator or a critic.
        reference: The file of numbers.
        inputs: Latents z, or images [N, H, W, C].
        labels: None for a network without classes.
    """

    network: Any
    reference: Any
    inputs: np.ndarray
    labels: np.ndarray | None


@pytest.fixture(scope="module")
def published(
    reference: Callable[[str], Any],
    channels_last: Callable[[np.ndarray], np.ndarray],
    build_published_generator: Callable[..., Any],
    build_published_critic: Callable[..., Any],
    build_published_stylegan2_generator: Callable[..., Any],
    build_published_stylegan2_critic: Callable[..., Any],
) -> Callable[[str], Published]:
    """`published(name)`: the network of tests/reference/<name>.npz, built once for the tests of a module."""

    @functools.cache
    def get(name: str) -> Published:
        numbers = reference(name)
        kwargs, inputs = numbers.config["kwargs"], numbers.inputs
        scores = "_discriminator_" in name
        if name.startswith("stylegan2_"):
            network = (build_published_stylegan2_critic if scores else build_published_stylegan2_generator)(kwargs)
            labels = inputs["c"] if kwargs["c_dim"] else None
        else:
            build = build_published_critic if scores else build_published_generator
            network = build(kwargs, progressive=name.startswith("progan_"))
            labels = inputs["labels"] if kwargs["label_size"] else None
        (load_published_critic if scores else load_published_generator)(network, numbers.variables)
        return Published(network, numbers, channels_last(inputs["images"]) if scores else inputs["z"], labels)

    return get
