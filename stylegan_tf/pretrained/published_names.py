"""From the variable names of published networks to ours, and back, whatever the family.

Every array must find its variable and every variable its array. Which is whose, the family's own module knows.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np

from stylegan_tf.configuration.families import FAMILIES
from stylegan_tf.errors import require
from stylegan_tf.networks.bases import BaseCritic
from stylegan_tf.networks.generator import Generator
from stylegan_tf.pretrained.array_shapes import Structure
from stylegan_tf.pretrained.filling import Array, Entry, fill, laid_out, read_out
from stylegan_tf.pretrained.published_file import PublishedNetwork

if TYPE_CHECKING:
    from stylegan_tf.pretrained import stylegan1_names, stylegan2_names

    _MODULES: tuple[PublishedModule, ...] = (stylegan1_names, stylegan2_names)

# Published variables with ours and their layout; and arrays beside them that are no variables of ours.
Bridge = tuple[dict[str, Entry], dict[str, Array]]


class PublishedModule(Protocol):
    """What the module of a family's published names holds."""

    def generator_bridge(self, generator: Generator) -> Bridge:
        """What is published of a generator."""

    def critic_bridge(self, critic: Any) -> Bridge:
        """What is published of a critic."""

    def unpublished(self, generator: Generator) -> list[Any]:
        """Variables of a generator that may keep their values."""

    def generator_structure(self, network: PublishedNetwork) -> Structure:
        """What a published generator's arrays are of."""

    def critic_structure(self, network: PublishedNetwork) -> Structure:
        """What a published critic's arrays are of."""

    def published_metadata(self, network: Any) -> dict[str, str]:
        """Words for the metadata of a file of such names, "names" (whose they are) among them."""


def published_module(family: str) -> PublishedModule:
    """That of a family. Raises UserError where none of the family's networks were published."""
    published = ", ".join(name for name, record in FAMILIES.items() if record.published)
    module = FAMILIES[family].published
    require(bool(module), f"published names are known of the families {published}", family)
    return cast(PublishedModule, importlib.import_module(module))


def family_of(network: Generator | BaseCritic) -> str:
    """The family of a network."""
    return network.synthesis.family if isinstance(network, Generator) else network.family


def load_published_generator(generator: Generator, arrays: Mapping[str, Array]) -> None:
    """Fills a built generator with published weights.

    Args:
        generator: A built `Generator` of the same configuration.
        arrays: By published name, such as "G_synthesis/8x8/Conv0_up/weight"; of StyleGAN's G or Gs (mapping and
            synthesis under their prefixes), of progressive growing's G, or of StyleGAN2-ADA's G or G_ema, such as
            "synthesis.b8.conv0.weight". A "lod" is ignored: it is training state. A "resample_filter" is compared.

    Raises:
        ValueError: Naming every array that found no variable, every variable that found no array, and every shape
            and filter that differs. The generator is then unchanged.
    """
    module = published_module(generator.synthesis.family)
    entries, constants = module.generator_bridge(generator)
    fill(generator, entries, arrays, module.unpublished(generator), constants)


def check_published_generator(generator: Generator, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises what `load_published_generator` would for arrays of these shapes; neither side takes memory for them.

    Args:
        generator: Of `networks.build.outline_generator`.
        shapes: By published name.
    """
    module = published_module(generator.synthesis.family)
    entries, constants = module.generator_bridge(generator)
    hollow = {name: np.broadcast_to(np.float32(0), shape) for name, shape in shapes.items() if name not in constants}
    laid_out(generator, entries, hollow, module.unpublished(generator))


def load_published_critic(critic: BaseCritic, arrays: Mapping[str, Array]) -> None:
    """Fills a built critic with published weights; see `load_published_generator`."""
    entries, constants = published_module(critic.family).critic_bridge(critic)
    fill(critic, entries, arrays, constants=constants)


def published_arrays(network: Generator | BaseCritic) -> dict[str, Array]:
    """The weights of a network as they would be published: what `load_published_generator` or `_critic` would read.

    Returns:
        float32 by published name; of StyleGAN2 with its filters, as the PyTorch code keeps them.
    """
    module = published_module(family_of(network))
    return read_out(*(module.generator_bridge if isinstance(network, Generator) else module.critic_bridge)(network))
