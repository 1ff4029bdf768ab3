"""The families of networks: one record each, with all that the rest of the package asks about a family.

Records need no TensorFlow, since flags are checked before it is imported. What does need it is a module that a record
names: `networks`, which builds a family's networks, and `published`, which knows the names of published ones.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from stylegan_tf.configuration.model_sections import NetworkConfig, parse_taps
from stylegan_tf.configuration.options import FAMILY_SUMMARIES
from stylegan_tf.configuration.resolutions import ResolutionTable
from stylegan_tf.errors import require

# Images a step by number of devices and resolution, as published with StyleGAN.
PUBLISHED_BATCH_SIZES = {
    1: "4:128,32:64,64:32,128:16,256:8,512:4",
    2: "4:256,32:128,64:64,128:32,256:16,512:8",
    4: "4:512,32:256,64:128,128:64,256:32,512:16",
    8: "4:512,8:256,16:128,32:64,64:32",
}


def published_batch_sizes(num_devices: int) -> ResolutionTable:
    """StyleGAN's batch sizes for the largest published number of devices that is not above `num_devices`."""
    known = max(number for number in PUBLISHED_BATCH_SIZES if number <= max(num_devices, 1))
    return ResolutionTable.parse(PUBLISHED_BATCH_SIZES[known])


def automatic_batch_size(size: tuple[int, int], num_devices: int) -> int:
    """Images a step: at most 32 a device, fewer above 128x128, at most 64 in all, and at least one a device."""
    side = (size[0] * size[1]) ** 0.5
    return max(min(num_devices * min(int(4096 // side), 32), 64), num_devices)


def _one_batch_size(size: tuple[int, int], num_devices: int) -> ResolutionTable:
    return ResolutionTable(((0, float(automatic_batch_size(size, num_devices))),))


def _nothing_to_check(network: NetworkConfig) -> None:
    """A family whose networks take every setting."""


@dataclasses.dataclass(frozen=True)
class Family:
    """A family of networks.

    Attributes:
        name: The value of `--family`; its networks carry it as `family`.
        summary: What its networks are, for `--help`.
        networks: Name of the module that builds them, see `networks.build.FamilyModule`.
        grows: Whether training begins at a small resolution.
        describe: What networks of these settings are, for the plan of a run: what people call them, and after a comma
            what else there is to say.
        details: More of it, for the report on a published file: a word and a text for each line.
        check: Raises UserError for settings that its networks cannot have.
        critic_first: Whether a step updates the critic before the generator.
        batch_sizes: Images a step for a final size and a number of devices, where none are given.
        published: Name of the module that knows the names of published networks, see
            `pretrained.published_names.PublishedModule`; empty when there are none.
    """

    name: str
    summary: str
    networks: str
    grows: Callable[[NetworkConfig], bool]
    describe: Callable[[NetworkConfig], str]
    details: Callable[[NetworkConfig], list[tuple[str, str]]]
    check: Callable[[NetworkConfig], None] = _nothing_to_check
    critic_first: bool = False
    batch_sizes: Callable[[tuple[int, int], int], ResolutionTable] = _one_batch_size
    published: str = ""

    def title(self, network: NetworkConfig) -> str:
        """What people call networks of these settings, such as "StyleGAN2"."""
        return self.describe(network).partition(",")[0]


def _edges(network: NetworkConfig) -> str:
    return " with repeated edges" if network.generator_padding == "edge" else ""


def _stylegan1_details(network: NetworkConfig) -> list[tuple[str, str]]:
    fused = {0: "never", 1: "always"}.get(network.fused_from, f"from {network.fused_from}x{network.fused_from} up")
    styles = ", styles" if network.style else ""
    return [
        ("Design", f"growing{_edges(network)}, {network.normalization} normalisation{styles}"),
        ("Resampling", f"{'blurred' if network.blur else 'not blurred'}; one operation with convolution {fused}"),
    ]


def _stylegan2_details(network: NetworkConfig) -> list[tuple[str, str]]:
    clamp = f"at {network.clamp:g}" if network.clamp_always else "none"
    generator = f"{network.generator_architecture} generator{_edges(network)}"
    return [
        ("Design", f"{generator}, {network.critic_architecture} critic"),
        ("Resampling", f"filter {network.resample_filter}; clamp {clamp}"),
    ]


def _check_stylegan2(network: NetworkConfig) -> None:
    layers, classifies = network.mapping_layers, network.critic_classifies
    require(layers > 0, "mapping_layers must be above 0 with family=stylegan2", layers)
    require(not classifies, "critic_classifies must be off with family=stylegan2", classifies)
    architectures = network.generator_architecture, network.critic_architecture
    require(
        architectures[0] == architectures[1] or "growing" not in architectures,
        "generator_architecture and critic_architecture must both be 'growing', or neither",
        " and ".join(architectures),
    )
    parse_taps(network.resample_filter)


STYLEGAN1 = Family(
    name="stylegan1",
    summary="AdaIN and growing networks",
    networks="stylegan_tf.networks.stylegan1.build",
    grows=lambda network: True,
    describe=lambda network: "StyleGAN, growing" if network.style else "ProGAN, growing",
    details=_stylegan1_details,
    critic_first=True,  # as published
    batch_sizes=lambda size, num_devices: published_batch_sizes(num_devices),
    published="stylegan_tf.pretrained.stylegan1_names",
)
STYLEGAN2 = Family(
    name="stylegan2",
    summary="demodulated weights",
    networks="stylegan_tf.networks.stylegan2.build",
    grows=lambda network: network.generator_architecture == "growing",
    describe=lambda network: (
        f"StyleGAN2, {network.generator_architecture} generator, {network.critic_architecture} critic"
    ),
    details=_stylegan2_details,
    check=_check_stylegan2,
    published="stylegan_tf.pretrained.stylegan2_names",
)
FAMILIES: dict[str, Family] = {}


def register(family: Family) -> None:
    """Makes a family known by its name, in place of one that had the name before."""
    FAMILIES[family.name] = family
    FAMILY_SUMMARIES[family.name] = family.summary


register(STYLEGAN1)
register(STYLEGAN2)
