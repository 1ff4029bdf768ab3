"""Networks from a configuration. How a family's own are made, its record's module knows."""

from __future__ import annotations

import concurrent.futures
import importlib
from collections.abc import Iterable
from typing import Protocol, cast

import keras
import tensorflow as tf

from stylegan_tf.configuration.config import TrainConfig
from stylegan_tf.configuration.families import FAMILIES
from stylegan_tf.configuration.model_sections import NetworkConfig
from stylegan_tf.configuration.resolutions import level_size
from stylegan_tf.networks.bases import BaseCritic, BaseSynthesis
from stylegan_tf.networks.generator import Generator
from stylegan_tf.networks.mapping import MappingNetwork
from stylegan_tf.networks.shape import NetworkShape


class FamilyModule(Protocol):
    """What the module of a family's networks holds: functions that make its parts, named as here and not built yet."""

    def make_mapping(self, network: NetworkConfig, num_classes: int) -> MappingNetwork:
        """The mapping network, named "mapping"."""

    def make_synthesis(self, network: NetworkConfig, shape: NetworkShape) -> BaseSynthesis:
        """The synthesis network, named "synthesis"."""

    def make_critic(self, network: NetworkConfig, shape: NetworkShape) -> BaseCritic:
        """The critic, named "critic"."""


def shape_of(config: TrainConfig, num_levels: int, num_classes: int = 0, dtype_policy: str = "float32") -> NetworkShape:
    """What generator and critic of a configuration have in common.

    Args:
        config: The configuration.
        num_levels: Number of resolutions.
        num_classes: Size of the one-hot labels, 0 for none.
        dtype_policy: Keras policy of synthesis network and critic; the mapping network is always float32.
    """
    network, size = config.network, level_size(config.base_size, num_levels - 1)
    return NetworkShape(
        base_size=config.base_size,
        num_levels=num_levels,
        channels=config.channels,
        num_classes=num_classes,
        feature_maps_base=int(network.feature_maps_base.at(size)),
        feature_maps_max=network.feature_maps_max,
        dtype_policy=dtype_policy,
    )


def build_generator(network: NetworkConfig, shape: NetworkShape) -> Generator:
    """A built generator of the settings' family."""
    make = _module(network)
    mapping = make.make_mapping(network, shape.num_classes)
    generator = Generator(network.z_size, mapping, make.make_synthesis(network, shape), name="generator")
    generator.build()
    return generator


def outline_generator(network: NetworkConfig, shape: NetworkShape) -> Generator:
    """A generator whose variables have names and shapes and no values, so that none takes memory.

    Keras remembers, for each thread, which variables have no values yet, and gives them some whenever a later
    `StatelessScope` of that thread ends. Hence a thread that ends first.
    """

    def outline() -> Generator:
        with keras.StatelessScope(initialize_variables=False):
            return build_generator(network, shape)

    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        return thread.submit(outline).result()


def build_critic(network: NetworkConfig, shape: NetworkShape) -> BaseCritic:
    """A built critic of the settings' family."""
    critic = _module(network).make_critic(network, shape)
    critic.build()
    return critic


def _module(network: NetworkConfig) -> FamilyModule:
    return cast(FamilyModule, importlib.import_module(FAMILIES[network.family].networks))


def by_path(variables: Iterable[keras.Variable]) -> dict[str, tf.Variable]:
    """Keras variables by their path, as `tf.train.Checkpoint` saves them.

    Handing it a network instead would leave out every layer that lies in a list: TensorFlow does not look into the
    lists of a Keras 3 model.

    Raises:
        RuntimeError: When two have one path, of which one would be lost.
    """
    variables = list(variables)
    found = {variable.path: variable.value for variable in variables}
    if len(found) != len(variables):
        raise RuntimeError(f"variables must have paths of their own. Received: {len(variables)}, paths {len(found)}.")
    return found
